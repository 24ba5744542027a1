"""The two ways of P9, each in a process of its own: `python -m benchmarks.p9_ways WAY HOME` prints the seconds of each stage.

`ours` runs the flows in process against a Prefect server that was started before. `peer` calls the same functions in the same order on the
same rows, with the same reports from the same list, without flows, store, ledger, MLflow or seals. It reads the parts of the case that
only records hold (which package, which snapshot) from the home that `ours` left.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

NAME = "adult_income"


def ours(home: Path) -> dict[str, Any]:
    """Seconds of the flows `ingest`, `train` and `validate`, and what they found."""
    from prefect.testing.utilities import prefect_test_harness

    from interlock.records.migrate import migrate
    from interlock.settings import load_settings

    os.environ["INTERLOCK_HOME"] = str(home)
    migrate(load_settings(home=home))
    began = time.perf_counter()
    with prefect_test_harness(server_startup_timeout=180):
        from flows.ingest import ingest
        from flows.train import train
        from flows.validate import validate

        started, stages, marks = time.perf_counter() - began, {}, [time.perf_counter()]
        for stage, run in (("ingest", lambda: ingest(NAME)), ("train", lambda: train(NAME)), ("validate", lambda: validate(NAME))):
            run()
            marks.append(time.perf_counter())
            stages[stage] = marks[-1] - marks[-2]
    return {"stages": stages, "server_start_s": started, "seconds": sum(stages.values()), **_found(home)}


def peer(home: Path) -> dict[str, Any]:
    """Seconds of the same work, plainly."""
    from interlock.settings import load_settings
    from interlock.spec.load import find_use_case, spec_digest

    settings = load_settings(home=home)
    path, use_case = find_use_case(settings, NAME)
    candidate, now = _candidate(settings)  # Adult has no clock: the moment of its ingestion is its event time
    stages, mark = {}, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        frame = _rows(settings, use_case, Path(folder), now)
        stages["ingest"], mark = time.perf_counter() - mark, time.perf_counter()
        from interlock.control.assessment import assess
        from interlock.control.case import open_case
        from interlock.modeling.derived import with_derived
        from interlock.modeling.making import make_package
        from interlock.records.store import open_store
        from interlock.rules.catalogue import gates_for
        from interlock.rules.gates import judge

        store = open_store(settings)
        made = make_package(Path(folder) / "packages", use_case, with_derived(use_case, frame), snapshot_digest=candidate.snapshot_digest,
                            spec_digest=spec_digest(path))
        stages["train"], mark = time.perf_counter() - mark, time.perf_counter()
        case = open_case(settings, store, path, use_case, candidate, None, None)
        done = assess(case, gates_for(use_case))
        results = [judge(gate, [*done.findings, *done.observed]) for gate in gates_for(use_case)]
        stages["validate"] = time.perf_counter() - mark
        store.close()
    return {"stages": stages, "seconds": sum(stages.values()), "package": made.package.digest,
            "gates": {result.metric: str(result.verdict.value) for result in results}}


def _rows(settings: Any, use_case: Any, folder: Path, now: datetime) -> Any:
    """Read, check and write the rows as Parquet, profile them, read them back."""
    import polars as pl

    from interlock.records.judging import judge_block
    from interlock.records.quarantine import Origin
    from interlock.records.sources import find_files, row_blocks
    from interlock.records.summaries import PROFILED
    from reports.profiles import fit_profile

    parts: list[Path] = []
    first = 0
    for file in find_files(settings, use_case.source):
        origin = Origin(file.name, file.digest.removeprefix("sha256:")[:12], file.split, first)
        for block in row_blocks(file, use_case.source, list(use_case.columns)):
            parts.append(folder / f"{len(parts):03d}.parquet")
            judge_block(block, use_case, origin, now=now).accepted.write_parquet(parts[-1], compression="zstd")
    frame = pl.read_parquet(parts).sort("_event_time", maintain_order=True)
    fit_profile(frame, {name: PROFILED[column.type] for name, column in use_case.columns.items() if column.type in PROFILED})  # type: ignore[misc]
    return frame


def _candidate(settings: Any) -> tuple[Any, datetime]:
    from sqlalchemy import select

    from interlock.records.store import open_store
    from interlock.records.tables import Candidate, Snapshot

    store = open_store(settings)
    with store.reading() as session:
        found = session.scalars(select(Candidate)).one()
        moment = session.get_one(Snapshot, found.snapshot_digest).time_from
    store.close()
    if moment is None:
        raise SystemExit("the snapshot has no rows")
    return found, moment


def _found(home: Path) -> dict[str, Any]:
    from sqlalchemy import select

    from interlock.records.store import open_store
    from interlock.records.tables import EvidenceRow
    from interlock.settings import load_settings

    store = open_store(load_settings(home=home))
    with store.reading() as session:
        body = session.scalars(select(EvidenceRow)).one().body
    store.close()
    return {"package": body["package_digest"], "gates": {gate["metric"]: gate["verdict"] for gate in body["gates"]}}


if __name__ == "__main__":
    way, place = sys.argv[1:]
    print(json.dumps({"ours": ours, "peer": peer}[way](Path(place))))
