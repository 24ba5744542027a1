"""Calibration: whether a probability of 30 % comes true in about 30 of 100 cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding
from reports.intervals import NORMAL_95, RESAMPLES, Interval
from reports.intervals_counts import centred
from reports.losses import check_rows
from reports.measured import measured

Floats = NDArray[np.float64]

BINS = 10
FIGURES = ("ece", "bias", "ece_debiased", "reliability", "resolution", "uncertainty")
NOTHING = Interval(float("nan"), float("nan"), float("nan"))


def calibration_findings(y: Floats, score: Floats, *, seed: int = 2013, bins: int = BINS) -> tuple[list[Finding], dict[str, Any]]:
    """`calibration.ece`, `bias`, `ece_debiased` and the Brier decomposition, with the reliability table as a figure.

    `y` (n,) 0/1, `score` (n,) = P(1), no missing values. Bins: `bins` runs of about equal size by score; equal scores stay together.
    ece = sum over bins of share of rows x |mean outcome - mean score|: range [0, 1], 0 = calibrated. In small samples it is above 0
    even for a perfect model, by roughly 0.4 sqrt(bins / n); the detail holds the figure expected from luck alone (bins of a calibrated
    model, normal approximation). ece_debiased = 2 ece - its expectation if the bins' outcomes were drawn again (normal), at least 0:
    Kumar, Liang, Ma 2019, section 5; bins hide what happens inside them, so both are lower bounds of the error without bins.
    bias = mean score - mean outcome, range [-1, 1], 0 = right on average. Brier = reliability - resolution + uncertainty (+ rest within
    bins), Murphy 1973: reliability 0 = calibrated, resolution large = tells cases apart, uncertainty = base rate x (1 - base rate).
    No row: TOO_FEW. ECE: Naeini, Cooper, Hauskrecht 2015. Intervals: seeded bootstrap with the bins held fixed, moved onto the value
    (resamples of an ECE lie above it), at least 0. Figures: `{"bins":
    [{"rows", "mean_score", "mean_outcome", "low", "high"}]}`, low and high being Wilson's 95 % interval of the outcome.
    """
    y, score = check_rows("binary", y, score)
    if y.size == 0:
        return [measured(f"calibration.{name}", NOTHING, sample_size=0, why_missing="no row") for name in FIGURES], {"bins": []}
    place = _places(score, bins)
    used = int(place.max()) + 1
    found = _bootstrapped(y, score, place, used, seed)
    table = _table(y, score, place, used)
    parts = _decomposition(y, score, table)
    detail = {"bins": used, "expected_by_luck": _luck(table, y.size), "debiased": _debiased(table, y.size, found["ece"].value)} | parts
    found["ece_debiased"] = Interval(detail["debiased"], float("nan"), float("nan"))
    return [measured(f"calibration.{name}", found[name], sample_size=y.size, detail=detail if name == "ece" else {})
            for name in FIGURES], {"bins": table}


def class_calibration_findings(y: Floats, score: Floats, classes: Sequence[str], *, seed: int = 2013, bins: int = BINS
                               ) -> tuple[list[Finding], dict[str, Any]]:
    """Several classes: top-label figures as in `calibration_findings`, `calibration.classwise_ece`, and one ECE per class.

    `y` (n,) class numbers, `score` (n, k) probabilities, `classes` k names. Top label: whether the likeliest class was right, against
    its probability (`calibration.ece`, `bias` …). classwise = mean over the classes of the ECE of that class against the rest (Kull et
    al. 2019), range [0, 1], 0 = calibrated; `calibration.class_ece`, segment `class=NAME`, are its terms. Figures: `bins` (top label)
    and `classes`: name → table of that class.
    """
    y, score = check_rows("multiclass", y, score)
    right = (score.argmax(axis=1) == y).astype(np.float64) if y.size else y
    findings, figures = calibration_findings(right, score.max(axis=1) if y.size else y, seed=seed, bins=bins)
    tables: dict[str, Any] = {}
    values = []
    for place, name in enumerate(classes):
        found, table = calibration_findings((y == place).astype(np.float64), score[:, place], seed=seed, bins=bins)
        values.append(found[0])
        findings.append(found[0].model_copy(update={"metric": "calibration.class_ece", "segment": f"class={name}"}))
        tables[name] = table["bins"]
    mean = [float(np.mean([getattr(one, end) for one in values])) for end in ("value", "low", "high")] if y.size > 1 else [float("nan")] * 3
    findings.append(measured("calibration.classwise_ece", Interval(*mean), sample_size=y.size, why_missing="no row",
                             note="Mean over the classes; the interval is the mean of theirs, so rather too wide."))
    return findings, figures | {"classes": tables}


def _bootstrapped(y: Floats, score: Floats, place: NDArray[np.int64], used: int, seed: int) -> dict[str, Interval]:
    """ECE, bias and the three parts of the Brier score: the rows' own, and the spread over `RESAMPLES` resamples, bins held fixed."""
    random = np.random.default_rng(seed)
    drawn = [_parts(np.bincount(random.integers(0, y.size, y.size), minlength=y.size), y, score, place, used) for _ in range(RESAMPLES)]
    own, names = _parts(np.ones(y.size), y, score, place, used), [name for name in FIGURES if name != "ece_debiased"]
    if y.size < 2:
        return {name: Interval(value, float("nan"), float("nan")) for name, value in zip(names, own, strict=True)}
    found = {name: centred(value, np.array([one[number] for one in drawn]))
             for number, (name, value) in enumerate(zip(names, own, strict=True))}
    return {name: one if name == "bias" else Interval(one.value, max(one.low, 0.0), one.high) for name, one in found.items()}


