"""A small world written through the real tables: what the control room shows when everything has happened once.

Flight delays: version 1 superseded, version 2 live, version 3 waiting. Loan applications: version 1 waiting with a gate that has no answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from interlock.records import ledger
from interlock.records.store import Store
from interlock.records.tables import (
    Alert,
    Batch,
    Candidate,
    Cost,
    Decision,
    EvidenceRow,
    Outbox,
    Release,
    RouteRow,
    Snapshot,
    Usage,
    Window,
)
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, judge
from interlock.rules.routes import Observed, Route, Slot
from interlock.spec.fairness import Fairness
from interlock.spec.load import spec_digest
from reports.backtest import Fold, backtest_findings
from reports.calibration import calibration_findings
from reports.curves import binary_curves
from reports.fairness import fairness_findings
from reports.frontier import Option, frontier_findings
from reports.money import value_findings
from reports.proxies import proxy_findings
from reports.replay import Replayed, replay_findings
from reports.segments import slice_findings

USECASES = Path(__file__).parents[2] / "usecases"
NOW = datetime.now(UTC).replace(microsecond=0)
FLIGHTS, LOANS = "flight_delays", "loan_approvals"
XSS = "<script>document.title='owned'</script>![x](http://127.0.0.1:9/x.png)[a](javascript:alert(1))<img src=x onerror=alert(1)>"
COLUMNS = {"carrier": 0.31, "dest": 0.18, "distance": 0.02, "hour": 0.05, "origin": 0.11, "sched_arr_time": 0.27, "<b>tailnum</b>": 0.07}


def sha(text: str) -> str:
    """A digest that differs per text."""
    import hashlib

    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def build(store: Store, *, payload: str = "the newest month flies better") -> None:
    """Write the whole world; `payload` stands in every place where people or data put text."""
    for use_case, number in ((FLIGHTS, 1), (FLIGHTS, 2), (FLIGHTS, 3), (LOANS, 1)):  # every version is still on disk
        (Path(str(store.engine.url.database)).parent / "packages" / sha(f"{use_case} {number}").removeprefix("sha256:")).mkdir(parents=True)
    with store.writing() as session:
        _data(session, payload)
        for number in (1, 2, 3):
            _candidate(session, FLIGHTS, number, payload)
        _candidate(session, LOANS, 1, payload, unknown=True)
        session.flush()
        _decided(session, 1, "superseded", NOW - timedelta(days=40), payload)
        _decided(session, 2, "live", NOW - timedelta(days=3), payload)
        route = Route(use_case=FLIGHTS, generation=5, champion=slot(2), previous=slot(1))
        session.add(RouteRow(use_case=FLIGHTS, generation=5, body=route.model_dump(mode="json"), updated_at=NOW - timedelta(days=3)))
        _windows(session)
        _work(session, payload)


def validated_again(store: Store, use_case: str, number: int, *, age: timedelta = timedelta(0), unknown: bool = False) -> str:
    """Newer evidence about a version, made `age` ago; `unknown`: one of its groups is too small. Returns its digest."""
    with store.writing() as session:
        row = session.get_one(Candidate, f"{use_case}-{number}")
        evidence = evidence_of(row, number, unknown=unknown, payload="Black").model_copy(update={"created_at": datetime.now(UTC) - age})
        session.add(
            EvidenceRow(
                digest=evidence.seal(),
                use_case=use_case,
                candidate_id=row.id,
                verdict=evidence.verdict.value,
                body=evidence.model_dump(mode="json"),
                created_at=evidence.created_at,
            )
        )
    return evidence.seal()


def slot(number: int) -> Slot:
    return Slot(version=number, digest=sha(f"{FLIGHTS} {number}"))


def observed(champion: int = 2, **changes: Any) -> Observed:
    """What the endpoint of the flights answers."""
    facts = {
        "use_case": FLIGHTS,
        "generation": 5,
        "champion": slot(champion),
        "previous": slot(1),
        "workers_ready": 2,
        "workers_total": 2,
        "observed_at": NOW,
    }
    return Observed.model_validate(facts | changes)


@contextmanager
def endpoint(port: int, answers: list[Observed]) -> Iterator[None]:
    """A control port that says exactly this; `answers` may change while it runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            every = {f"/routes/{one.use_case}": one.model_dump(mode="json") for one in answers}
            self._reply(list(every.values()) if self.path == "/routes" else every.get(self.path, {"status": "ok"}))

        def do_POST(self) -> None:
            """Swap, follow a route, forget a version: as the control port answers, with one use case and no workers."""
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            if self.path.endswith("/withdrawn"):
                self._reply({"versions": []})
                return
            answers[0] = _swapped(answers[0], body) if self.path.startswith("/rollback/") else _routed(answers[0], body.get("route", body))
            self._reply(answers[0].model_dump(mode="json"))

        def _reply(self, told: Any) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _swapped(one: Observed, body: dict[str, Any]) -> Observed:
    """A rollback on the server alone; the same id again changes nothing."""
    if one.override_id == body["override_id"]:
        return one
    older = slot(body["to_version"]) if body["to_version"] else one.previous
    said = {"override": True, "override_id": body["override_id"], "override_actor": body["actor"], "override_reason": body["reason"]}
    return one.model_copy(update={**said, "champion": older, "previous": None, "override_at": NOW})


