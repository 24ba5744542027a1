"""Make a candidate: snapshot → package → record → mirror."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from interlock.control.access.authorship import author_of, code_revision
from interlock.control.frames import modelling_rows
from interlock.control.spending.usage import measured
from interlock.control.windows.drift_time import last_drift
from interlock.errors import DataError
from interlock.modeling.making import Made, make_package
from interlock.modeling.tuning import Trial
from interlock.records import ledger
from interlock.records.candidates import add_candidate, candidate_of, same_package
from interlock.records.registry import Mirrored, Run, environment, mirror_run
from interlock.records.snapshots import latest_snapshot
from interlock.records.store import Store
from interlock.records.tables import Candidate
from interlock.settings import Settings
from interlock.spec.load import find_use_case, load_use_case, spec_digest
from interlock.spec.usecase import UseCase

Progress = Callable[[str], None]


def train_candidate(settings: Settings, store: Store, use_case: str | Path | UseCase, *, as_of: datetime | None = None,
                    started_by: str, snapshot_digest: str | None = None, flow_run_id: str | None = None,
                    progress: Progress = lambda text: None) -> Candidate:
    """A candidate from the newest (or the named) snapshot, using only labels seen by `as_of`.

    Training that gives the very package of an earlier candidate gives that candidate. MLflow is a mirror: where it does not
    answer, the candidate exists all the same and `metrics["warning"]` says so. Raises `DataError` where there is nothing to learn from.
    """
    path, found = resolve_use_case(settings, use_case)
    digest = snapshot_digest or _newest_snapshot(store, found)
    with measured(store, found.name, "train", flow_run_id):
        rows = modelling_rows(settings, store, found, digest)
        for view in rows.views:
            progress(f"view {view.view}: " + ", ".join(f"{name}: {count:,} stale" for name, count in view.stale.items()))
        policy = spec_digest(path)
        made = make_package(settings.folder("packages"), found, rows.frame, snapshot_digest=digest, spec_digest=policy, as_of=as_of,
                            drifted_at=last_drift(store, found.name, as_of) if _asks_for_drift(found) else None,
                            studies=settings.folder("studies"), views=rows.views, progress=progress)
        candidate, is_new = _record(store, found, made, author=author_of(path, found.approval.author, started_by),
                                    started_by=started_by)
        if not is_new:
            progress(f"the same package as candidate {candidate.number}: nothing new to judge")
            return candidate
        mirrored = mirror_run(settings, _run(found, made, candidate, code_revision(path.parent)))
        if mirrored.warning:
            progress(mirrored.warning)
        return _note_mirror(store, candidate.id, mirrored)


def resolve_use_case(settings: Settings, use_case: str | Path | UseCase) -> tuple[Path, UseCase]:
    """File and use case from a name, a path, or a use case that the installation's folder holds."""
    if isinstance(use_case, Path):
        return use_case, load_use_case(use_case)
    return find_use_case(settings, use_case if isinstance(use_case, str) else use_case.name)


def _asks_for_drift(use_case: UseCase) -> bool:
    return use_case.training.window_kind in {"since_drift", "auto"}


def _newest_snapshot(store: Store, use_case: UseCase) -> str:
    snapshot = latest_snapshot(store, use_case.name)
    if snapshot is None:
        raise DataError(f"use case '{use_case.name}' has no snapshot yet", next_step=f"interlock ingest {use_case.name}")
    return snapshot.digest


def _record(store: Store, use_case: UseCase, made: Made, *, author: str, started_by: str) -> tuple[Candidate, bool]:
    manifest = made.package.manifest
    with store.writing() as session:
        known = same_package(session, use_case.name, made.package.digest)
        if known is not None:
            return known, False
        candidate = add_candidate(
            session, use_case=use_case.name, package_digest=made.package.digest, snapshot_digest=manifest.snapshot_digest,
            spec_digest=manifest.spec_digest, author=author, started_by=started_by,
            metrics={**manifest.baseline, "rounds": made.tuned.rounds, **({"proposals": made.proposals} if made.proposals else {})})
        ledger.append(session, "candidate.created", {
            "candidate_id": candidate.id, "number": candidate.number, "package": candidate.package_digest, "author": author,
            "snapshot": candidate.snapshot_digest, "policy": candidate.spec_digest, "started_by": started_by}, use_case.name)
    return candidate, True


def _run(use_case: UseCase, made: Made, candidate: Candidate, revision: str) -> Run:
    manifest = made.package.manifest
    settled: dict[str, Any] = {f"training.{key}": value for key, value in manifest.training.items() if key != "parameters"}
    tags = {"candidate": candidate.id, "package": candidate.package_digest, "snapshot": candidate.snapshot_digest,
            "policy": candidate.spec_digest, "code": manifest.code_version, "revision": revision, "author": candidate.author,
            "started_by": candidate.started_by}
    tags = {f"interlock.{key}": value for key, value in tags.items()} | {f"env.{key}": value for key, value in environment().items()}
    return Run(use_case=use_case.name, name=f"{use_case.name} {candidate.number}", parameters={**made.tuned.parameters, **settled},
               metrics={**manifest.baseline, "validation_loss": made.tuned.loss}, tags=tags,
               files={"manifest.json": made.package.files["manifest.json"], "trials.csv": _trials(made.tuned.trials)},
               booster=made.package.open_model().booster,
               series={"trial_loss": [(trial.number, trial.loss) for trial in made.tuned.trials if trial.loss is not None]})


def _trials(trials: list[Trial]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["number", "state", "loss", "rounds", "seed", *(trials[0].parameters if trials else ())])
    writer.writerows([trial.number, trial.state, trial.loss, trial.rounds, trial.seed, *trial.parameters.values()] for trial in trials)
    return text.getvalue().encode()


def _note_mirror(store: Store, candidate_id: str, mirrored: Mirrored) -> Candidate:
    with store.writing() as session:
        candidate = candidate_of(session, candidate_id)
        candidate.mlflow_run_id, candidate.mlflow_version = mirrored.run_id, mirrored.version
        if mirrored.warning:
            candidate.metrics = {**candidate.metrics, "warning": mirrored.warning}
        return candidate
