"""Figures of a classifier on rows whose outcome is known: binary at a threshold and by order, several classes by the likeliest one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from reports.comparison import CLASS_ROWS_MIN
from reports.intervals import Interval, auc_components, auc_interval, bootstrap, normal_interval
from reports.intervals_counts import bootstrap_table, bootstrap_weights, table_shares, wilson_interval
from reports.losses import log_loss_rows, squared_rows
from reports.measured import measured

Floats = NDArray[np.float64]
Statistics = dict[str, Callable[[Floats], Floats]]

CLASSES_SHOWN = 30


def binary_figures(y: Floats, score: Floats, threshold: float, seed: int) -> list[Finding]:
    """`performance.*` of a binary classifier; `y` (n,) 0/1, `score` (n,) = P(1), checked. Meanings: `performance.figures_of`."""
    means = bootstrap(np.stack([log_loss_rows(y, score), squared_rows(y, score)]),
                      {"log_loss": lambda m: m[0], "brier": lambda m: m[1]}, seed=seed)
    decided = score >= threshold
    table = np.bincount((2 * y + decided).astype(np.int64), minlength=4).reshape(2, 2).astype(np.float64)
    figures = {"auc": auc_interval(y, score), "average_precision": average_precision(y, score, seed=seed)} | means | \
        table_shares(table) | bootstrap_table(table, {"mcc": _correlation}, seed=seed)
    smallest = int(min(y.sum(), y.size - y.sum()))
    why = {"precision": "no row was answered with yes at this threshold", "recall": "no row was positive"}
    return [_with_classes(measured(f"performance.{name}", figure, sample_size=y.size, unit="nats" if name == "log_loss" else "",
                                   why_missing=why.get(name, "one class only, or no row")), smallest) for name, figure in figures.items()]


def class_figures(y: Floats, score: Floats, seed: int, classes: Sequence[str]) -> list[Finding]:
    """`performance.*` of a classifier of several classes; `y` (n,) class numbers, `score` (n, k), checked; `classes`: k names.

    For each of the first `CLASSES_SHOWN` classes also `performance.class_precision`, `class_recall`, `class_f1` and `class_auc`
    (that class against the rest; segment `class=NAME`); classes with fewer than 10 rows say TOO_FEW.
    """
    size = score.shape[1]
    table = np.bincount((y * size + score.argmax(axis=1)).astype(np.int64), minlength=size * size).reshape(size, size).astype(np.float64)
    figures = {"auc": _macro_auc(y, score)} | bootstrap(log_loss_rows(y, score)[np.newaxis], {"log_loss": lambda m: m[0]}, seed=seed) | \
        bootstrap_table(table, _class_statistics(), seed=seed) | {"accuracy": wilson_interval(float(np.trace(table)), float(table.sum()))}
    smallest = int(table.sum(axis=1).min())
    found = [_with_classes(measured(f"performance.{name}", figure, sample_size=y.size, unit="nats" if name == "log_loss" else ""), smallest)
             for name, figure in figures.items()]
    for place, name in enumerate(classes[:CLASSES_SHOWN]):
        found += _one_class(y == place, score[:, place], table, place, name)
    return found


def average_precision(y: Floats, score: Floats, *, seed: int) -> Interval:
    """Sum over thresholds of (rise of recall) x precision: the area under the precision-recall steps; equal scores are one step.

    Range [share of positives, 1] on average, 1 perfect; NaN without a positive row. As scikit-learn's `average_precision_score`.
    Interval: seeded bootstrap, 200 resamples, of the rows sorted once; none where every resample says the same.
    """
    order = np.argsort(-score, kind="stable")
    hits, ends = y[order], np.flatnonzero(np.append(np.diff(score[order]) != 0, True)) if y.size else np.empty(0, dtype=np.int64)

    def statistic(weights: Floats) -> float:
        caught, answered = np.cumsum(weights * hits)[ends], np.cumsum(weights)[ends]
        if caught[-1] == 0:
            return float("nan")
        precision = np.divide(caught, answered, out=np.zeros_like(caught), where=answered > 0)
        return float((np.diff(caught, prepend=0.0) * precision).sum() / caught[-1])
    return bootstrap_weights(y.size, statistic, seed=seed)


def _correlation(t: Floats) -> Floats:
    """Matthews' correlation from tables (m, true class, decided class); 0 where a row or column is empty."""
    tp, fp, fn, tn = t[:, 1, 1], t[:, 0, 1], t[:, 1, 0], t[:, 0, 0]
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, below, out=np.zeros_like(below), where=below > 0)


def _class_statistics() -> Statistics:
    """From tables (m, true class, likeliest class); a class that occurs on neither side is left out of the means."""
    def macro_f1(t: Floats) -> Floats:
        right, both = np.diagonal(t, axis1=1, axis2=2), t.sum(axis=1) + t.sum(axis=2)
        return np.asarray(np.nanmean(np.where(both > 0, 2 * right / both, np.nan), axis=1))

    def recalls(t: Floats) -> Floats:
        right, occurred = np.diagonal(t, axis1=1, axis2=2), t.sum(axis=2)
        return np.asarray(np.nanmean(np.where(occurred > 0, right / occurred, np.nan), axis=1))

    return {"accuracy": lambda t: np.trace(t, axis1=1, axis2=2) / t.sum(axis=(1, 2)), "macro_f1": macro_f1, "balanced_accuracy": recalls}


def _one_class(own: NDArray[np.bool_], score: Floats, table: Floats, place: int, name: str) -> list[Finding]:
    right, said, was = table[place, place], table[:, place].sum(), table[place].sum()
    one = np.array([[table.sum() - said - was + right, said - right], [was - right, right]])
    shares = table_shares(one)
    figures = {figure: shares[figure] for figure in ("precision", "recall", "f1")} | {"auc": auc_interval(own.astype(np.float64), score)}
    return [_with_classes(measured(f"performance.class_{figure}", found, sample_size=own.size, segment=f"class={name}",
                                   detail={"rows": int(was)}), int(min(was, own.size - was))) for figure, found in figures.items()]


def _macro_auc(y: Floats, score: Floats) -> Interval:
    """Mean of the one-against-rest AUCs over the classes that occur; the interval adds standard errors as if fully correlated (wide)."""
    aucs, errors = [], []
    for number in range(score.shape[1]):
        auc, above, below = auc_components((y == number).astype(np.float64), score[:, number])
        if min(above.size, below.size) >= 2:
            aucs.append(auc)
            errors.append(np.sqrt(above.var(ddof=1) / above.size + below.var(ddof=1) / below.size))
    if not aucs:
        return Interval(float("nan"), float("nan"), float("nan"))
    found = normal_interval(float(np.mean(aucs)), float(np.mean(errors)) ** 2)
    return Interval(found.value, max(found.low, 0.0), min(found.high, 1.0))


def _with_classes(finding: Finding, smallest: int) -> Finding:
    if smallest >= CLASS_ROWS_MIN:
        return finding
    note = f"not enough evidence: the rarest class has {smallest:,} rows, at least {CLASS_ROWS_MIN} needed"
    return finding.model_copy(update={"state": State.TOO_FEW, "needed": None, "note": note})
