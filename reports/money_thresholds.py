"""Money and net benefit at every threshold, and the threshold that is worth most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding
from reports.intervals import NORMAL_95, Interval, bootstrap
from reports.measured import measured

Floats = NDArray[np.float64]

THRESHOLDS = 101
ROWS_MIN = 40


def threshold_table(y: Floats, score: Floats, matrix: Mapping[str, float], scale: Floats, *, champion: Floats | None = None
                    ) -> dict[str, Any]:
    """Value per 1,000 cases at 101 thresholds 0, 0.01 … 1: `{"threshold", "value_per_1000", "low", "high", "champion_per_1000" (None: no
    champion), "selected", "always_yes", "always_no"}`.

    `y`, `score`, `scale` (n,); without a row the lists are empty. A row with score ≥ threshold is answered with yes. `low`, `high`: 95 %
    interval of the mean (central limit theorem) at each threshold by itself, None with fewer than 2 rows; a threshold picked because its
    value is the highest looks better than it is, so `best_threshold` measures such a choice on other rows.
    """
    if y.size == 0:
        return {"threshold": [], "value_per_1000": [], "low": [], "high": [], "champion_per_1000": None, "selected": [],
                "always_yes": None, "always_no": None}
    cuts = np.linspace(0.0, 1.0, THRESHOLDS)
    own = _at(cuts, y, score, matrix, scale)
    yes, no = _worth(y, matrix, scale)
    half = _half_widths(cuts, y, score, matrix, scale)
    return {"threshold": [round(float(cut), 4) for cut in cuts], "value_per_1000": own.tolist(),
            "low": [None] * THRESHOLDS if half is None else (own - half).tolist(),
            "high": [None] * THRESHOLDS if half is None else (own + half).tolist(),
            "champion_per_1000": None if champion is None else _at(cuts, y, champion, matrix, scale).tolist(),
            "selected": [float((score >= cut).mean()) for cut in cuts], "always_yes": float(yes.mean()) * 1_000,
            "always_no": float(no.mean()) * 1_000}


def decision_curve(y: Floats, score: Floats, champion: Floats | None = None) -> dict[str, Any]:
    """Net benefit at threshold probabilities 0.01 … 0.99: share of true positives - share of false positives x p / (1 - p).

    p is the probability at which somebody is indifferent between yes and no. `{"threshold", "model", "champion" (None: none), "all"
    (always yes)}`; always no is 0. Above both 0 and `all` the model is worth using for that person. Source: Vickers and Elkin 2006.
    """
    cuts = np.linspace(0.01, 0.99, 99)
    if y.size == 0:
        return {"threshold": [], "model": [], "champion": None, "all": []}
    odds, base = cuts / (1 - cuts), float(y.mean())

    def benefit(given: Floats) -> list[float]:
        caught, alarms = (_at_least(given[y == outcome], cuts) / y.size for outcome in (1, 0))
        return [float(value) for value in caught - alarms * odds]
    return {"threshold": [round(float(cut), 4) for cut in cuts], "model": benefit(score), "champion": None if champion is None else
            benefit(champion), "all": (base - (1 - base) * odds).tolist()}


def best_threshold(y: Floats, score: Floats, matrix: Mapping[str, float], scale: Floats, *, threshold: float, currency: str, seed: int
                   ) -> tuple[Finding, dict[str, Any]]:
    """`performance.value_threshold_gain` and the proposal: chosen on one seeded half, measured on the other; see `money.value_findings`."""
    metric, unit = "performance.value_threshold_gain", f"{currency} per 1,000"
    if y.size < ROWS_MIN:
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        why = f"not enough evidence: n = {y.size:,}, at least {ROWS_MIN} needed to choose on one half and measure on the other"
        return measured(metric, nothing, sample_size=y.size, unit=unit, why_missing=why).model_copy(update={"needed": ROWS_MIN}), {}
    first = np.zeros(y.size, dtype=np.bool_)
    first[np.random.default_rng(seed).permutation(y.size)[:y.size // 2]] = True
    cuts = np.linspace(0.0, 1.0, THRESHOLDS)
    worth = _at(cuts, y[first], score[first], matrix, scale[first])
    ties = np.flatnonzero(worth >= worth.max() - 1e-12 * max(1.0, abs(float(worth.max()))))
    chosen = float(cuts[ties[np.argmin(np.abs(cuts[ties] - threshold))]])  # of equals the one nearest to the present threshold
    yes, no = _worth(y[~first], matrix, scale[~first])
    difference = np.where(score[~first] >= chosen, yes, no) - np.where(score[~first] >= threshold, yes, no)
    gain = bootstrap(difference[np.newaxis], {"g": lambda means: means[0] * 1_000}, seed=seed)["g"]
    detail = {"proposed": round(chosen, 4), "present": threshold, "calibrated_threshold": _calibrated(matrix)}
    note = f"Threshold {chosen:.2g} instead of {threshold:.2g}: chosen on one half of the rows, measured on the other."
    found = measured(metric, gain, sample_size=difference.size, unit=unit, note=note, detail=detail)
    return found, detail | {"gain_per_1000": gain.value, "low": found.low, "high": found.high}


def _calibrated(matrix: Mapping[str, float]) -> float | None:
    """The threshold that is best where probabilities come true; None where one answer is never worse than the other. Elkan 2001."""
    alarm = matrix["true_negative"] - matrix["false_positive"]
    caught = matrix["true_positive"] - matrix["false_negative"]
    return alarm / (alarm + caught) if alarm > 0 and caught > 0 else None


def _worth(y: Floats, matrix: Mapping[str, float], scale: Floats) -> tuple[Floats, Floats]:
    """Worth of each row answered with yes, and with no."""
    return (np.where(y == 1, matrix["true_positive"], matrix["false_positive"]) * scale,
            np.where(y == 1, matrix["false_negative"], matrix["true_negative"]) * scale)


def _at(cuts: Floats, y: Floats, score: Floats, matrix: Mapping[str, float], scale: Floats) -> Floats:
    """Value per 1,000 cases at each threshold, one pass over the rows sorted by score."""
    order = np.argsort(score, kind="stable")
    yes, no = _worth(y[order], matrix, scale[order])
    below = np.concatenate(([0.0], np.cumsum(no - yes)))
    worth: Floats = (yes.sum() + below[np.searchsorted(score[order], cuts, side="left")]) / y.size * 1_000
    return worth


def _half_widths(cuts: Floats, y: Floats, score: Floats, matrix: Mapping[str, float], scale: Floats) -> Floats | None:
    """1.96 standard errors of the value per 1,000 at each threshold; None with fewer than 2 rows."""
    if y.size < 2:
        return None
    order = np.argsort(score, kind="stable")
    yes, no = _worth(y[order], matrix, scale[order])
    middle = float(np.concatenate((yes, no)).mean())  # taken off first, so that squares of large amounts keep their digits
    yes, no, place = yes - middle, no - middle, np.searchsorted(score[order], cuts, side="left")
    sums, squares = (before.sum() + np.concatenate(([0.0], np.cumsum(after - before)))[place] for before, after in
                     ((yes, no), (yes**2, no**2)))
    variance = np.maximum(squares - sums**2 / y.size, 0.0) / (y.size - 1)
    half: Floats = NORMAL_95 * np.sqrt(variance / y.size) * 1_000
    return half


def _at_least(score: Floats, cuts: Floats) -> NDArray[np.int64]:
    ordered = np.sort(score)
    return np.asarray(ordered.size - np.searchsorted(ordered, cuts, side="left"), dtype=np.int64)
