"""The staging of a candidate: the approved bytes on a server of their own, smoke requests, then the declared load. Before any customer.

The rules are in `interlock.rules.staging`. A verdict that is unknown is asked for once more, for twice as long; then the release ends, and
a person is told: what could not be measured is not promoted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from interlock.control.releases.load_test import Request, Sent, Traffic, arrivals
from interlock.control.releases.real_rows import Record, Rows, golden_records, golden_scores, own_answers, real_records
from interlock.control.releases.temporary_server import TemporaryServer, temporary_server
from interlock.errors import DataError, InterlockError, PackageError
from interlock.modeling.package import Package, read_package
from interlock.records.store import Store
from interlock.rules.routes import Route, Slot
from interlock.rules.staging import TOLERANCE, Load, Measure, Smoke, StagingJudgement, judge, judge_load, judge_smoke
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    from interlock.control.releases.deploying import Plan

BATCH = 50
PROBLEMS_MAX = 20
REFUSED = (429, 503)
Up = Callable[[TemporaryServer], None]


@dataclass(frozen=True)
class _Stage:
    """One candidate and the requests that it is asked."""

    settings: Settings
    plan: Plan
    use_case: UseCase
    package: Package
    golden: Rows
    real: Rows


def rehearse(settings: Settings, store: Store, plan: Plan, *, up: Up | None = None) -> StagingJudgement:
    """Stage the candidate of a release and judge it. Never raises for what goes wrong on the way: that is the verdict.

    `up` is called once the server answers with the candidate (tests put faults in there).
    """
    found = _attempt(settings, store, plan, 1, up)
    return found if found.verdict != "unknown" else _attempt(settings, store, plan, 2, up)


def _attempt(settings: Settings, store: Store, plan: Plan, number: int, up: Up | None) -> StagingJudgement:
    facts: dict[str, Any] = {"attempt": number, "version": plan.slot.version, "digest": plan.slot.digest}
    measures: list[Measure] = []
    try:
        use_case, package = plan.use_case, read_package(settings.folder("packages"), plan.slot.digest)
        real = real_records(settings, store, use_case, package, plan.candidate.snapshot_digest, rows=use_case.staging.real_rows)
        stage = _Stage(settings, plan, use_case, package, golden_records(package), real)
        facts["rows"] = {"golden": len(stage.golden.records), "real": len(real.records), "source": real.source, "note": real.note}
        with temporary_server(settings, "staging") as server:
            measures += _smoke(stage, server, up)
            if judge(measures, facts).verdict == "pass":
                measures += judge_load(use_case.staging, _load(stage, server, number))
    except PackageError as error:
        measures.append(Measure("server", "fail", f"server: {error.what}"))
    except (InterlockError, OSError) as error:  # no server, no verdict
        what = error.what if isinstance(error, InterlockError) else str(error)
        measures.append(Measure("server", "unknown", f"server: {what}"[:500]))
    return judge(measures, facts)


def _smoke(stage: _Stage, server: TemporaryServer, up: Up | None) -> list[Measure]:
    """Golden and real rows over HTTP, answered by the bare model: no abstention, and the strictest check of fields."""
    slot, golden = stage.plan.slot, stage.golden.records
    server.client.converge(Route(use_case=stage.use_case.name, generation=1, champion=slot))
    if up is not None:
        up(server)
    recorded = golden_scores(stage.package) if golden else None
    expected = recorded if recorded is not None else own_answers(stage.settings, stage.package, golden)
    return judge_smoke(_ask(server, stage.use_case.name, slot, stage.golden, expected),
                       _ask(server, stage.use_case.name, slot, stage.real, own_answers(stage.settings, stage.package, stage.real.records)))


def _load(stage: _Stage, server: TemporaryServer, attempt: int) -> Load | None:
    """Requests at the declared rate, on the route that customers will get; the second attempt lasts twice as long."""
    asked, plan = stage.use_case.staging, stage.plan
    if asked.load_seconds == 0:
        return None
    rows = stage.real if stage.real.records else stage.golden
    if not rows.records:
        return Load(asked.load_rate_per_s, asked.load_seconds, reasons=(rows.note,))
    server.client.converge(Route(use_case=stage.use_case.name, generation=2, champion=plan.slot, serving=plan.serving,
                                 on_capture_failure=plan.rollout.on_capture_failure))
    seconds, bodies = asked.load_seconds * attempt, bodies_of(rows.records, asked.load_rows)
    schedule = arrivals(asked.load_rate_per_s, seconds, stage.settings.seed + attempt)
    target = server.target(stage.use_case.name, asked.load_connections)
    sent = Traffic(target, schedule, lambda n: Request(bodies[n % len(bodies)])).start().wait()
    return replace(load_of(sent, plan.slot), rate_per_s=asked.load_rate_per_s, seconds=seconds, rows_per_request=asked.load_rows)


def load_of(sent: Sequence[Sent], slot: Slot) -> Load:
    """The load test that these requests were. An answer that names other bytes is an error."""
    good = [one for one in sent if one.status == 200 and one.reply is not None and one.reply.digest == slot.digest]
    refused = [one for one in sent if one.status in REFUSED]
    lag = float(np.quantile([one.lag_ms for one in sent], 0.99)) if sent else 0.0
    reasons = {f"{one.status or 'no answer'}: {one.error}"[:200] if one.status != 200 else "another digest answered": None
               for one in sent if one.status != 200 or (one.reply is not None and one.reply.digest != slot.digest)}
    return Load(0.0, 0.0, tuple(one.latency_ms for one in good), len(sent) - len(good) - len(refused), len(refused), lag,
                reasons=tuple(reasons))


def bodies_of(records: Sequence[Record], rows: int) -> list[bytes]:
    """Bodies of requests with `rows` records each, without ids (the server gives its own); the records are repeated as needed."""
    starts = range(0, max(1, len(records)), rows)
    chosen = [[records[(start + place) % len(records)] for place in range(rows)] for start in starts]
    return [json.dumps({"records": one}, allow_nan=False).encode() for one in chosen]


def _ask(server: TemporaryServer, use_case: str, slot: Slot, rows: Rows, expected: Any) -> Smoke:
    """Send the rows over HTTP and compare every reply."""
    problems: list[str] = []
    strangers: list[str] = []
    worst, compared = 0.0, 0
    for start in range(0, len(rows.records), BATCH):
        batch = rows.records[start:start + BATCH]
        for place, answer in _answers(server, use_case, batch, start, problems):
            if (answer["version"], answer["digest"]) != (slot.version, slot.digest):
                strangers.append(f"version {answer['version']} ({str(answer['digest'])[:19]}…) answered instead of version {slot.version}")
                continue
            difference = abs(float(answer["score"]) - float(expected[place]))
            worst, compared = max(worst, difference), compared + 1
            if not difference <= TOLERANCE + TOLERANCE * abs(float(expected[place])):
                problems.append(f"row {place} was answered {float(answer['score']):.6g} instead of {float(expected[place]):.6g}")
    return Smoke(len(rows.records), compared, worst, tuple(problems[:PROBLEMS_MAX]), tuple(strangers[:PROBLEMS_MAX]), rows.source,
                 rows.note)


def _answers(server: TemporaryServer, use_case: str, batch: list[Record], start: int, problems: list[str]) -> list[tuple[int, Any]]:
    """Place and answer of each record; where one record refuses the batch, each is asked alone, and those refused are problems."""
    try:
        found = server.client.predict(use_case, batch)["predictions"]
        return [(start + place, answer) for place, answer in enumerate(found)]
    except DataError as error:
        if len(batch) == 1:
            problems.append(f"row {start} was refused: {error.what}"[:300])
            return []
    return [one for place, record in enumerate(batch) for one in _answers(server, use_case, [record], start + place, problems)]
