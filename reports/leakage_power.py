"""Power of columns: how well one column alone, or all others together, tell the outcomes of the same period apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.spec.model import Task
from reports.intervals import auc_components

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

ROWS_MAX = 20_000
FIT_SHARE = 2 / 3
PERIODS = 10
PERIOD_ROWS = 200
CLASS_ROWS = 5
BINS = 32
SMOOTHING = 10.0
ROUNDS = 80
ROWS_PER_PART = 5
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000


@dataclass(frozen=True)
class Examined:
    """Rows to fit on, rows to examine on, and the period of each examined row."""

    task: Task
    fit: Floats
    fit_outcome: Floats
    matrix: Floats
    outcome: Floats
    period: Numbers
    feature_types: list[str]
    calendar: NDArray[np.bool_]


def examined_rows(task: Task, matrix: NDArray[Any], outcome: Floats, feature_types: list[str], event_time_us: Numbers, *,
                  seed: int) -> Examined | None:
    """A seeded sample of at most 20,000 rows, two thirds to fit, the rest to examine; None with fewer than 10 examined rows of a class.

    Periods: up to ten runs of event time with about equal rows, at least 200 examined rows each; equal times share a period.
    """
    order = np.random.default_rng(seed).permutation(outcome.size)[:ROWS_MAX]
    cut = int(order.size * FIT_SHARE)
    fit, tried = np.sort(order[:cut]), np.sort(order[cut:])
    if task != "regression" and min(outcome[tried].sum(), (1 - outcome[tried]).sum()) < 2 * CLASS_ROWS:
        return None
    times = event_time_us[tried]
    periods = int(np.clip(tried.size // PERIOD_ROWS, 1, PERIODS))
    place = np.searchsorted(np.sort(times), times, side="left") * periods // tried.size
    kept = np.sort(order)
    calendar = np.array([is_calendar(matrix[kept, column], event_time_us[kept]) for column in range(matrix.shape[1])])
    task = "regression" if task == "regression" else "binary"
    return Examined(task, np.asarray(matrix[fit], dtype=np.float64), outcome[fit], np.asarray(matrix[tried], dtype=np.float64),
                    outcome[tried], place, feature_types, calendar)


def is_calendar(values: NDArray[Any], event_time_us: Numbers) -> bool:
    """Whether a column (n,) is a function of a part of the event time: minute of the day, hour, weekday, day of the year, month.

    Each part must repeat (5 rows per value at least), or everything would be a function of it. Constant columns count as such.
    """
    days = event_time_us // DAY
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64) % 12
    year_days = days - dates.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    codes = np.unique(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=np.inf), return_inverse=True)[1].astype(np.int64)
    for part in (event_time_us % DAY // MINUTE, event_time_us % DAY // HOUR, days % 7, year_days, months, days * 0):
        distinct = np.unique(part).size
        if part.size >= ROWS_PER_PART * distinct and np.unique(part * (codes.max() + 1) + codes).size == distinct:
            return True
    return False


def single_powers(examined: Examined) -> Floats:
    """Power (f,) of each column alone: smoothed mean outcome per bin (32 quantile bins, or per category) of the fitting rows; calendar
    columns NaN."""
    powers = np.full(examined.matrix.shape[1], np.nan)
    for column in np.flatnonzero(~examined.calendar):
        powers[column] = power(examined, _binned_means(examined, int(column)))
    return powers


def rest_power(examined: Examined, column: int, threads: int = 1) -> float:
    """Power of a small boosted model (80 trees of depth 4) on all columns but `column`."""
    import xgboost

    kept = [place for place in range(examined.matrix.shape[1]) if place != column]
    types = [examined.feature_types[place] for place in kept]
    options = {"feature_types": types, "enable_categorical": True, "nthread": threads}
    train = xgboost.DMatrix(examined.fit[:, kept], label=examined.fit_outcome, **options)
    parameters = {"objective": "reg:squarederror" if examined.task == "regression" else "binary:logistic", "max_depth": 4, "eta": 0.1,
                  "nthread": threads, "seed": 0}
    booster = xgboost.train(parameters, train, ROUNDS)
    scores = booster.predict(xgboost.DMatrix(examined.matrix[:, kept], **options))
    return power(examined, np.asarray(scores, dtype=np.float64))


def power(examined: Examined, scores: Floats) -> float:
    """2 AUC - 1, or R² of the differences from the period's means (at least 0), in the mean over periods weighted by their rows.

    Classification: a period's weight is its rarer class; periods with fewer than 5 of it are left out; if that leaves none, all
    examined rows count as one period.
    """
    values, weights = [], []
    for period in np.unique(examined.period):
        here = examined.period == period
        value, weight = _period_power(examined.task, examined.outcome[here], scores[here])
        if weight > 0:
            values.append(value)
            weights.append(weight)
    if not values:
        return 2 * auc_components(examined.outcome, scores)[0] - 1 if examined.task != "regression" else 0.0
    return float(np.average(values, weights=weights))


def _period_power(task: Task, outcome: Floats, scores: Floats) -> tuple[float, float]:
    if task != "regression":
        rarer = min(outcome.sum(), (1 - outcome).sum())
        return (2 * auc_components(outcome, scores)[0] - 1, float(rarer)) if rarer >= CLASS_ROWS else (0.0, 0.0)
    spread = float(((outcome - outcome.mean()) ** 2).sum())
    errors = float((((scores - scores.mean()) - (outcome - outcome.mean())) ** 2).sum())
    return (max(1 - errors / spread, 0.0), float(outcome.size)) if spread > 0 else (0.0, 0.0)


def _binned_means(examined: Examined, column: int) -> Floats:
    fit, tried = examined.fit[:, column], examined.matrix[:, column]
    if examined.feature_types[column] == "c":
        edges = np.unique(fit[np.isfinite(fit)])
    else:
        finite = fit[np.isfinite(fit)]
        edges = np.unique(np.quantile(finite, np.arange(BINS) / BINS, method="inverted_cdf")) if finite.size else np.empty(0)
    bins = edges.size + 2

    def place(values: Floats) -> Numbers:
        return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), bins - 1)
    rows = np.bincount(place(fit), minlength=bins)
    total = np.bincount(place(fit), examined.fit_outcome, bins)
    means: Floats = (total + SMOOTHING * examined.fit_outcome.mean()) / (rows + SMOOTHING)
    return means[place(tried)]