def _routed(one: Observed, route: dict[str, Any]) -> Observed:
    """The store's route takes effect."""
    shown = Route.model_validate(route).model_dump(include={"generation", "champion", "previous", "candidate", "candidate_percent"})
    return Observed.model_validate({**one.model_dump(), **shown, "override": False, "override_id": None})


def _data(session: Session, payload: str) -> None:
    for n, rows in ((1, 110_000), (2, 137_000)):
        start = datetime(2013, 1, 1, tzinfo=UTC)
        session.add(
            Snapshot(
                digest=sha(f"snapshot {n}"),
                use_case=FLIGHTS,
                rows=rows,
                quarantined=12 * n,
                time_from=start,
                time_to=start + timedelta(days=60 + 30 * n),
                manifest={"reasons": {"distance: not a number": 9 * n, payload[:60]: 3 * n}},
                created_at=NOW - timedelta(days=45 - 20 * n),
            )
        )
        session.add(
            Batch(
                use_case=FLIGHTS,
                source_digest=sha(f"source {n}"),
                offset=str(n),
                rows=rows // n,
                quarantined=12,
                files=[{"kind": "source", "name": "flights.csv", "contract": sha("contract"), "upto": str(n), "first_row": 0}],
                reasons={"distance: not a number": 9, payload[:60]: 3},
                created_at=NOW - timedelta(days=45 - 20 * n),
            )
        )
    session.add(
        Snapshot(digest=sha("loans"), use_case=LOANS, rows=1989, quarantined=0, time_from=NOW, time_to=NOW, manifest={}, created_at=NOW)
    )


def _candidate(session: Session, use_case: str, number: int, payload: str, *, unknown: bool = False) -> None:
    made = NOW - timedelta(days=50 - 15 * number)
    row = Candidate(
        id=f"{use_case}-{number}",
        use_case=use_case,
        number=number,
        package_digest=sha(f"{use_case} {number}"),
        snapshot_digest=sha(f"snapshot {min(number, 2)}"),
        spec_digest=spec_digest(USECASES / f"{use_case}.toml"),
        author="Ada Author",
        started_by="schedule",
        mlflow_run_id=f"run{number}",
        mlflow_version=number,
        metrics={},
        created_at=made,
    )
    session.add(row)
    session.flush()
    evidence = evidence_of(row, number, unknown=unknown, payload=payload)
    session.add(
        EvidenceRow(
            digest=evidence.seal(),
            use_case=use_case,
            candidate_id=row.id,
            verdict=evidence.verdict.value,
            body=evidence.model_dump(mode="json"),
            created_at=evidence.created_at,
        )
    )
    ledger.append(session, "evidence.sealed", {"evidence": evidence.seal(), "verdict": evidence.verdict.value, "note": payload}, use_case)


