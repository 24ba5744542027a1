"""The step of training in which `[mitigation]` may change what is packaged: the booster, or the thresholds that go with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.calibrator import Calibration, calibrated
from interlock.modeling.features import Matrix
from interlock.modeling.fitting import Fitted, Progress, fit_on
from interlock.modeling.mitigation import groups_of, mitigation_notes
from interlock.modeling.mitigation_reduction import Rows, reduce_to_one
from interlock.modeling.mitigation_thresholds import group_thresholds
from interlock.modeling.split import Split, hashed_order, target
from interlock.modeling.trials import Columns, Data, fit_booster, quantile_matrix
from interlock.spec.usecase import UseCase

Floats = NDArray[np.float64]
SEARCH_ROWS_MAX, SEARCH_ROUNDS_MAX, JUDGE_ROWS_MAX = 8_000, 60, 20_000
DECIDES_AT = 0.5


@dataclass(frozen=True)
class Mitigated:
    """What is packaged, and the fields of its manifest that mitigation sets."""

    fitted: Fitted
    changes: dict[str, Any]


def mitigate(use_case: UseCase, split: Split, parameters: dict[str, Any], rounds: int, fitted: Fitted, calibration: Calibration | None, *,
             progress: Progress = lambda text: None) -> Mitigated:
    """The fitted model as it is, or as `[mitigation]` asks. Reweighing has happened already, in the weights of its rows.

    Raises `DataError` where the attribute gives no groups to compare. Same rows, parameters and XGBoost: same bytes.
    """
    method = use_case.mitigation.method
    if method == "none":
        return Mitigated(fitted, {})
    progress(f"mitigation: {method} by {use_case.mitigation.attribute}")
    if method == "threshold":
        return _thresholds(use_case, split, parameters, rounds, fitted, calibration)
    if method == "exponentiated_gradient":
        return _reduction(use_case, split, parameters, rounds, fitted)
    return Mitigated(fitted, {"mitigation": mitigation_notes(use_case)["mitigation"]})


def _thresholds(use_case: UseCase, split: Split, parameters: dict[str, Any], rounds: int, fitted: Fitted, calibration: Calibration | None
                ) -> Mitigated:
    """Thresholds from the validation rows, scored by a model of the training rows alone: one that knew them would be too sure."""
    margins = fit_on(use_case, split.train, parameters, rounds).margins(split.validation, use_case.training.threads)
    scores = calibrated(calibration, margins) if calibration is not None else 1 / (1 + np.exp(-margins.astype(np.float64)))
    found = group_thresholds(use_case, split.validation, target(use_case.prediction, split.validation), scores.astype(np.float64))
    notes = mitigation_notes(use_case, thresholds=found.thresholds, rows=split.validation.height)["mitigation"]
    return Mitigated(fitted, {"group_thresholds": found, "mitigation": notes})


def _reduction(use_case: UseCase, split: Split, parameters: dict[str, Any], rounds: int, fitted: Fitted) -> Mitigated:
    """Searched on a bounded part of the training rows, judged on validation rows, refitted on all fitting rows."""
    asked = use_case.mitigation
    search, judge = _part(use_case, split.train, SEARCH_ROWS_MAX), _part(use_case, split.validation, JUDGE_ROWS_MAX)
    everything = split.fit_rows
    columns, judged = Columns.of(fitted.space), fitted.space.encode_frame(judge)
    found = reduce_to_one(
        _rows(use_case, search), _rows(use_case, judge), _rows(use_case, everything),
        weighted_fit(columns, fitted.space.encode_frame(search), parameters, min(rounds, SEARCH_ROUNDS_MAX)),
        lambda scorer: scorer.of(judged), constraint=asked.constraint, favourable=use_case.fairness.favourable, epsilon=asked.epsilon,
        threshold=use_case.prediction.threshold)
    data = Data(fitted.space.encode_frame(everything), found.labels, found.weights)
    notes = mitigation_notes(use_case, epsilon=asked.epsilon, violation_on_validation=found.violation, models=found.models,
                             rows_searched=search.height)["mitigation"]
    return Mitigated(Fitted(fitted.space, fit_booster(columns, data, parameters, rounds)), {"threshold": DECIDES_AT, "mitigation": notes})


@dataclass(frozen=True)
class Scorer:
    """A booster that scores the rows of the search by number, and any other matrix."""

    booster: Any
    matrix: Matrix

    def __call__(self, numbers: NDArray[np.int64]) -> Floats:
        return self.of(self.matrix[numbers])

    def of(self, matrix: Matrix) -> Floats:
        """P(1) per row, as float64."""
        found = self.booster.inplace_predict(matrix, missing=np.nan, validate_features=False)
        return np.asarray(found, dtype=np.float64)


def weighted_fit(columns: Columns, matrix: Matrix, parameters: dict[str, Any], rounds: int) -> Callable[..., Scorer]:
    """`fit(numbers, labels, weights)` on rows of the matrix, with one thread: many small fits, and the same on every machine."""
    xgboost = load_xgboost()
    single = parameters | {"nthread": 1}

    def fit(numbers: NDArray[np.int64], labels: Floats, weights: Floats) -> Scorer:
        data = quantile_matrix(columns, Data(matrix[numbers], labels, weights), 1)
        return Scorer(xgboost.train(single, data, num_boost_round=rounds), matrix)

    return fit


def _rows(use_case: UseCase, rows: pl.DataFrame) -> Rows:
    return Rows(target(use_case.prediction, rows), groups_of(use_case.mitigation, rows))


def _part(use_case: UseCase, rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows, chosen by a hash of their ids."""
    if rows.height <= most:
        return rows
    order = hashed_order(rows["_row_id"], use_case.training.seed, "mitigation")
    return rows[np.sort(np.argsort(order, kind="stable")[:most])]
