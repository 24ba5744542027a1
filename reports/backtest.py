"""Backtest: had a model been made at several moments of the past, how well would it have answered what came next?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from interlock.spec.model import Task
from reports.intervals import Interval, auc_interval, bootstrap
from reports.losses import check_rows, log_loss_rows, squared_rows
from reports.measured import measured

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
FitScore = Callable[[Places, Places], Floats]

CUTOFFS = 4
CUTOFFS_MIN = 3
FIRST_SHARE = 0.4
UNITS = {"binary": "AUC", "multiclass": "log loss", "regression": "RMSE"}


@dataclass(frozen=True)
class Fold:
    """One moment of the past: places of the rows to learn from, and of those that came next (up to the following cut-off)."""

    at: int
    train: Places = field(repr=False)
    test: Places = field(repr=False)


def folds(event: Places, seen: Places, *, cutoffs: int = CUTOFFS, scheme: Literal["expanding", "sliding"] = "expanding",
          train_max: int = 10_000, test_max: int = 5_000, train_min: int = 100, test_min: int = 50) -> list[Fold]:
    """Up to `cutoffs` moments, evenly over the rows after the oldest `FIRST_SHARE`.

    `event`, `seen` (n,): event time and the time at which the label was known, any one unit, in any order. At a cut-off the model may
    learn from rows whose event and label both lie before it: expanding, the newest `train_max` of all of them; sliding, the newest that
    fit into the span of the first cut-off's rows. It answers the rows from the cut-off to the next one (at most `test_max`, evenly
    thinned). Cut-offs with fewer than `train_min` or `test_min` rows are left out; rows of one instant stay together.
    """
    if event.size == 0:
        return []
    order = np.argsort(event, kind="stable")
    times = event[order]
    starts = [min(times.size - 1, round(times.size * (FIRST_SHARE + (1 - FIRST_SHARE) * number / cutoffs))) for number in range(cutoffs)]
    moments = sorted({int(times[start]) for start in starts})
    found = []
    for moment, following in zip(moments, [*moments[1:], None], strict=True):
        before = (event < moment) & (seen <= moment)
        if scheme == "sliding":
            before &= event >= moment - (moments[0] - int(times[0]))
        train = order[before[order]][-train_max:]
        test = order[(event[order] >= moment) & ((event[order] < following) if following is not None else True)]
        if test.size > test_max:
            test = test[np.linspace(0, test.size - 1, test_max).round().astype(np.int64)]
        if train.size >= train_min and test.size >= test_min:
            found.append(Fold(moment, train, test))
    return found


def backtest_findings(task: Task, y: Floats, past: list[Fold], fit_score: FitScore, *, seed: int = 2013, note: str = ""
                      ) -> tuple[list[Finding], dict[str, Any]]:
    """`performance.backtest` and `performance.backtest_worst`: the task's primary metric over the cut-offs.

    `y` (n,) labels as in `performance.figures_of`; `fit_score(train, test)` learns from rows `train` and returns scores of rows `test`,
    shaped as there. AUC (binary, higher is better), log loss (multiclass) or RMSE (regression; lower is better). backtest: mean over the
    cut-offs; its interval is Student's with (cut-offs - 1) degrees of freedom, which takes the cut-offs as independent although later
    ones learn from earlier rows, so it is rather too narrow. worst: the worst cut-off with its own interval (DeLong; bootstrap). The
    detail holds spread (standard deviation), smallest and largest. A cut-off without both classes is left out; fewer than 3: TOO_FEW.
    Figures: `{"backtest": {"metric", "at" (times as given), "train_rows", "test_rows", "value", "low", "high", "naive"}}`; naive: the same
    for the base rate, class shares or mean of the rows learned from. Source: Tashman 2000, 'Out-of-sample tests of forecasting accuracy'.
    """
    unit = UNITS[task]
    rows: list[dict[str, Any]] = []
    for fold in past:
        learned, asked = y[fold.train], y[fold.test]
        if task != "regression" and min(np.unique(learned).size, np.unique(asked).size) < 2:
            continue
        value = _primary(task, asked, fit_score(fold.train, fold.test), seed)
        naive = _primary(task, asked, _naive(task, learned, fold.test.size, y), seed)
        rows.append({"at": fold.at, "train_rows": fold.train.size, "test_rows": fold.test.size, "value": value.value, "low": value.low,
                     "high": value.high, "naive": naive.value})
    rows = [row for row in rows if np.isfinite(row["value"])]
    names = "performance.backtest", "performance.backtest_worst"
    if len(rows) < CUTOFFS_MIN:
        why = f"not enough evidence: {len(rows)} usable cut-offs, at least {CUTOFFS_MIN} needed (rows over time, both classes)"
        return [Finding(metric=name, state=State.TOO_FEW, unit=unit, needed=CUTOFFS_MIN, sample_size=0, note=why) for name in names], {}
    values = np.array([row["value"] for row in rows])
    worst = rows[int(values.argmin() if task == "binary" else values.argmax())]
    size = sum(row["test_rows"] for row in rows)
    detail = {"cutoffs": len(rows), "spread": float(values.std(ddof=1)), "smallest": float(values.min()), "largest": float(values.max()),
              "naive": float(np.mean([row["naive"] for row in rows]))}
    told = f"Mean over {len(rows)} cut-offs, {values.min():.4g} to {values.max():.4g}. {note}".strip()
    found = [measured(names[0], _student(values), sample_size=size, unit=unit, note=told, detail=detail),
             measured(names[1], Interval(worst["value"], worst["low"], worst["high"]), sample_size=worst["test_rows"], unit=unit,
                      note=f"The worst of {len(rows)} cut-offs. {note}".strip(), detail={"at": worst["at"]})]
    table = {name: [row[name] if row[name] == row[name] else None for row in rows] for name in rows[0]}
    return found, {"backtest": {"metric": unit, **table}}


def _primary(task: Task, y: Floats, score: Floats, seed: int) -> Interval:
    y, score = check_rows(task, y, score)
    if task == "binary":
        return auc_interval(y, score)
    if task == "multiclass":
        return bootstrap(log_loss_rows(y, score)[np.newaxis], {"v": lambda means: means[0]}, seed=seed)["v"]
    return bootstrap(squared_rows(y, score)[np.newaxis], {"v": lambda means: np.sqrt(means[0])}, seed=seed)["v"]


def _naive(task: Task, learned: Floats, rows: int, y: Floats) -> Floats:
    if task == "multiclass":
        return np.tile(np.bincount(learned.astype(np.int64), minlength=int(y.max()) + 1) / learned.size, (rows, 1))
    return np.full(rows, learned.mean())


def _student(values: Floats) -> Interval:
    from scipy.stats import t

    half = float(t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)