def evidence_of(row: Candidate, number: int, *, unknown: bool, payload: str) -> Evidence:
    """Evidence with every family of findings and every figure a page draws."""
    rng, y, score = _scored(number)
    calibrated, table = calibration_findings(y, score)
    newer, drawn = deeper(number, unknown, payload) if number > 1 or unknown else ([], {})  # version 1 of the flights is from before
    seen, replayed = replayed_requests(payload) if number == 3 else ([], {})
    findings = [*_findings(number), *calibrated, *newer]
    gates = [judge(gate, findings) for gate in GATES]
    rest: list[list[float | None]] = [[round(float(one), 4), round(float(place), 3)] for one, place in rng.normal(0.5, 0.3, (80, 2))]
    figures = {
        "performance": binary_curves(y, score, 0.5),
        "calibration": table,
        **drawn,
        "explain": {
            "importance": {"sched_dep_time": 0.41 + number / 50, "carrier": 0.25, "dest": 0.2, payload[:40]: 0.1 - number / 50},
            "beeswarm": dict.fromkeys(("sched_dep_time", "carrier", "dest", payload[:40]), rest),
            "loss": {"loss": "log loss", "mean": 0.51, "drivers": {"carrier": 0.02, payload[:40]: -0.04}, "slices": []} if drawn else {},
        },
    }
    return Evidence(
        use_case=row.use_case,
        candidate_id=row.id,
        package_digest=row.package_digest,
        policy_digest=row.spec_digest,
        champion_digest=sha(f"{FLIGHTS} 2") if number == 3 else None,
        snapshots=[row.snapshot_digest],
        created_at=row.created_at + timedelta(hours=1),
        findings=findings,
        gates=gates,
        figures=figures,
        observed=[Finding(metric="latency.p99_ms", value=2.1 + number / 10, unit="ms", sample_size=500), *seen],
        observed_figures=replayed,
    )


GATES = [
    Gate(
        name="vs_naive",
        title="Better than the naive answer",
        metric="performance.vs_naive",
        direction="at_least",
        threshold=0,
        judge_by="interval",
        question="Is it better than doing nothing clever?",
        source="convention",
    ),
    Gate(
        name="calibration",
        title="Calibration",
        metric="calibration.ece",
        direction="at_most",
        threshold=0.3,
        question="Can scores be read?",
        source="convention",
    ),
    Gate(
        name="fairness",
        title="Groups",
        metric="fairness.selection_rate_ratio",
        direction="at_least",
        threshold=0.8,
        question="Are groups treated alike?",
        source="29 CFR 1607.4(D)",
    ),
    Gate(
        name="dominance",
        title="One column decides",
        metric="explain.dominance",
        direction="at_most",
        threshold=0.3,
        mode="observe",
        question="Does one column decide all?",
        source="convention",
    ),
]


def _findings(number: int) -> list[Finding]:
    auc = 0.68 + number / 100
    return [
        Finding(metric="performance.auc", value=auc, low=auc - 0.01, high=auc + 0.01, confidence=0.95, sample_size=4000),
        Finding(metric="performance.log_loss", value=0.512, low=0.5, high=0.524, confidence=0.95, sample_size=4000, unit="nats"),
        Finding(metric="performance.vs_naive", value=0.11, low=0.09, high=0.13, confidence=0.95, sample_size=4000),
        Finding(metric="performance.vs_champion", value=0.011, low=0.002, high=0.02, confidence=0.95, sample_size=4000)
        if number == 3
        else Finding(metric="performance.vs_champion", state=State.MISSING, note="no champion yet"),
        Finding(metric="explain.dominance", value=0.41, sample_size=2000, note="Strongest: sched_dep_time."),
    ]


