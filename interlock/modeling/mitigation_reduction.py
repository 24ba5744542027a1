"""Exponentiated gradient (Agarwal et al. 2018) with Fairlearn over XGBoost, ending in one booster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]
Fit = Callable[[NDArray[np.int64], Floats, Floats], Callable[[NDArray[np.int64]], Floats]]
"""(numbers of rows, labels, weights) → what scores rows by number."""
ITERATIONS = 12


@dataclass(frozen=True)
class Reduced:
    """Labels (n,) and weights (n,) that the packaged booster is fitted with, and how the single models did on other rows.

    `violation`: largest difference of the constrained rate between groups; `error`: weighted share of wrong answers; `models` tried.
    """

    labels: Floats
    weights: Floats
    violation: float
    error: float
    models: int


@dataclass(frozen=True)
class Rows:
    """Rows by number: labels (n,) 0/1 and groups (n,)."""

    labels: Floats
    groups: Texts


def reduce_to_one(search: Rows, judge: Rows, everything: Rows, fit: Fit, judged_scores: Callable[[Any], Floats], *, constraint: str,
                  favourable: str, epsilon: float, threshold: float, steps: int = ITERATIONS) -> Reduced:
    """The example weights of the best single model of the exponentiated gradient.

    Fairlearn searches on `search`: `fit` answers each weighted problem (the step by linear programming is left out: it only mixes models,
    and one is wanted). Each model found is judged on `judge` (`judged_scores(model)`),
    and the one with the least error among those within `epsilon` of equal is taken, else the one nearest to equal. Its multipliers,
    applied to `everything`, give the labels and weights of the booster that is packaged. Errors cost as the decision threshold says:
    a false positive 2·threshold, a false negative 2·(1 - threshold); the packaged booster therefore decides at 0.5.
    """
    from fairlearn.reductions import ErrorRate, ExponentiatedGradient

    costs = {"fp": 2 * threshold, "fn": 2 * (1 - threshold)}
    numbers = np.arange(search.labels.size, dtype=np.float64).reshape(-1, 1)
    algorithm = ExponentiatedGradient(_Learner(fit), _moment(constraint, favourable), objective=ErrorRate(costs=costs), eps=epsilon,
                                      max_iter=steps, run_linprog_step=False)
    algorithm.fit(numbers, search.labels.astype(int), sensitive_features=search.groups)
    found = []
    for place, model in enumerate(algorithm.predictors_):
        if isinstance(model, _Learner):
            answers = (judged_scores(model.scorer) >= 0.5).astype(np.float64)
            found.append((_violation(answers, judge, constraint, favourable), _error(answers, judge.labels, costs), place))
    if not found:
        raise DataError("the exponentiated gradient found only constant models", value=f"epsilon {epsilon:g}",
                        next_step="raise [mitigation] epsilon, or choose another method")
    within = [one for one in found if one[0] <= epsilon]
    violation, error, place = min(within, key=lambda one: (one[1], one[2])) if within else min(found)
    labels, weights = _example_weights(everything, algorithm.lambda_vecs_[place], constraint, favourable, costs)
    return Reduced(labels, weights, violation, error, len(found))


class _Learner:
    """A classifier as Fairlearn wants one; rows are known by their number, so that nothing is copied."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self.scorer: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> _Learner:
        return _Learner(self._fit)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> _Learner:  # noqa: N803 - scikit-learn's name
        self.scorer = self._fit(_numbers(X), np.asarray(y, dtype=np.float64), np.asarray(sample_weight, dtype=np.float64))
        return self

    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803 - scikit-learn's name
        answers: NDArray[np.int64] = (np.asarray(self.scorer(_numbers(X))) >= 0.5).astype(np.int64)
        return answers


def _numbers(table: Any) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = np.asarray(table)[:, 0].astype(np.int64)
    return numbers


def _moment(constraint: str, favourable: str) -> Any:
    from fairlearn.reductions import DemographicParity, EqualizedOdds, FalsePositiveRateParity, TruePositiveRateParity

    opportunity = TruePositiveRateParity if favourable == "positive" else FalsePositiveRateParity
    return {"demographic_parity": DemographicParity, "equal_opportunity": opportunity, "equalized_odds": EqualizedOdds}[constraint]()


def _example_weights(rows: Rows, multipliers: Any, constraint: str, favourable: str, costs: dict[str, float]) -> tuple[Floats, Floats]:
    """Labels and weights (mean 1) of the cost-sensitive problem that these multipliers pose on all rows."""
    from fairlearn.reductions import ErrorRate

    moment, objective = _moment(constraint, favourable), ErrorRate(costs=costs)
    numbers = np.arange(rows.labels.size, dtype=np.float64).reshape(-1, 1)
    for one in (moment, objective):
        one.load_data(_frame(numbers), _series(rows.labels), sensitive_features=_text_series(rows.groups))
    signed = np.asarray(objective.signed_weights() + moment.signed_weights(multipliers), dtype=np.float64)
    weights = np.abs(signed)
    return (signed > 0).astype(np.float64), weights * weights.size / weights.sum()


def _frame(numbers: Floats) -> Any:
    import pandas

    return pandas.DataFrame(numbers)


def _series(labels: Floats) -> Any:
    import pandas

    return pandas.Series(labels.astype(int))


def _text_series(groups: Texts) -> Any:
    import pandas

    return pandas.Series(groups.astype(object))


def _violation(answers: Floats, rows: Rows, constraint: str, favourable: str) -> float:
    """Largest difference between groups of the share of positive answers, among the rows that the constraint is about."""
    deserving = 1.0 if favourable == "positive" else 0.0
    parts = {"demographic_parity": (None,), "equal_opportunity": (deserving,), "equalized_odds": (1.0, 0.0)}[constraint]
    worst = 0.0
    for label in parts:
        chosen = np.ones(answers.size, dtype=bool) if label is None else rows.labels == label
        shares = [float(answers[chosen & (rows.groups == name)].mean()) for name in np.unique(rows.groups[chosen])]
        worst = max(worst, max(shares, default=0.0) - min(shares, default=0.0))
    return worst


def _error(answers: Floats, labels: Floats, costs: dict[str, float]) -> float:
    return float((costs["fp"] * answers * (1 - labels) + costs["fn"] * (1 - answers) * labels).mean())
