"""A window's performance before its labels come, the estimate held against the truth once they have, and how far to trust the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from interlock.control.evidence.estimates import captured_matrix, estimated, reference_of
from interlock.control.windows.window_performance import drop_of, known_answers, primary_of
from interlock.errors import InterlockError
from interlock.modeling.measures import PRIMARY
from interlock.modeling.package import Package
from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding, State
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.estimate_reference import Reference
from reports.estimate_trust import error_finding, range_finding, trust_finding
from reports.intervals import Interval
from reports.measured import measured

if TYPE_CHECKING:
    import polars as pl

    from interlock.control.windows.window_findings import Judged

Matrix = NDArray[np.float32]
DROP, ERROR = "performance.estimated_drop", "performance.estimate_error"
TRUST_WINDOWS = 50


def estimates_of(settings: Settings, use_case: UseCase, package: Package, rows: pl.DataFrame) -> list[Finding]:
    """`performance.estimated_*` of all answers of the window, `estimated_drop` against the package's own value, `estimate_range`, and
    `estimate_error` for the answers whose outcome is known by now.

    Needs no label. MISSING with the reason where the held-out rows of the package cannot be had any more; fewer than `rows_min` answers:
    TOO_FEW. Once `labels_min` outcomes are known the real drop counts: `estimated_drop` is STALE then. Answers without a finite score are
    left out.
    """
    import polars as pl

    try:
        reference = reference_of(settings, use_case, package)
    except InterlockError as error:
        note = f"no estimate without labels: {error}"
        return [Finding(metric=name, state=State.MISSING, note=note) for name in (DROP, ERROR)]
    rows = rows.filter(pl.col("_score").is_finite())
    matrix, names = _matrix(package, rows)
    if matrix is None and reference.task == "regression":
        note = "no estimate without labels: the captured inputs cannot be read as the model's"
        return [Finding(metric=name, state=State.MISSING, note=note) for name in (DROP, ERROR)]
    primary = f"performance.estimated_{PRIMARY[use_case.prediction.task]}"
    found = _estimated(reference, use_case, rows, matrix, rows_min=use_case.monitoring.rows_min, seed=settings.seed)
    own = next(finding for finding in found if finding.metric == primary)
    ranged = [range_finding(reference, matrix[:, names], [package.manifest.features.names[place] for place in names])] \
        if matrix is not None else []
    return [*found, _drop(use_case, package, own, rows), *ranged, _error(settings, use_case, reference, rows, matrix)]


def with_trust(store: Store, use_case: str, judged: Sequence[Judged]) -> list[Judged]:
    """The windows with `performance.estimate_coverage`: how often estimates of earlier windows of the same version held the truth.

    Of the newest `TRUST_WINDOWS` windows before it, as recorded when this one was judged. Windows without an estimate stay as they are.
    """
    return [replace(one, findings=[*one.findings, _trust(store, use_case, one)]) if _has_estimate(one.findings) else one for one in judged]


def _has_estimate(findings: Sequence[Finding]) -> bool:
    return any(finding.metric == DROP and finding.state is not State.MISSING for finding in findings)


def _trust(store: Store, use_case: str, one: Judged) -> Finding:
    with store.reading() as session:
        kept = session.scalars(select(Window.reports["estimate_errors"]).where(
            Window.use_case == use_case, Window.package_digest == one.digest, Window.start < one.start)
            .order_by(Window.start.desc()).limit(TRUST_WINDOWS)).all()
    errors = [Finding.model_validate(body) for bodies in kept for body in bodies or []]
    return trust_finding(errors).model_copy(update={"window_start": one.start, "window_end": one.end})


def _matrix(package: Package, rows: pl.DataFrame) -> tuple[Matrix | None, list[int]]:
    """The model's matrix and the places of its columns that were captured; None where the captured values cannot be read as such."""
    import polars as pl

    try:
        matrix, names = captured_matrix(package, rows)
    except (InterlockError, pl.exceptions.PolarsError):
        return None, []
    return matrix, [place for place, name in enumerate(package.manifest.features.names) if name in names]


def _estimated(reference: Reference, use_case: UseCase, rows: pl.DataFrame, matrix: Matrix | None, *, rows_min: int, seed: int
               ) -> list[Finding]:
    if use_case.prediction.task == "multiclass":
        scores = np.array(rows["_scores"].to_list(), dtype=np.float64).reshape(rows.height, len(reference.curves))
    else:
        scores = rows["_score"].to_numpy()
    inputs = np.empty((rows.height, 0), dtype=np.float32) if matrix is None else matrix
    return estimated(reference, scores, inputs, rows_min=rows_min, seed=seed)


def _drop(use_case: UseCase, package: Package, own: Finding, rows: pl.DataFrame) -> Finding:
    """The estimated fall of the primary metric; STALE once enough outcomes are known, because then the real one counts."""
    made = package.manifest.baseline.get("primary")
    if own.value is None or made is None:
        note = own.note if own.value is None else "the package carries no value to compare with"
        return Finding(metric=DROP, state=State.TOO_FEW if own.value is None else State.MISSING, note=note, sample_size=own.sample_size,
                       needed=own.needed)
    now = Interval(own.value, own.low if own.low is not None else float("nan"), own.high if own.high is not None else float("nan"))
    found = measured(DROP, drop_of(use_case.prediction.task, made, now), sample_size=own.sample_size, note=own.note,
                     why_missing="the package's own value allows no comparison",
                     detail={"metric": PRIMARY[use_case.prediction.task], "when_made": made, "estimated": own.value})
    labelled = rows.height - rows["_label"].null_count()
    if labelled < use_case.monitoring.labels_min or found.state is not State.OK:
        return found
    return found.model_copy(update={"state": State.STALE, "note": f"{labelled:,} outcomes are known by now: the real drop counts."})


def _error(settings: Settings, use_case: UseCase, reference: Reference, rows: pl.DataFrame, matrix: Matrix | None) -> Finding:
    """Estimate and truth over the same answers: those whose outcome is known."""
    there = rows["_label"].is_not_null()
    needed, labelled = use_case.monitoring.labels_min, int(there.sum())
    if labelled < needed:
        note = f"outcomes come later: {labelled:,} known, at least {needed:,} needed"
        return Finding(metric=ERROR, sample_size=labelled, needed=needed, state=State.TOO_FEW, note=note)
    metric, task = PRIMARY[use_case.prediction.task], use_case.prediction.task
    known, inputs = rows.filter(there), None if matrix is None else matrix[there.to_numpy()]
    told = _estimated(reference, use_case, known, inputs, rows_min=1, seed=settings.seed)
    outcomes, answers = known_answers(use_case, known)
    true = measured(f"performance.{metric}", primary_of(task, outcomes, answers, seed=settings.seed), sample_size=labelled,
                    why_missing="only one class among the known outcomes")
    return error_finding(metric, next(one for one in told if one.metric == f"performance.estimated_{metric}"), true)