def _scored(number: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    y = (rng.random(4000) < 0.22).astype(float)
    return rng, y, np.clip(0.22 + 0.25 * (y - 0.22) + rng.normal(0, 0.15, 4000), 0.01, 0.99)


def _people(rng: np.random.Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Sex, marital status and the answers of 4,000 people: 806 of 2,600 men, 383 of 1,369 women and 6 of the 31 others get a yes."""
    sex = ["Male"] * 2600 + ["Female"] * 1369 + ["Other"] * 31
    answers = np.concatenate([np.arange(2600) < 806, np.arange(1369) < 383, np.arange(31) < 6]).astype(float)
    return pl.DataFrame({"sex": sex, "married": np.where(rng.random(4000) < 0.5, "yes", "no").tolist()}), answers


@cache
def deeper(number: int, others: bool, payload: str) -> tuple[list[Finding], dict[str, Any]]:
    """What newer evidence holds beside: money, slices, past, estimates on trial, groups, proxies, frontier; from the reports themselves.

    `others`: the 31 people who are neither form a group, one that is too small.
    """
    rng, y, score = _scored(number)
    people, answers = _people(rng)
    named = people.with_columns(pl.col("sex").replace({"Other": payload[:30] if others else None}))
    weak = pl.DataFrame(
        {"carrier": np.where(score > 0.5, payload[:30], "calm").tolist(), "origin": rng.choice(["JFK", "EWR"], 4000).tolist()}
    )
    amounts = {"true_positive": 5.0, "false_positive": -2.0, "true_negative": 1.0, "false_negative": -9.0}
    outcome = (rng.random(4000) < np.where(score > 0.5, 0.5, y)).astype(float)
    past = [Fold(int(1.36e15 + n * 5e12), np.arange(800), np.arange(n * 800, (n + 1) * 800)) for n in range(1, 5)]
    matrix = np.column_stack([(people["sex"] == "Male").to_numpy(), rng.normal(size=4000)]).astype(np.float32)
    options = [
        Option("none", 0.0, answers, score),
        Option("threshold", 1.0, (score > 0.3).astype(float), score, "uses the attribute to decide"),
    ]
    loss = -np.log(np.where(outcome == 1, score, 1 - score))
    parts = {
        "value": value_findings("binary", y, score, amounts, currency="EUR", champion_score=None),
        "slices": slice_findings(loss, weak, unit="nats"),
        "backtest": backtest_findings("binary", y, past, lambda train, test: score[test], note="Its own parameters."),
        "fairness": fairness_findings(y, answers, score, named, Fairness()),
        "proxies": proxy_findings(matrix, ["distance", "hour"], ["q", "q"], named, {"distance": 0.3, "hour": 0.7}, rows_min=60),
        "frontier": frontier_findings(options, y, people["sex"].to_numpy().astype(str), "sex", "selection_rate_ratio", 0.95, Fairness()),
    }
    figures = {name: drawn for name, (_, drawn) in parts.items()}
    figures["backtest"]["backtest"]["at"] = [f"2013-0{n}-01T00:00:00Z" for n in range(2, 6)]
    figures["estimate"] = {
        "estimates": {
            "metric": "auc",
            "rows": [400] * 5,
            "estimated": [0.7, 0.71, 0.7, 0.72, 0.7],
            "true": [0.71, 0.7, 0.72, 0.71, None],
            "inside": [True, True, True, True, None],
        }
    }
    trusted = Finding(
        metric="performance.estimate_coverage",
        value=1.0,
        low=0.57,
        high=1.0,
        sample_size=5,
        unit="of windows",
        note="In 5 of 5 windows the truth lay inside the estimate's interval.",
        detail={"promised": 0.95},
    )
    inside = Finding(
        metric="performance.interval_coverage",
        value=0.86,
        low=0.84,
        high=0.88,
        sample_size=4000,
        detail={"wanted": 0.9},
        note="Share of outcomes between the quantiles 0.05 and 0.95; 90% is right.",
    )
    return [*(finding for found, _ in parts.values() for finding in found), trusted, inside], figures


def replayed_requests(payload: str) -> tuple[list[Finding], dict[str, Any]]:
    """A replay of 400 requests, of which 60 flip, and a feature that could go."""
    before, after = np.zeros(400), (np.arange(400) < 60).astype(float)
    requests = [f"request-{n}" for n in range(399)] + [payload[:40]]
    groups = pl.DataFrame({"origin": ["JFK", "EWR"] * 200})
    found, drawn = replay_findings(Replayed("binary", before, after, before, after * 0.6, requests, groups))
    reasons = [
        {"feature": "carrier", "push": 0.2, "size": 0.3, "share": 0.7},
        {"feature": payload[:30], "push": 0.1, "size": 0.2, "share": 0.3},
    ]
    tried = {"features": ["hour"], "importance": 0.001, "change": -0.001, "low": -0.003, "high": 0.001, "droppable": True}
    drops = {
        "rows": 900,
        "tolerance": 0.005,
        "loss": 0.5,
        "tested": [tried],
        "together": None,
        "drop": ["hour"],
        "note": "Without hour the loss on 900 validation rows is surely less than 0.5% higher.",
    }
    money = Finding(
        metric="replay.money_change", value=120.0, low=-20.0, high=260.0, sample_size=400, unit="EUR", note="Expected: +120 EUR."
    )
    few = Finding(metric="training.proposals", value=1.0, sample_size=900, unit="features", note=drops["note"])
    window = ["2013-05-01T00:00:00Z", "2013-05-03T12:00:00Z"]
    return [*found, money, few], {"replay": drawn | {"reasons": reasons, "window": window}, "proposals": drops}


def _decided(session: Session, number: int, state: str, at: datetime, payload: str) -> None:
    candidate = session.get(Candidate, f"{FLIGHTS}-{number}")
    evidence = session.query(EvidenceRow).filter_by(candidate_id=f"{FLIGHTS}-{number}").one()
    decision = Decision(
        id=f"decision-{number}",
        identity=f"evidence:{evidence.digest}",
        kind="approve",
        use_case=FLIGHTS,
        candidate_id=candidate.id,
        evidence_digest=evidence.digest,
        package_digest=candidate.package_digest,
        policy_digest=candidate.spec_digest,
        expected_generation=number,
        actor="Grace Approver",
        reason=payload,
        created_at=at,
        expires_at=None,
        detail={},
    )
    session.add(decision)
    session.flush()
    measures = [
        {"name": "errors", "value": 0.0, "threshold": 0.01, "verdict": "pass", "sentence": "errors: 0 of 412 answers, at most 1 %"},
        {"name": "scores", "value": 0.04, "threshold": 0.25, "verdict": "pass", "sentence": "scores: PSI 0.04, at most 0.25"},
    ]
    arm = {"requests": 412, "errors": 0, "refusals": 3, "latency_p99_ms": 2.4, "histogram": []}
    analysis = [
        {
            "verdict": "pass",
            "sentence": "errors, refusals, latency and scores are in bounds over 412 answers",
            "elapsed_s": 301.0,
            "measures": measures,
            "arms": {"champion": arm | {"requests": 3600}, "candidate": arm},
        }
    ]
    session.add(
        Release(
            id=f"release-{number}",
            use_case=FLIGHTS,
            candidate_id=candidate.id,
            decision_id=decision.id,
            state=state,
            step=2,
            revision=5,
            reason="",
            analysis=analysis,
            state_since=at + timedelta(hours=1),
            created_at=at,
        )
    )
    session.add(
        Outbox(
            id=f"outbox-{number}",
            cause=decision.id,
            deployment="deploy/deploy",
            state="done",
            flow_run_id=f"flow-{number}",
            parameters={"use_case": FLIGHTS, "release_id": f"release-{number}"},
            created_at=at,
            updated_at=at,
        )
    )
    said = {"actor": "Grace Approver", "reason": payload, "decision_id": decision.id, "detail": {"verdict": "pass"}}
    bound = {"evidence_digest": evidence.digest, "package_digest": candidate.package_digest}
    ledger.append(session, "decision.approve", said | bound, FLIGHTS, at=at)
    after = Route(use_case=FLIGHTS, generation=number, champion=slot(number), previous=slot(number - 1) if number > 1 else None)
    before = Route(use_case=FLIGHTS, generation=number - 1, champion=after.previous)
    body = {"actor": "interlock", "reason": payload, "decision_id": decision.id, "before": before.model_dump(), "after": after.model_dump()}
    ledger.append(session, "route.changed", body, FLIGHTS, at=at)


def _windows(session: Session) -> None:
    for n in range(14):
        start = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=15 - n)
        end = start + timedelta(days=1)
        span: dict[str, Any] = {"window_start": start, "window_end": end, "sample_size": 900}
        grown = (n / 13) ** 2
        findings = [
            Finding(
                metric="drift.psi",
                segment=f"column={name}",
                value=0.01 + top * grown,
                **span,
                detail={
                    "kind": "numeric",
                    "edges": [100.0, 500.0, 1000.0],
                    "baseline": [250, 250, 250, 250],
                    "current": [int(225 + 200 * top * grown), 225, 225, int(225 - 200 * top * grown)],
                },
            )
            for name, top in COLUMNS.items()
        ]
        findings.append(Finding(metric="drift.share", value=0.2 * grown, **span))
        findings.append(Finding(metric="latency.p99_ms", value=2.0 + n / 10, unit="ms", **span))
        known = 700 - 60 * n
        late: dict[str, Any] = {"value": None, "state": State.TOO_FEW, "needed": 100, "note": f"outcomes come later: {max(known, 0)} known"}
        real: dict[str, Any] = {"value": 0.70 - grown / 30, "low": 0.66 - grown / 30, "high": 0.74 - grown / 30}
        findings.append(Finding(metric="performance.auc", **(real if known >= 100 else late), **span))
        guess: dict[str, Any] = {"value": 0.69, "low": 0.66, "high": 0.72, "note": "Estimated from 900 answers without labels."}
        findings.append(Finding(metric="performance.estimated_auc", **guess, **span))
        findings.append(Finding(metric="performance.estimate_range", value=0.006, note="0.6% of the rows have an unseen input.", **span))
        held: dict[str, Any] = {"value": 0.2, "low": 0.057, "high": 0.51, "note": "In 2 of 10 windows the truth lay inside."}
        few: dict[str, Any] = {"state": State.TOO_FEW, "needed": 5, "note": f"not enough evidence: labels came for {n} windows"}
        trusted = Finding(metric="performance.estimate_coverage", detail={"promised": 0.95}, **(held if n == 13 else few), **span)
        findings.append(trusted)
        findings.append(
            Finding(metric="performance.drop", **({"value": grown / 30, "low": -0.02, "high": 0.05} if known >= 100 else late), **span)
        )
        session.add(
            Window(
                use_case=FLIGHTS,
                start=start,
                end=end,
                package_digest=sha(f"{FLIGHTS} 2"),
                version=2,
                rows=900,
                labelled=max(known, 0),
                state="ok",
                findings=[one.model_dump(mode="json") for one in findings],
                reports={},
                created_at=end,
            )
        )


def _work(session: Session, payload: str) -> None:
    for n in range(20):
        day = (NOW - timedelta(days=n)).date().isoformat()
        for stage, usd in (("train", 0.04 if n % 7 == 0 else 0.0), ("serve", 0.011), ("monitor", 0.003)):
            session.add(
                Cost(
                    use_case=FLIGHTS,
                    stage=stage,
                    day=day,
                    cpu_seconds=usd * 1000,
                    storage_bytes=40_000_000,
                    usd=usd,
                    requests=900 if stage == "serve" else 0,
                    updated_at=NOW,
                )
            )
    session.add(
        Usage(
            id="usage-1",
            use_case=FLIGHTS,
            stage="train",
            cpu_seconds=81.0,
            wall_seconds=44.0,
            flow_run_id="flow-9",
            finished_at=NOW - timedelta(days=1),
        )
    )
    session.add(
        Alert(
            id="alert-1",
            identity="breach-1",
            use_case=FLIGHTS,
            severity="warning",
            title=payload[:200],
            body=payload,
            delivered={},
            created_at=NOW - timedelta(hours=5),
        )
    )
