"""Groups of people: which group a row belongs to, and what is counted per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reports.fairness_intervals import Figures, means, shares

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]

BANDS = 4
DISTINCT_MAX = 12
GROUPS_MAX = 50
PAIRS_MAX = 10
ECE_BINS = 10
MISSING = "(missing)"
CROSS = " × "
RATES = {"selection_rate": ("selected", "rows"), "true_positive_rate": ("true_positives", "positives"),
         "false_positive_rate": ("false_positives", "negatives"), "precision": ("true_positives", "selected"),
         "accuracy": ("right", "rows"), "base_rate": ("positives", "rows")}


@dataclass(frozen=True)
class Counts:
    """What was counted per group (k,), the largest group first; `rows` and so on count rows of that group. `missing`: rows in no group.

    `gap`, `gap_squares`: sum of (score - outcome) and of its square. `ece`: per-group calibration error, `ece_by_luck` what a perfectly
    calibrated model would show on as many rows.
    """

    names: list[str]
    counted: dict[str, Floats]
    gap: Floats
    gap_squares: Floats
    score: Floats
    ece: Floats
    ece_by_luck: Floats
    missing: int

    def rate(self, name: str, places: Sequence[int], *, comparisons: int = 1) -> Figures:
        """The rate of the groups at these places, with intervals; `calibration_gap` is the mean of score minus outcome."""
        chosen = np.asarray(places, dtype=np.int64)
        if name == "calibration_gap":
            return means(self.gap[chosen], self.gap_squares[chosen], self.counted["rows"][chosen], comparisons=comparisons)
        hits, rows = RATES[name]
        return shares(self.counted[hits][chosen], self.counted[rows][chosen], comparisons=comparisons)

    def denominator(self, name: str) -> Floats:
        """Rows that the rate rests on, per group."""
        return self.counted["rows" if name == "calibration_gap" else RATES[name][1]]

    def overall(self, name: str) -> float:
        """The rate among all rows that are in a group; NaN without a denominator."""
        hits, rows = RATES[name]
        total = float(self.counted[rows].sum())
        return float(self.counted[hits].sum()) / total if total else float("nan")


def group_names(values: pl.Series) -> Texts:
    """The group of each row (n,) as text: the value itself, a quartile band for a numeric attribute with more than 12 values, or
    `(missing)` for null and NaN."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if values.dtype.is_numeric() and values.drop_nulls().n_unique() > DISTINCT_MAX:
        numbers = values.cast(pl.Float64)
        cuts = sorted({float(numbers.quantile(i / BANDS, "lower") or 0.0) for i in range(1, BANDS)})
        labels = [f"≤ {cuts[0]:g}", *(f"{low:g} < … ≤ {high:g}" for low, high in zip(cuts, cuts[1:], strict=False)), f"> {cuts[-1]:g}"]
        place = np.searchsorted(cuts, numbers.fill_null(float("nan")).to_numpy(), side="left")
        named = np.array(labels)[np.minimum(place, len(labels) - 1)]
        return np.where(numbers.is_null().to_numpy(), MISSING, named)
    return values.cast(pl.String).fill_null(MISSING).to_numpy().astype(str)


def all_groups(sensitive: pl.DataFrame) -> tuple[dict[str, Texts], dict[str, Texts]]:
    """Groups by attribute, and by intersection of two of them (the first `PAIRS_MAX` pairs in column order): name → group per row.

    A row that lacks one of the two attributes is in no intersection.
    """
    single = {name: group_names(sensitive[name]) for name in sensitive.columns}
    crossed = {}
    for first, second in islice(combinations(single, 2), PAIRS_MAX):
        if max(np.unique(single[name]).size for name in (first, second)) > GROUPS_MAX:
            continue
        known = (single[first] != MISSING) & (single[second] != MISSING)
        both = np.char.add(np.char.add(single[first], CROSS), single[second])
        crossed[f"{first}{CROSS}{second}"] = np.where(known, both, MISSING)
    return single, crossed


