"""The fire drill: deploy, breach and rollback rehearsed on a shadow server, with real requests replayed. Customers never notice.

    1  the live version answers replayed requests        3  it is made live, and rolled back as a person would
    2  its own bytes as the next version get the share of the first canary step; some of their requests are spoiled so that they are
       refused; the release analysis must see the breach; the control port takes the candidate off

Real: package, server, analysis, control port, requests. Not real: the fault (records with a field that no model has) and the second version
(the same bytes under the next number). The real route, releases and capture are not touched.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from interlock.control.access.people import AUTOMATIC
from interlock.control.drills.replaying import Replay
from interlock.control.endpoint import Endpoint
from interlock.control.keeping.alerting import record_alert
from interlock.control.releases.load_test import Traffic, even_arrivals
from interlock.control.releases.real_rows import Rows, golden_records, real_records
from interlock.control.releases.temporary_server import TemporaryServer, temporary_server
from interlock.errors import InterlockError, StaleState
from interlock.modeling.package import Package, read_package
from interlock.records import drills
from interlock.records.candidates import same_package
from interlock.records.ids import new_id
from interlock.records.routes import read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import DrillRow
from interlock.rules.canary import StepVerdict, judge_step
from interlock.rules.drills import DrillFacts, DrillJudgement, judge_drill
from interlock.rules.routes import Route, Slot
from interlock.rules.strategies import Step, StepKind, steps_of
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

HEALTHY_S = 1.0        # before each fault, so that both arms have answered
LOOK_S = 0.2           # the analysis is asked this often, as the keeper does every second
SETTLE_S = 0.5         # answers are looked at this long beyond the limit
PERCENT_MIN = 10.0     # a smaller share would only make the drill longer
TRAFFIC_S_MAX = 400.0
CONNECTIONS = 16
Seam = Callable[[TemporaryServer], Endpoint]


def drill(settings: Settings, store: Store, use_case: UseCase, *, started_by: str, seam: Seam = lambda server: server.endpoint,
          clock: Callable[[], datetime] = utc_now) -> DrillRow:
    """Rehearse, judge and record one drill of a use case; a failed one is told to people.

    `seam`: how the shadow server is spoken to (tests sabotage it). Raises `StaleState` where nothing is live, `PackageError` where the live
    package is damaged; whatever goes wrong after that is the drill's verdict.
    """
    began = clock()
    slot, package, rows = _inputs(settings, store, use_case)
    facts = _rehearse(settings, use_case, slot, rows, seam)
    judgement = judge_drill(use_case.drill, facts)
    return _record(store, use_case, judgement, facts, package, started_by, began, clock())


def _inputs(settings: Settings, store: Store, use_case: UseCase) -> tuple[Slot, Package, Rows]:
    """What is live, and requests for it: captured ones, else held-out rows, else golden rows."""
    with store.reading() as session:
        champion = read_route(session, use_case.name).champion
        if champion is None:
            raise StaleState(f"nothing of '{use_case.name}' is live: there is nothing to rehearse", next_step="release a version first")
        made = same_package(session, use_case.name, champion.digest)
    package = read_package(settings.folder("packages"), champion.digest)
    rows = real_records(settings, store, use_case, package, made.snapshot_digest if made else "", rows=use_case.drill.rows)
    if not rows.records:
        rows = replace(golden_records(package), note=rows.note)
    if not rows.records:
        raise StaleState(f"there is no request of '{use_case.name}' that could be replayed", value=rows.note,
                         next_step="wait for captured requests, or look at interlock status")
    return champion, package, rows


def _rehearse(settings: Settings, use_case: UseCase, good: Slot, rows: Rows, seam: Seam) -> DrillFacts:
    bad = Slot(version=good.version + 1, digest=good.digest)
    began, sent, versions = time.monotonic(), [], {"live": good.version, "candidate": bad.version}
    facts = DrillFacts(source=rows.source, note=rows.note, versions=versions)
    percent = max(PERCENT_MIN, _first_step(use_case).percent)
    replay = Replay(rows.records, percent, use_case.drill.fault_share, random.Random(settings.seed))  # noqa: S311 - no secret
    try:
        with temporary_server(settings, "drill") as server:
            target = server.target(use_case.name, CONNECTIONS)
            traffic = Traffic(target, even_arrivals(use_case.drill.rate_per_s, TRAFFIC_S_MAX), replay.make)
            try:
                for part in (_canary, _live):
                    facts = part(seam(server), use_case, good, bad, traffic, replay, facts)
            finally:
                sent = traffic.stop()
    except (InterlockError, OSError) as error:
        facts = replace(facts, trouble=str(error).partition("\n")[0][:500])
    return replace(replay.count(sent, facts), total_s=time.monotonic() - began)


def _canary(endpoint: Endpoint, use_case: UseCase, good: Slot, bad: Slot, traffic: Traffic, replay: Replay,
            facts: DrillFacts) -> DrillFacts:
    """Deploy the candidate on its share, spoil its requests, wait for the breach, take it off."""
    name, limits, step = use_case.name, use_case.drill, replace(_first_step(use_case), percent=replay.percent)
    endpoint.converge(Route(use_case=name, generation=1, champion=good))
    traffic.start()
    time.sleep(HEALTHY_S)
    endpoint.converge(Route(use_case=name, generation=2, champion=good, candidate=bad, candidate_percent=replay.percent))
    deployed = time.perf_counter()
    time.sleep(HEALTHY_S)
    spoiled = replay.spoil()
    while (waited := time.perf_counter() - spoiled) <= limits.detect_s_max and not facts.breach:
        stats = endpoint.stats(name)
        judged = judge_step(use_case.rollout, step, stats.champion, stats.candidate, time.perf_counter() - deployed)
        if judged.verdict is StepVerdict.FAIL:
            facts = replace(facts, detect_s=time.perf_counter() - spoiled, breach=judged.sentence)
        elif waited < limits.detect_s_max:
            time.sleep(LOOK_S)
    replay.aim()
    ordered = time.perf_counter()
    endpoint.rollback(name, actor=AUTOMATIC, reason=f"fire drill: {facts.breach or 'nobody saw the breach'}"[:2_000],
                      override_id=f"drill-{new_id()}", expected_generation=2, to="champion")
    call_ms = (time.perf_counter() - ordered) * 1_000
    return replace(facts, canary_ms=_last_answer_ms(replay, traffic, bad, ordered, limits.rollback_ms_max), calls_ms=(call_ms,))


def _live(endpoint: Endpoint, use_case: UseCase, good: Slot, bad: Slot, traffic: Traffic, replay: Replay, facts: DrillFacts) -> DrillFacts:
    """Make the candidate live as if it had passed, then roll it back as a person would."""
    name, limits = use_case.name, use_case.drill
    override = endpoint.observed(name).override_id or ""
    endpoint.absorbed(name, override, Route(use_case=name, generation=3, champion=bad, previous=good))
    time.sleep(HEALTHY_S)
    ordered = time.perf_counter()
    endpoint.rollback(name, actor=AUTOMATIC, reason="fire drill", override_id=f"drill-{new_id()}", expected_generation=3)
    call_ms = (time.perf_counter() - ordered) * 1_000
    last_ms = _last_answer_ms(replay, traffic, bad, ordered, limits.rollback_ms_max)
    return replace(facts, live_ms=last_ms, calls_ms=(*facts.calls_ms, call_ms))


def _last_answer_ms(replay: Replay, traffic: Traffic, bad: Slot, ordered: float, limit_ms: float) -> float:
    """From the order to the last answer that named the version taken off, 0 where none came after it.

    It is looked for longer than the limit, with requests that would all be its own.
    """
    time.sleep(limit_ms / 1_000 + SETTLE_S)
    replay.heal()
    late = [one.done for one in list(traffic.sent) if one.done > ordered and one.reply is not None and one.reply.version == bad.version]
    return max(0.0, (max(late, default=ordered) - ordered) * 1_000)


def _first_step(use_case: UseCase) -> Step:
    """The first step of the rollout that answers customers; half of the requests where it has none."""
    shares = [step for step in steps_of(use_case.rollout) if step.kind in {StepKind.SHARE, StepKind.AB}]
    return replace(shares[0], kind=StepKind.SHARE) if shares else Step(StepKind.SHARE, 50.0, 60.0, 100)


def _record(store: Store, use_case: UseCase, judgement: DrillJudgement, facts: DrillFacts, package: Package, started_by: str,
            began: datetime, ended: datetime) -> DrillRow:
    body: dict[str, Any] = judgement.plain() | {"facts": {**vars(facts), "versions": dict(facts.versions), "reasons": list(facts.reasons),
                                                          "calls_ms": list(facts.calls_ms)},
                                                "digest": package.digest}
    with store.writing() as session:
        row = drills.record(session, use_case=use_case.name, verdict=judgement.verdict, sentence=judgement.sentence, started_by=started_by,
                            body=body, started_at=began, finished_at=ended)
        if judgement.verdict == "fail":
            record_alert(session, identity=f"drill:{row.id}", use_case=use_case.name, severity="critical", at=ended,
                         title=f"{use_case.title}: the fire drill failed",
                         body=f"{judgement.sentence}. Customers were not touched. Until it is mended a rollback may not work as it must: "
                              f"interlock drill {use_case.name} tries again.")
    return row
