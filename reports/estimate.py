"""Performance without labels: what a classifier's own calibrated probabilities say about how well it does (CBPE)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.estimate_reference import Reference, calibrate, calibrator
from reports.intervals import Interval, midranks
from reports.intervals_counts import unflattered
from reports.losses import CLIP
from reports.measured import measured

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]

DRAWS = 200
CALIBRATORS = 50
SIMULATED_MAX = 20_000
EXPECTED_MIN = 10.0
ROWS_MIN = 50
NAMES = {"binary": ("auc", "log_loss", "brier", "accuracy", "f1"), "multiclass": ("log_loss", "accuracy")}


def estimate_findings(reference: Reference, score: Floats, *, rows_min: int = ROWS_MIN, seed: int = 2013) -> list[Finding]:
    """`performance.estimated_<metric>` of rows without a label.

    binary: `auc`, `log_loss` (nats), `brier`, `accuracy`, `f1` at the reference's threshold; multiclass: `log_loss`, `accuracy`.
    `score` (n,) or (n, k), the model's answers. Each row turns out positive with its calibrated probability (isotonic, on the reference's
    known outcomes); the value is the metric's expectation under that: sums of probabilities in place of counts (confidence-based
    performance estimation, NannyML 2022; here pairs of a row with itself do not count towards the AUC). The interval holds the middle 95
    % of the metric over `DRAWS` drawn sets of outcomes, each with one of `CALIBRATORS` calibrations redrawn from the reference, so it
    says where the true figure will lie once labels come (moved against the calibration's flattery: from 300 known outcomes an AUC comes
    out 0.025 too high), if the assumptions hold: scores mean the same as they did on the reference
    (no concept drift), and rows like these occurred there. Nothing here can see concept drift. Fewer than `rows_min` rows: TOO_FEW.
    Fewer than 10 expected positives or negatives: `auc` and `f1` TOO_FEW. Raises `DataError` for scores that are no probabilities.
    """
    score = np.asarray(score, dtype=np.float64)
    names = NAMES.get(reference.task, ())
    if not names:
        raise DataError("class probabilities are needed", value=reference.task, allowed="binary, multiclass")
    if score.ndim != (2 if reference.task == "multiclass" else 1) or (score.ndim == 2 and score.shape[1] != len(reference.curves)):
        raise DataError("the scores do not fit the reference", value=score.shape, allowed=f"{len(reference.curves)} per row")
    if not np.isfinite(score).all() or (score.size and (score.min() < 0 or score.max() > 1)):
        raise DataError("a score is no probability", value="missing, infinite or outside of 0 to 1", allowed="0 to 1")
    if score.shape[0] < rows_min:
        note = f"not enough evidence: n = {score.shape[0]:,}, at least {rows_min:,} needed"
        return [Finding(metric=f"performance.estimated_{name}", sample_size=score.shape[0], needed=rows_min, state=State.TOO_FEW, note=note)
                for name in names]
    found = _binary(reference, score, seed) if reference.task == "binary" else _classes(reference, score, seed)
    note = f"Estimated from {score.shape[0]:,} answers without labels; holds only while scores mean what they meant on held-out rows."
    return [measured(f"performance.estimated_{name}", interval, sample_size=score.shape[0], unit="nats" if name == "log_loss" else "",
                     note=note, detail={"reference_rows": reference.rows, "method": "CBPE"},
                     why_missing="fewer than 10 positive or 10 negative outcomes are expected among these rows")
            for name, interval in found.items()]


def expected_binary(probability: Floats, score: Floats, threshold: float) -> dict[str, float]:
    """Expected metrics of rows (n,) that turn out positive with `probability` (n,), independently, and were given `score` (n,)."""
    positives, rest = float(probability.sum()), probability.size - float(probability.sum())
    decided = score >= threshold
    caught = float(probability[decided].sum())
    right = caught + float((1 - probability[~decided]).sum())
    given = np.clip(score, CLIP, 1 - CLIP)
    answered = float(decided.sum())
    pairs = _expected_pairs(probability, score)
    return {"auc": pairs if min(positives, rest) >= EXPECTED_MIN else float("nan"),
            "log_loss": float(-(probability * np.log(given) + (1 - probability) * np.log(1 - given)).mean()),
            "brier": float((probability * (1 - score) ** 2 + (1 - probability) * score**2).mean()), "accuracy": right / probability.size,
            "f1": 2 * caught / (answered + positives) if min(positives, rest) >= EXPECTED_MIN else float("nan")}


def _expected_pairs(probability: Floats, score: Floats) -> float:
    """Expected share of (positive, negative) pairs of different rows in the right order; equal scores count half."""
    order = np.argsort(score, kind="stable")
    ordered, p = score[order], probability[order]
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    up, down = np.diff(np.cumsum(p)[ends], prepend=0.0), np.diff(np.cumsum(1 - p)[ends], prepend=0.0)
    itself = float((p * (1 - p)).sum())
    won = float((up * (np.cumsum(down) - down / 2)).sum()) - itself / 2
    pairs = float(p.sum() * (1 - p).sum()) - itself
    return won / pairs if pairs > 0 else float("nan")


def _binary(reference: Reference, score: Floats, seed: int) -> dict[str, Interval]:
    curve, threshold = reference.curves[0], reference.threshold
    expected = expected_binary(calibrate(curve, score), score, threshold)
    random = np.random.default_rng(seed)
    used = _sampled(score, random)
    statistics = _realised(used, threshold)
    base, rows = calibrator(curve), np.array(curve.rows)
    redrawn = [calibrate(curve, used, calibrator(curve, random.binomial(rows, base).astype(np.float64))) for _ in range(CALIBRATORS)]
    drawn = np.empty((DRAWS, len(expected)))
    for number in range(DRAWS):
        y = (random.random(used.size) < redrawn[number % CALIBRATORS]).astype(np.float64)
        drawn[number] = [statistics[name](y) for name in expected]
    return {name: unflattered(value, drawn[:, place]) for place, (name, value) in enumerate(expected.items())}


def _realised(score: Floats, threshold: float) -> dict[str, Statistic]:
    """Metrics of these scores as functions of drawn outcomes (n,)."""
    ranks, decided = midranks(score), score >= threshold
    given = np.clip(score, CLIP, 1 - CLIP)
    hit, miss = -np.log(given), -np.log(1 - given)

    def auc(y: Floats) -> float:
        positives = float(y.sum())
        pairs = positives * (y.size - positives)
        return (float((ranks * y).sum()) - positives * (positives + 1) / 2) / pairs if pairs else float("nan")

    return {"auc": auc, "log_loss": lambda y: float(np.where(y == 1, hit, miss).mean()),
            "brier": lambda y: float(((score - y) ** 2).mean()), "accuracy": lambda y: float((decided == y).mean()),
            "f1": lambda y: float(2 * y[decided].sum() / max(decided.sum() + y.sum(), 1.0))}


def _classes(reference: Reference, score: Floats, seed: int) -> dict[str, Interval]:
    random = np.random.default_rng(seed)
    own, used = calibrate_classes(reference, score), _sampled(score, random)
    losses, likeliest = -np.log(np.clip(score, CLIP, 1 - CLIP)), score.argmax(axis=1)
    expected = {"log_loss": float((own * losses).sum(axis=1).mean()), "accuracy": float(own[np.arange(len(own)), likeliest].mean())}
    losses, likeliest, drawn = -np.log(np.clip(used, CLIP, 1 - CLIP)), used.argmax(axis=1), np.empty((DRAWS, 2))
    bases = [calibrator(curve) for curve in reference.curves]
    for number in range(DRAWS):
        if number % (DRAWS // CALIBRATORS) == 0:
            redrawn = [calibrator(curve, random.binomial(curve.rows, base).astype(np.float64))
                       for curve, base in zip(reference.curves, bases, strict=True)]
            borders = np.cumsum(calibrate_classes(reference, used, redrawn), axis=1)
        y = np.minimum((random.random((len(used), 1)) > borders).sum(axis=1), used.shape[1] - 1)
        drawn[number] = losses[np.arange(len(used)), y].mean(), (y == likeliest).mean()
    return {name: unflattered(value, drawn[:, place]) for place, (name, value) in enumerate(expected.items())}


def calibrate_classes(reference: Reference, score: Floats, fitted: list[Floats] | None = None) -> Floats:
    """Calibrated class probabilities (n, k): each class against the rest, then made to add up to 1 (equal where all are 0)."""
    columns = [calibrate(curve, score[:, place], None if fitted is None else fitted[place]) for place, curve in enumerate(reference.curves)]
    wide = np.stack(columns, axis=1)
    total = wide.sum(axis=1, keepdims=True)
    probabilities: Floats = np.where(total > 0, wide / np.where(total > 0, total, 1.0), 1 / wide.shape[1])
    return probabilities


def _sampled(score: Floats, random: np.random.Generator) -> Floats:
    """At most `SIMULATED_MAX` rows to draw outcomes for; an interval from fewer rows than there are is rather too wide."""
    return score if len(score) <= SIMULATED_MAX else score[np.sort(random.choice(len(score), SIMULATED_MAX, replace=False))]