def count_groups(y: Floats, prediction: Floats, score: Floats, groups: Texts) -> Counts:
    """Counts per group of `groups` (n,), for 0/1 `y` and `prediction` and scores in [0, 1]. Groups in order of size, then name."""
    known = groups != MISSING
    y, prediction, score = y[known], prediction[known], score[known]
    names, place = np.unique(groups[known], return_inverse=True)
    k = names.size

    def total(values: Floats) -> Floats:
        return np.bincount(place, weights=values, minlength=k).astype(np.float64)

    gap = score - y
    counted = {"rows": total(np.ones(y.size)), "positives": total(y), "negatives": total(1 - y), "selected": total(prediction),
               "true_positives": total(y * prediction), "false_positives": total((1 - y) * prediction),
               "right": total((y == prediction).astype(np.float64))}
    order = np.lexsort((names, -counted["rows"])) if k else np.empty(0, dtype=np.int64)
    errors = _calibration_errors(y, score, place, k) if k <= GROUPS_MAX else np.full((2, k), np.nan)
    return Counts(names=[str(name) for name in names[order]], counted={name: values[order] for name, values in counted.items()},
                  gap=total(gap)[order], gap_squares=total(gap**2)[order], score=total(score)[order], ece=errors[0][order],
                  ece_by_luck=errors[1][order], missing=int((~known).sum()))


def group_rows(counts: Counts, *, rows_min: int, groups_max: int = GROUPS_MAX) -> list[dict[str, Any]]:
    """One plain row for each of the `groups_max` largest groups: counts, rates (None without a denominator), 95 % intervals.

    `intervals`: rate → [low, high]. `calibration_gap`: mean score minus observed rate, `ece` over ten bins of equal size, None below
    `rows_min` rows; `ece_by_luck` is what chance alone would give.
    """
    every = list(range(min(len(counts.names), groups_max)))
    figures = {name: counts.rate(name, every) for name in (*RATES, "calibration_gap")}
    rows = []
    for place, name in enumerate(counts.names[:groups_max]):
        size = int(counts.counted["rows"][place])
        rates = {rate: _plain(found.value[place]) for rate, found in figures.items()}
        ends = {rate: [_plain(found.low[place]), _plain(found.high[place])] for rate, found in figures.items() if rates[rate] is not None}
        enough = size >= rows_min
        rows.append({"group": name, "rows": size, "positives": int(counts.counted["positives"][place]),
                     "selected": int(counts.counted["selected"][place]), "mean_score": float(counts.score[place]) / size, **rates,
                     "ece": _plain(counts.ece[place]) if enough else None,
                     "ece_by_luck": _plain(counts.ece_by_luck[place]) if enough else None, "intervals": ends})
    return rows


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _calibration_errors(y: Floats, score: Floats, place: NDArray[np.int64], k: int) -> Floats:
    """(2, k): expected calibration error per group over ten bins of equal size (Naeini et al. 2015), and its mean for a perfect model:
    sum of sqrt(2·p·(1-p) / (π·n)) over bins of n rows with mean score p, weighted by their share of the rows."""
    found = np.full((2, k), np.nan)
    for group in range(k):
        here = np.flatnonzero(place == group)
        ordered = np.sort(score[here])
        bins = np.searchsorted(ordered, score[here], side="left") * ECE_BINS // here.size  # equal scores stay together
        parts = [here[bins == number] for number in np.unique(bins)]
        weights = np.array([part.size / here.size for part in parts])
        said, was = np.array([score[part].mean() for part in parts]), np.array([y[part].mean() for part in parts])
        luck = np.sqrt(2 * np.clip(said * (1 - said), 0, None) / (np.pi * weights * here.size))
        found[:, group] = float((weights * np.abs(said - was)).sum()), float((weights * luck).sum())
    return found
