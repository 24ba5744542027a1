"""Performance without labels, for a package: its reference (known outcomes of its held-out rows), kept once made, and estimates from it."""

from __future__ import annotations

import base64
import os
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from interlock.control.frames import modelling_frame
from interlock.errors import DataError
from interlock.modeling.error_model import error_model, fit_error_model
from interlock.modeling.held_out import HeldOut, hold_out
from interlock.modeling.package import Package
from interlock.records.store import Store
from interlock.rules.findings import Finding
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.estimate_reference import Reference

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
LOSSES = ("absolute", "squared")


def reference_of(settings: Settings, use_case: UseCase, package: Package) -> Reference:
    """The package's reference from the file kept for it; where there is none (or it is damaged), made again from its snapshot.

    Raises `DataError` or `PackageError` where snapshot and use case no longer give the package's held-out rows, or those are too few.
    """
    path = settings.home.resolve() / "estimates" / f"{package.digest.removeprefix('sha256:')}.json"
    try:
        return Reference.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        store = Store(settings.store_address)
    try:
        frame = modelling_frame(settings, store, use_case, package.manifest.snapshot_digest, package.manifest)
    finally:
        store.close()
    reference = make_reference(hold_out(use_case, package, frame))
    keep_reference(settings, package.digest, reference)
    return reference


def keep_reference(settings: Settings, digest: str, reference: Reference) -> None:
    """Write the file, whole or not at all."""
    folder = settings.home.resolve() / "estimates"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".new-{uuid.uuid4().hex}"
    temporary.write_text(reference.model_dump_json(), encoding="utf-8")
    os.replace(temporary, folder / f"{digest.removeprefix('sha256:')}.json")


def make_reference(held_out: HeldOut, rows: NDArray[np.int64] | None = None) -> Reference:
    """The reference from the held-out rows (of them those at places `rows`). Raises `DataError` where they are too few."""
    from reports.estimate_reference import class_reference, with_ranges

    place = np.arange(held_out.labels.size) if rows is None else rows
    matrix, labels, scores = held_out.matrix[place], held_out.labels[place], probabilities(held_out.scores[place])
    manifest, seed = held_out.package.manifest, held_out.use_case.training.seed
    if manifest.task == "regression":
        reference = _error_reference(matrix, labels, scores, seed=seed, threads=held_out.use_case.training.threads)
    else:
        reference = class_reference(manifest.task, labels, scores, threshold=manifest.threshold, seed=seed)
    return with_ranges(reference, matrix, manifest.features.names)


def estimated(reference: Reference, scores: Floats, matrix: Matrix, *, rows_min: int, seed: int) -> list[Finding]:
    """`performance.estimated_*` of rows without labels; `scores` as a model gives them, `matrix` what it was given."""
    from reports.estimate import estimate_findings
    from reports.estimate_loss import Level, loss_findings

    if reference.task != "regression":
        return estimate_findings(reference, probabilities(scores), rows_min=rows_min, seed=seed)
    if not np.isfinite(scores).all():
        raise DataError("an answer is missing or infinite", value="regression", allowed="finite numbers")
    wide, kept = _with_answer(matrix, scores), reference.errors
    told = [error_model(base64.b64decode(str(kept[name])))(wide) for name in LOSSES]
    levels = [Level(float(kept[f"{name}_scale"]), float(kept[f"{name}_spread"]), reference.rows) for name in LOSSES]
    return loss_findings(told[0], told[1], (levels[0], levels[1]), rows_min=rows_min)


def captured_matrix(package: Package, rows: pl.DataFrame) -> tuple[Matrix, list[str]]:
    """The model's matrix of captured rows, and the names of its columns that were captured (others are missing in it throughout)."""
    import polars as pl

    space = package.manifest.features
    absent = [spec.name for spec in space.specs if spec.kind != "calendar" and spec.name not in rows.columns]
    types: dict[str, Any] = {"category": pl.String}
    typed = rows.with_columns(pl.lit(None, types.get(spec.kind, pl.Float64)).alias(spec.name) if spec.name in absent
                              else pl.col(spec.name).cast(types.get(spec.kind, pl.Float64), strict=False)
                              for spec in space.specs if spec.kind != "calendar")
    return space.encode_frame(typed), [name for name in space.names if name not in absent]


def probabilities(scores: NDArray[Any]) -> Floats:
    """Float64 scores; rows of class probabilities are made to add up to 1."""
    wide = scores.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True) if wide.ndim == 2 else wide


def _error_reference(matrix: Matrix, labels: Floats, scores: Floats, *, seed: int, threads: int) -> Reference:
    from reports.estimate_loss import examine

    wide, kept = _with_answer(matrix, scores), dict[str, float | str]()
    for name, loss in zip(LOSSES, (np.abs(scores - labels), (scores - labels) ** 2), strict=True):
        level = examine(wide, loss, lambda rows, losses: error_model(fit_error_model(rows, losses, seed=seed, threads=threads)), seed=seed)
        booster = base64.b64encode(fit_error_model(wide, loss, seed=seed, threads=threads)).decode()
        kept |= {name: booster, f"{name}_scale": level.scale, f"{name}_spread": level.spread}
    return Reference(task="regression", rows=int(labels.size), errors=kept)


def _with_answer(matrix: Matrix, scores: Floats) -> Matrix:
    return np.column_stack([matrix, scores]).astype(np.float32)