def _parts(weights: NDArray[Any], y: Floats, score: Floats, place: NDArray[np.int64], used: int) -> tuple[float, ...]:
    """(ece, bias, reliability, resolution, uncertainty) of weighted rows."""
    share, said, was = (np.bincount(place, weights * column, used) / weights.sum() for column in (1.0, score, y))
    gaps, base = said - was, float(was.sum())
    filled = share > 0
    reliability = float((gaps[filled] ** 2 / share[filled]).sum())
    resolution = float(((was - share * base)[filled] ** 2 / share[filled]).sum())
    return float(np.abs(gaps).sum()), float(gaps.sum()), reliability, resolution, base * (1 - base)


def _places(score: Floats, bins: int) -> NDArray[np.int64]:
    """Bin number of each row: its quantile by the first row of its score, so that ties share a bin; numbers without gaps."""
    ordered = np.sort(score)
    first = np.searchsorted(ordered, score, side="left")
    numbers = np.minimum(first * bins // score.size, bins - 1)
    return np.asarray(np.unique(numbers, return_inverse=True)[1], dtype=np.int64)


def _table(y: Floats, score: Floats, place: NDArray[np.int64], used: int) -> list[dict[str, float | int]]:
    rows = np.bincount(place, minlength=used)
    mean_score, mean_outcome = np.bincount(place, score, used) / rows, np.bincount(place, y, used) / rows
    middle = (mean_outcome + NORMAL_95**2 / (2 * rows)) / (1 + NORMAL_95**2 / rows)
    half = NORMAL_95 * np.sqrt(mean_outcome * (1 - mean_outcome) / rows + NORMAL_95**2 / (4 * rows**2)) / (1 + NORMAL_95**2 / rows)
    low, high = np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
    return [{"rows": int(rows[i]), "mean_score": float(mean_score[i]), "mean_outcome": float(mean_outcome[i]), "low": float(low[i]),
             "high": float(high[i])} for i in range(used)]


def _luck(table: list[dict[str, float | int]], rows: int) -> float:
    """Mean |error| of a calibrated model: sqrt(2 / pi) x standard error of each bin, weighted by its rows."""
    return float(sum(row["rows"] / rows * np.sqrt(2 / np.pi * row["mean_score"] * (1 - row["mean_score"]) / row["rows"]) for row in table))


def _debiased(table: list[dict[str, float | int]], rows: int, ece: float) -> float:
    """2 ECE - E(ECE drawn again): per bin |N(gap, s²)| has the mean s sqrt(2/π) e^(-gap²/2s²) + gap erf(gap / s sqrt 2)."""
    expected = 0.0
    for row in table:
        gap = abs(row["mean_outcome"] - row["mean_score"])
        spread = math.sqrt(row["mean_outcome"] * (1 - row["mean_outcome"]) / row["rows"])
        folded = gap if spread == 0 else (spread * math.sqrt(2 / math.pi) * math.exp(-gap**2 / (2 * spread**2))
                                          + gap * math.erf(gap / (spread * math.sqrt(2))))
        expected += row["rows"] / rows * folded
    return max(0.0, 2 * ece - expected)


def _decomposition(y: Floats, score: Floats, table: list[dict[str, float | int]]) -> dict[str, float]:
    weights = np.array([row["rows"] for row in table]) / y.size
    means, outcomes = np.array([row["mean_score"] for row in table]), np.array([row["mean_outcome"] for row in table])
    base = float(y.mean())
    return {"brier": float(((score - y) ** 2).mean()), "reliability": float((weights * (means - outcomes) ** 2).sum()),
            "resolution": float((weights * (outcomes - base) ** 2).sum()), "uncertainty": base * (1 - base)}
