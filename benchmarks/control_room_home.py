"""An installation of many use cases whose captured predictions lie in the real layout, for measuring the control room (P10).

Rows of the store are written through its tables; evidence and windows have the shapes of the control room's tests, from the reports
themselves. Captured rows are Parquet files by day in the lake with the manifest that compaction writes: what a page could be slow by.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import insert
from sqlalchemy.orm import Session

from interlock.control.windows.window_series import KEY, series_of
from interlock.records import ledger
from interlock.records.captured_frames import predictions_schema
from interlock.records.compaction import _by_day
from interlock.records.compaction_manifest import write_manifest
from interlock.records.lake import lake_from, write_frame
from interlock.records.migrate import migrate
from interlock.records.store import open_store
from interlock.records.tables import Batch, Candidate, Cost, Decision, EvidenceRow, Release, RouteRow, Snapshot, Window
from interlock.rules.canonical import iso
from interlock.rules.findings import Finding
from interlock.rules.routes import Observed, Route, Slot
from interlock.settings import Settings
from interlock.spec.load import spec_digest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "dashboard"))
import control_room_world as world  # noqa: E402 - the tests' world gives the shapes of evidence

DAYS, CANDIDATES, COLUMNS = 90, 6, 16
NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def build(settings: Settings, *, use_cases: int, days: int = DAYS) -> list[Observed]:
    """Make files and store under `settings.home`; what its endpoint answers."""
    settings.usecases_dir.mkdir(parents=True, exist_ok=True)
    migrate(settings)
    store = open_store(settings)
    names = [f"case_{number:04d}" for number in range(use_cases)]
    for number, name in enumerate(names):
        _file(settings.usecases_dir / f"{name}.toml", name, number)
    for start in range(0, use_cases, 50):
        with store.writing() as session:
            for name in names[start:start + 50]:
                _use_case(session, name, spec_digest(settings.usecases_dir / f"{name}.toml"), days)
    store.close()
    return [Observed(use_case=name, generation=CANDIDATES, champion=slot(name, CANDIDATES - 1), previous=slot(name, CANDIDATES - 2),
                     workers_ready=2, workers_total=2, observed_at=NOW) for name in names]


def capture(settings: Settings, *, use_cases: int, predictions: int, days: int = DAYS) -> int:
    """Write that many captured predictions, the same number for each use case; how many there are."""
    each = predictions // use_cases
    for number in range(use_cases):
        _capture(settings, f"case_{number:04d}", each, days)
    return each * use_cases


def slot(name: str, number: int) -> Slot:
    return Slot(version=number, digest=world.sha(f"{name} {number}"))


def _file(path: Path, name: str, number: int) -> None:
    text = (ROOT / "usecases" / "flight_delays.toml").read_text(encoding="utf-8")
    text = re.sub(r'^name = ".*"', f'name = "{name}"', text, count=1, flags=re.MULTILINE)
    text = re.sub(r'^title = ".*"', f'title = "Use case {number + 1} of many"', text, count=1, flags=re.MULTILINE)
    text = re.sub(r'^owner = ".*"', f'owner = "team {number % 9 + 1}"', text, count=1, flags=re.MULTILINE)
    path.write_text(text.replace("window_hours = 168", "window_hours = 24"), encoding="utf-8")


def _use_case(session: Session, name: str, policy: str, days: int) -> None:
    for number in range(1, CANDIDATES + 1):
        at = NOW - timedelta(days=(CANDIDATES + 1 - number) * 12)
        snapshot = world.sha(f"{name} rows {number}")
        manifest = {"reasons": {"distance: not a number": 120}, "files": [f"file-{n}" for n in range(90)]}
        session.add(Snapshot(digest=snapshot, use_case=name, rows=100_000 * number, quarantined=120, time_from=at, time_to=at,
                             manifest=manifest, created_at=at))
        session.add(Batch(use_case=name, source_digest=snapshot, offset=str(number), rows=100_000, quarantined=120, files=[], reasons={},
                          created_at=at))
        row = Candidate(id=f"{name}-{number}", use_case=name, number=number, package_digest=slot(name, number).digest,
                        snapshot_digest=snapshot, spec_digest=policy, author="Ada Author", started_by="schedule", mlflow_run_id=None,
                        mlflow_version=None, metrics={}, created_at=at)
        session.add(row)
        session.flush()
        champion = slot(name, CANDIDATES - 1).digest if number == CANDIDATES else None
        evidence = _evidence(2 + number % 2).model_copy(update={
            "use_case": name, "candidate_id": row.id, "package_digest": row.package_digest, "policy_digest": policy,
            "champion_digest": champion, "snapshots": [snapshot], "created_at": at})
        seal = evidence.seal()
        session.add(EvidenceRow(digest=seal, use_case=name, candidate_id=row.id, verdict=evidence.verdict.value,
                                body=evidence.model_dump(mode="json"), created_at=at))
        ledger.append(session, "evidence.sealed", {"evidence": seal, "verdict": evidence.verdict.value}, name, at=at)
        if number < CANDIDATES:
            _approved(session, row, seal, number, at)
    route = Route(use_case=name, generation=CANDIDATES, champion=slot(name, CANDIDATES - 1), previous=slot(name, CANDIDATES - 2))
    session.add(RouteRow(use_case=name, generation=CANDIDATES, body=route.model_dump(mode="json"), updated_at=NOW))
    digest, version = slot(name, CANDIDATES - 1).digest, CANDIDATES - 1
    session.execute(insert(Window), [dict(_window(n, days), use_case=name, package_digest=digest, version=version) for n in range(days)])
    session.execute(insert(Cost), [
        {"use_case": name, "stage": stage, "day": (NOW - timedelta(days=n)).date().isoformat(), "cpu_seconds": 60.0, "storage_bytes": 10**7,
         "usd": 0.01, "requests": 2_000 if stage == "serving" else 0, "updated_at": NOW}
        for n in range(days) for stage in ("train", "serving", "monitor", "lake.rows")])


def _approved(session: Session, row: Candidate, seal: str, number: int, at: datetime) -> None:
    """The decision on a candidate and the release that came of it."""
    state = "live" if number == CANDIDATES - 1 else "superseded"
    session.add(Decision(id=f"d-{row.id}", identity=f"evidence:{seal}", kind="approve", use_case=row.use_case, candidate_id=row.id,
                         evidence_digest=seal, package_digest=row.package_digest, policy_digest=row.spec_digest, expected_generation=number,
                         actor="Grace Approver", reason="every gate passed", created_at=at, expires_at=None, detail={}))
    session.flush()
    session.add(Release(id=f"r-{row.id}", use_case=row.use_case, candidate_id=row.id, decision_id=f"d-{row.id}", state=state, step=2,
                        revision=5, reason="", analysis=[], state_since=at, created_at=at))
    said = {"decision_id": f"d-{row.id}", "identity": f"evidence:{seal}", "actor": "Grace Approver", "reason": "every gate passed",
            "candidate_id": row.id, "evidence_digest": seal, "package_digest": row.package_digest, "policy_digest": row.spec_digest,
            "expected_generation": number, "expires_at": None, "detail": {"verdict": "pass"}}
    ledger.append(session, "decision.approve", said, row.use_case, at=at)
    after = Route(use_case=row.use_case, generation=number, champion=slot(row.use_case, number))
    before = Route(use_case=row.use_case, generation=number - 1)
    ledger.append(session, "route.changed", {"actor": "interlock", "reason": "live", "decision_id": f"d-{row.id}",
                                             "before": before.model_dump(), "after": after.model_dump()}, row.use_case, at=at)


@cache
def _evidence(number: int) -> Any:
    """Evidence as the tests' world makes it, once per kind."""
    row = Candidate(id="x", use_case="x", number=number, package_digest=world.sha("p"), snapshot_digest=world.sha("s"),
                    spec_digest=world.sha("t"), author="Ada Author", started_by="schedule", metrics={}, created_at=NOW)
    return world.evidence_of(row, number, unknown=False, payload="the newest month flies better")


