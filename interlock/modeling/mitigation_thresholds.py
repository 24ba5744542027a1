"""One threshold per group: Fairlearn's threshold optimisation, made fit for a package that answers the same twice."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.modeling.group_thresholds import NEVER, GroupThresholds, group_key
from interlock.spec.usecase import UseCase

Floats = NDArray[np.float64]
Constraint = Literal["demographic_parity", "equal_opportunity", "equalized_odds"]
GROUPS_MAX = 12
ROWS_MAX = 50_000


def group_thresholds(use_case: UseCase, rows: pl.DataFrame, labels: Floats, scores: Floats) -> GroupThresholds:
    """Thresholds by group from rows that the scoring model did not see, with their labels (n,) 0/1 and scores (n,).

    Groups with fewer than `[fairness] group_rows_min` rows, or one class only, get none: the ordinary threshold counts for them.
    `DataError` for an attribute with more than 12 values (a request must say its group in so many words), or fewer than two groups.
    """
    asked, policy = use_case.mitigation, use_case.fairness
    column = asked.attribute
    if column is None or column not in rows.columns:
        raise DataError("the rows lack the attribute of [mitigation]", value=column)
    keys = np.array([group_key(value) or "" for value in rows[column].to_list()], dtype=str)
    names = [str(name) for name in np.unique(keys) if name]
    if len(names) > GROUPS_MAX:
        raise DataError('[mitigation] method = "threshold" needs an attribute with few values', value=f"{len(names):,} of '{column}'",
                        allowed=f"at most {GROUPS_MAX}", next_step="declare bands in a column of their own")
    chosen = [name for name in names if _enough(labels[keys == name], policy.group_rows_min)]
    if len(chosen) < 2:
        raise DataError("too few rows per group to choose thresholds", value=f"{len(chosen)} with enough",
                        allowed=f"2 with at least {policy.group_rows_min:,} rows and both outcomes", next_step="take in more rows")
    known = np.isin(keys, chosen)
    found = optimised(labels[known], scores[known], keys[known], asked.constraint, favourable=policy.favourable)
    ordinary = use_case.prediction.threshold
    moved = {name: ordinary + asked.strength * (value - ordinary) for name, value in found.items()}
    return GroupThresholds(column=column, thresholds=moved)


def optimised(labels: Floats, scores: Floats, groups: NDArray[np.str_], constraint: Constraint, *, favourable: str = "positive"
              ) -> dict[str, float]:
    """Group → threshold. Fairlearn's `ThresholdOptimizer` (accuracy under the constraint) mixes two thresholds at random; taken is, per
    group, the single one whose rates lie nearest to that mixture's.

    demographic_parity: its share of positive answers; equal_opportunity: its true positive rate (with favourable = "negative" its false
    positive rate, because the favourable answer is 0 then); equalized_odds: both rates. At most 50,000 rows are looked at.
    Source: Hardt, Price, Srebro 2016.
    """
    if labels.size > ROWS_MAX:
        chosen = np.sort(np.random.default_rng(labels.size).choice(labels.size, ROWS_MAX, replace=False))
        labels, scores, groups = labels[chosen], scores[chosen], groups[chosen]
    mixed = _mixture(labels, scores.astype(np.float64), groups, constraint, favourable)
    found = {}
    for name in sorted({str(group) for group in groups}):
        here = groups == name
        found[name] = _nearest(labels[here], scores[here], mixed[here], _rates(constraint, favourable))
    return found


def _mixture(labels: Floats, scores: Floats, groups: NDArray[np.str_], constraint: Constraint, favourable: str) -> Floats:
    """Probability of a positive answer per row in Fairlearn's solution."""
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Known(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """The scores themselves, as float64: float32 ones are refused by pandas inside Fairlearn."""

        classes_ = np.array([0, 1])

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, *_: Any) -> Known:
            return self

        def predict_proba(self, X: Any) -> Floats:  # noqa: N803 - scikit-learn's name
            given = np.asarray(X, dtype=np.float64)[:, 0]
            return np.column_stack([1 - given, given])

    opportunity = "true_positive_rate_parity" if favourable == "positive" else "false_positive_rate_parity"
    named = {"demographic_parity": "demographic_parity", "equal_opportunity": opportunity, "equalized_odds": "equalized_odds"}
    optimizer = ThresholdOptimizer(estimator=Known(), constraints=named[constraint], objective="accuracy_score", prefit=True,
                                   predict_method="predict_proba")
    column = scores.reshape(-1, 1)
    optimizer.fit(column, labels.astype(int), sensitive_features=groups)
    return np.asarray(optimizer._pmf_predict(column, sensitive_features=groups), dtype=np.float64)[:, 1]


def _rates(constraint: Constraint, favourable: str) -> tuple[float | None, ...]:
    """Labels whose share of positive answers is matched; None: all rows."""
    if constraint == "demographic_parity":
        return (None,)
    return (1.0 if favourable == "positive" else 0.0,) if constraint == "equal_opportunity" else (1.0, 0.0)


def _nearest(labels: Floats, scores: Floats, mixed: Floats, rates: tuple[float | None, ...]) -> float:
    """The threshold whose rates lie nearest (least squares) to the mixture's; of equals the highest."""
    levels = np.unique(scores)
    cuts = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [NEVER]])
    off = np.zeros(cuts.size)
    for label in rates:
        part = np.ones(labels.size, dtype=bool) if label is None else labels == label
        ordered = np.sort(scores[part])
        off += ((ordered.size - np.searchsorted(ordered, cuts, side="left")) / ordered.size - mixed[part].mean()) ** 2
    best = np.flatnonzero(off <= off.min() + 1e-15)[-1]
    return float(cuts[best])


def _enough(labels: Floats, rows_min: int) -> bool:
    return bool(labels.size >= rows_min and 0 < labels.sum() < labels.size)
