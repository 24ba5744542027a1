"""The two ways of P9, each in a process of its own: `python -m benchmarks.p9_ways WAY HOME` prints the seconds of each stage.

`ours` runs the flows in process against a Prefect server and a prediction server that were started before; a person's approval is given
at once, and the first model of a use case goes live without a bake time. `peer` calls the same functions in the same order on the same
rows, with the same reports from the same list, without flows, store, ledger or seals: it writes the package, answers its golden rows in a
child process, stages it, and loads it in a prediction server of its own. Neither mirrors anything to MLflow. The peer reads the parts of
the case that only records hold (which package, which snapshot) from the home that `ours` left.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

NAME = "adult_income"


def ours(home: Path) -> dict[str, Any]:
    """Seconds of the flows `ingest`, `train`, `validate` and `deploy`, and what they found."""
    from prefect.testing.utilities import prefect_test_harness

    from benchmarks.p9_server import started_server, use_home
    from interlock.records.migrate import migrate

    settings = use_home(home)
    migrate(settings)
    began = time.perf_counter()
    with prefect_test_harness(server_startup_timeout=180), started_server(settings):
        from flows.deploy import deploy
        from flows.ingest import ingest
        from flows.train import train
        from flows.validate import validate

        started, stages, marks, reached = time.perf_counter() - began, {}, [time.perf_counter()], []
        for stage, run in (("ingest", lambda: ingest(NAME)), ("train", lambda: train(NAME)), ("validate", lambda: validate(NAME)),
                           ("deploy", lambda: reached.append(deploy(NAME, _approved(settings))))):
            run()
            marks.append(time.perf_counter())
            stages[stage] = marks[-1] - marks[-2]
        served = _served(settings)
    if reached != ["probation"]:
        raise SystemExit(f"the release stands at {reached}")
    return {"stages": stages, "server_start_s": started, "seconds": sum(stages.values()), "served": served, **_found(home)}


def peer(home: Path) -> dict[str, Any]:
    """Seconds of the same work, plainly."""
    from benchmarks.p9_server import started_server, use_home
    from interlock.settings import load_settings

    left = load_settings(home=home)
    with tempfile.TemporaryDirectory() as folder:
        own = use_home(Path(folder))
        with started_server(own):
            found = _plainly(left, own, Path(folder) / "rows")
            return found | {"served": _served(own)}


def _plainly(left: Any, own: Any, folder: Path) -> dict[str, Any]:
    """`left`: the installation that `ours` left; `own`: where this way writes its package, and what its server reads."""
    from interlock.spec.load import find_use_case, spec_digest

    path, use_case = find_use_case(left, NAME)
    candidate, now = _candidate(left)  # Adult has no clock: the moment of its ingestion is its event time
    folder.mkdir()
    stages, mark = {}, time.perf_counter()
    frame = _rows(left, use_case, folder, now)
    stages["ingest"], mark = time.perf_counter() - mark, time.perf_counter()
    from interlock.control.evidence.assessment import assess
    from interlock.control.evidence.case import open_case
    from interlock.modeling.derived import with_derived
    from interlock.modeling.making import make_package
    from interlock.records.store import open_store
    from interlock.rules.catalogue import gates_for
    from interlock.rules.gates import judge

    store = open_store(left)
    made = make_package(own.folder("packages"), use_case, with_derived(use_case, frame), snapshot_digest=candidate.snapshot_digest,
                        spec_digest=spec_digest(path))
    stages["train"], mark = time.perf_counter() - mark, time.perf_counter()
    done = assess(open_case(left, store, path, use_case, candidate, None, None), gates_for(use_case))
    results = [judge(gate, [*done.findings, *done.observed]) for gate in gates_for(use_case)]
    stages["validate"], mark = time.perf_counter() - mark, time.perf_counter()
    _stage(left, store, use_case, candidate, made.package.digest)
    _load(own, made.package.digest)
    stages["deploy"] = time.perf_counter() - mark
    store.close()
    return {"stages": stages, "seconds": sum(stages.values()), "package": made.package.digest,
            "gates": {result.metric: str(result.verdict.value) for result in results}}


def _approved(settings: Any) -> str:
    """The release of the one candidate: gates that stop it are waived by one person, and another approves."""
    from sqlalchemy import select

    from interlock.control.decisions import actions
    from interlock.records.store import open_store
    from interlock.records.tables import EvidenceRow, Release
    from interlock.rules.evidence import Evidence
    from interlock.rules.gates import blocking

    store = open_store(settings)
    with store.reading() as session:
        row = session.scalars(select(EvidenceRow)).one()
    stopping = [gate.gate for gate in blocking(Evidence.model_validate(row.body).gates)]
    if stopping:
        actions.waive(settings, store, actor="ann", evidence_digest=row.digest, gates=stopping, reason="bench", nonce="waive-once", hours=1)
    actions.approve(settings, store, actor="bob", evidence_digest=row.digest, reason="bench", nonce="approve-once", expected_generation=0)
    with store.reading() as session:
        found = session.scalars(select(Release)).one().id
    store.close()
    return found


def _stage(left: Any, store: Any, use_case: Any, candidate: Any, digest: str) -> None:
    """Smoke requests and the declared load, as a release has them: nothing of it rests on the release but the names."""
    from types import SimpleNamespace

    from interlock.control.releases import staging
    from interlock.rules.routes import Slot

    plan: Any = SimpleNamespace(slot=Slot(version=1, digest=digest), release=SimpleNamespace(use_case=NAME), candidate=candidate,
                                rollout=use_case.rollout, serving=use_case.serving)
    judged = staging.rehearse(left, store, plan)
    if judged.verdict != "pass":
        raise SystemExit(judged.sentence)


def _load(settings: Any, digest: str) -> None:
    """Golden rows in a child process, then the package into the server."""
    from interlock.control.releases.deploying import PROBE_TIMEOUT_S
    from interlock.modeling.package import read_package
    from interlock.modeling.probe import probe_package
    from interlock.rules.routes import Route, Slot
    from interlock.serving.client import ServingClient

    read_package(settings.folder("packages"), digest)
    probe_package(settings.folder("packages"), digest, PROBE_TIMEOUT_S)
    with ServingClient(settings) as client:
        client.converge(Route(use_case=NAME, generation=1, champion=Slot(version=1, digest=digest)))


def _served(settings: Any) -> str | None:
    """The digest of the package that the server answers with."""
    from interlock.serving.client import ServingClient

    with ServingClient(settings) as client:
        observed = client.observed(NAME)
    return observed.champion.digest if observed is not None and observed.champion is not None else None


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