@cache
def _window(n: int, days: int) -> dict[str, Any]:
    """One day's window: `COLUMNS` columns with both distributions, and the figures over all rows; about 30 kB."""
    rng = np.random.default_rng(n)
    start = NOW - timedelta(days=days - n)
    span: dict[str, Any] = {"window_start": start, "window_end": start + timedelta(days=1), "sample_size": 2_000}
    findings = []
    for column in range(COLUMNS):
        counts = [int(one) for one in rng.multinomial(2_000, [0.05] * 20)]
        detail = {"kind": "numeric", "edges": [float(one) for one in range(19)], "baseline": [100] * 20, "current": counts}
        moved = float(rng.random() / 8)
        findings.append(Finding(metric="drift.psi", segment=f"column=column_{column}", value=moved, detail=detail, **span))
        findings += [Finding(metric=metric, segment=f"column=column_{column}", value=float(rng.random() / 9), **span)
                     for metric in ("drift.tv", "drift.ks", "drift.missing_change", "drift.p_value")]
    overall = {"drift.share": 0.1, "drift.score": 0.02, "drift.target": 0.03, "latency.p99_ms": 3.0, "volume.predictions": 2_000.0,
               "capture.gaps": 0.0, "performance.drop": 0.004, "performance.bias": 0.01, "explain.attribution_drift": 0.01}
    findings += [Finding(metric=metric, value=value, low=value / 2, high=value * 2, **span) for metric, value in overall.items()]
    findings += [Finding(metric=metric, value=0.7 + float(rng.normal()) / 60, low=0.66, high=0.75, **span)
                 for metric in ("performance.auc", "performance.estimated_auc")]
    return {"start": start, "end": start + timedelta(days=1), "rows": 2_000, "labelled": 2_000, "state": "ok", "revision": 1,
            "findings": [one.model_dump(mode="json") for one in findings], "reports": {KEY: series_of(findings)},
            "created_at": NOW - timedelta(days=days - n - 1)}


