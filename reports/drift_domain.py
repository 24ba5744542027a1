"""Multivariate drift: can a model tell rows of today from those of the baseline, and does the baseline's plane still describe them?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from reports.intervals import NORMAL_95, auc_components
from reports.profile_plane import Plane

DOMAIN_ROWS_MAX = 2_000
PLANE_ROWS_MAX = 20_000
COLUMNS_SHOWN = 10
CODES_MAX = 100  # categories with a number of their own; rarer ones share one
LARGEST = 1e38  # models count in 32 bits, where more is infinite
Floats = NDArray[np.float64]
FitScore = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]


def domain_finding(reference: pl.DataFrame, current: pl.DataFrame, kinds: Mapping[str, str], fit_score: FitScore, *, rows_min: int,
                   seed: int, family: str = "drift.", rows_max: int = DOMAIN_ROWS_MAX) -> Finding:
    """`domain_auc`: how well a classifier tells rows of `current` from rows of `reference` that it was not fitted on.

    AUC: 0.5 means that it cannot (no drift that it can see), 1 that it always can. Columns that each look as before can still give a window
    away together. `fit_score(fit matrix, fit labels, matrix)` fits and returns scores (n,) and the weight of each column (d,); labels are 1
    for `current`. Two seeded folds on at most `rows_max` rows of each side; the value is the mean of both folds' AUC with the 95 % interval
    of DeLong et al. 1988, as wide as of one fold: the folds' fits depend on each other (an independent mean held the truth in only 86 of
    100 simulated windows, this one in 97). detail: rows used, and the columns that give it away by their share of the weight.
    Fewer than `rows_min` rows on a side, or no column: TOO_FEW. Source of the method: Lopez-Paz and Oquab 2017, 'Revisiting classifier
    two-sample tests'.
    """
    metric, names = f"{family}domain_auc", [name for name in kinds if name in reference.columns and name in current.columns]
    few = min(reference.height, current.height)
    if few < max(rows_min, 4) or not names:
        why = f"not enough evidence: n = {few:,}, at least {rows_min:,} needed" if names else "no column in common"
        return Finding(metric=metric, sample_size=few, needed=rows_min, state=State.TOO_FEW, note=why)
    draw = np.random.default_rng(seed)
    sides = [_drawn(frame.select(names), rows_max, draw) for frame in (reference, current)]
    matrix = domain_matrix(pl.concat([_texts(side, kinds) for side in sides]), kinds)
    labels = np.repeat([0.0, 1.0], [side.height for side in sides])
    fold = np.concatenate([draw.permutation(np.arange(side.height) % 2) for side in sides])
    found, weights = [], np.zeros(len(names))
    for number in (0, 1):
        held = fold == number
        scores, weight = fit_score(matrix[~held], labels[~held], matrix[held])
        auc, of_ones, of_zeros = auc_components(labels[held], np.asarray(scores, dtype=np.float64))
        found.append((auc, of_ones.var(ddof=1) / of_ones.size + of_zeros.var(ddof=1) / of_zeros.size))
        weights += np.asarray(weight, dtype=np.float64)
    value, spread = float(np.mean([auc for auc, _ in found])), float(np.sqrt(sum(variance for _, variance in found) / 2))
    shares = weights / weights.sum() if weights.sum() > 0 else weights
    top = sorted(zip(names, shares.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))[:COLUMNS_SHOWN]
    return Finding(
        metric=metric, value=value, low=max(0.0, value - NORMAL_95 * spread), high=min(1.0, value + NORMAL_95 * spread), confidence=0.95,
        sample_size=few, note=f"Told apart by {', '.join(name for name, share in top[:3] if share > 0) or 'nothing'}; "
                              f"{sides[0].height:,} and {sides[1].height:,} rows compared, chosen by seed.",
        detail={"columns": dict(top), "reference_rows": sides[0].height, "current_rows": sides[1].height})


def reconstruction_finding(plane: Plane | None, frame: pl.DataFrame, *, rows_min: int, seed: int, family: str = "drift.") -> Finding:
    """`reconstruction`: how much worse the baseline's plane describes these rows, in standard deviations of its error on its own rows.

    0 means as well as its own rows; above 0 worse: columns no longer belong together as they did; below 0 better. 95 % interval: normal,
    both means estimated. At most 20,000 seeded rows. No plane, a column missing, or fewer than `rows_min` rows: MISSING or TOO_FEW.
    """
    metric = f"{family}reconstruction"
    if plane is None:
        return Finding(metric=metric, state=State.MISSING, sample_size=frame.height,
                       note="the baseline has no plane: fewer than 100 rows or two varying columns, or made by an older version")
    absent = [one.column for one in plane.encodings if one.column not in frame.columns]
    if absent:
        return Finding(metric=metric, state=State.MISSING, sample_size=frame.height, note=f"not captured: {', '.join(absent[:5])}")
    if frame.height < rows_min:
        return Finding(metric=metric, state=State.TOO_FEW, sample_size=frame.height, needed=rows_min,
                       note=f"not enough evidence: n = {frame.height:,}, at least {rows_min:,} needed")
    errors = plane.errors(_drawn(frame, PLANE_ROWS_MAX, np.random.default_rng(seed)))
    value = (float(errors.mean()) - plane.error_mean) / plane.error_std
    variance = (errors.var(ddof=1) if errors.size > 1 else plane.error_std**2) / errors.size + plane.error_std**2 / plane.rows
    spread = float(np.sqrt(variance)) / plane.error_std
    return Finding(metric=metric, value=value, low=value - NORMAL_95 * spread, high=value + NORMAL_95 * spread, confidence=0.95,
                   sample_size=int(errors.size), unit="standard deviations",
                   note=f"Distance to the baseline's plane {errors.mean():.3g}, when made {plane.error_mean:.3g}; {errors.size:,} rows.")


def domain_matrix(frame: pl.DataFrame, kinds: Mapping[str, str]) -> Floats:
    """Rows as numbers (n, d), NaN where missing: numbers as they are, categories by how frequent they are (0: most frequent)."""
    columns: list[Any] = []
    for name in frame.columns:
        if kinds[name] == "numeric":
            columns.append(frame[name].fill_null(float("nan")).to_numpy())
        else:
            table = frame[name].drop_nulls().alias("value").value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
            codes = {value: float(min(code, CODES_MAX)) for code, value in enumerate(table["value"].to_list())}
            columns.append(np.array([codes.get(value, np.nan) for value in frame[name].to_list()]))
    return np.column_stack(columns)


def _texts(frame: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Numbers as float64 without infinities, up to `LARGEST`, everything else as text, so that two sources can stand below each other."""
    def plain(name: str) -> pl.Expr:
        if kinds[name] == "numeric":
            number = pl.col(name).cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number.clip(-LARGEST, LARGEST)).otherwise(None).alias(name)
        return pl.col(name).cast(pl.String)

    return frame.select(plain(name) for name in frame.columns)


def _drawn(frame: pl.DataFrame, rows_max: int, draw: np.random.Generator) -> pl.DataFrame:
    if frame.height <= rows_max:
        return frame
    return frame[np.sort(draw.choice(frame.height, rows_max, replace=False))]