def _capture(settings: Settings, name: str, rows: int, days: int) -> None:
    """Captured predictions in files by day, and the manifest that names them."""
    lake, per_day = lake_from(settings), -(-rows // days)
    files: list[dict[str, Any]] = []
    for n in range(days):
        height = min(per_day, rows - n * per_day)
        if height > 0:
            frame = _day(name, n, height, NOW - timedelta(days=days - n))
            span = {"kind": "predictions", "first": iso(frame["_event_time"][0]), "last": iso(frame["_event_time"][-1]),
                    "day": str(frame["_event_time"][0].date()), "answered": _by_day(frame)}
            files += [entry | span for entry in write_frame(lake, name, "predictions", frame, "_event_time")]
    folder = settings.folder("capture") / name
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, {"version": 1, "segments": {}, "files": files, "gaps": []})


def _day(name: str, n: int, height: int, start: datetime) -> pl.DataFrame:
    """The captured rows of one day."""
    rng = np.random.default_rng(n)
    times = pl.datetime_range(start, start + timedelta(hours=23), interval=timedelta(microseconds=max(1, int(82.8e9 / height))), eager=True,
                              time_zone="UTC", time_unit="us").head(height)
    score = rng.random(len(times))
    frame = pl.DataFrame({"_event_time": times, "_seen_time": times, "_score": score, "_prediction": (score > 0.3).astype(int).astype(str),
                          "_latency_ms": rng.gamma(2.0, 1.0, len(times)), "distance": rng.integers(100, 3_000, len(times)),
                          "carrier": rng.choice(["UA", "B6", "DL", "AA"], len(times)), "hour": rng.integers(5, 23, len(times))})
    champion = slot(name, CANDIDATES - 1)
    whole = frame.with_columns(pl.format("{}-{}-{}", pl.lit(name), pl.lit(n), pl.int_range(pl.len())).alias("_request_id"),
                               _version=pl.lit(champion.version, pl.Int64), _digest=pl.lit(champion.digest),
                               _generation=pl.lit(CANDIDATES, pl.Int64), _arm=pl.lit("champion"))
    missing = {column: kind for column, kind in predictions_schema().items() if column not in whole.columns}
    return whole.with_columns(pl.lit(None, kind).alias(column) for column, kind in missing.items())
