"""Fit a booster on rows: encode them, weigh them, and stay within the memory that the use case allows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.external import batch_rows, fit_in_batches, needed_mb
from interlock.modeling.features import FeatureSpace
from interlock.modeling.mitigation import with_mitigation
from interlock.modeling.split import target
from interlock.modeling.trials import Columns, Data, fit_booster
from interlock.modeling.weights import class_weights
from interlock.spec.usecase import UseCase

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """A booster's bytes (UBJ) and the features that it was fitted with."""

    space: FeatureSpace
    booster: bytes = field(repr=False)

    def margins(self, rows: pl.DataFrame, threads: int) -> NDArray[np.float32]:
        """Margins of rows: (n,), or (n, classes)."""
        booster = load_xgboost().Booster({"nthread": threads})
        booster.load_model(bytearray(self.booster))
        found = booster.inplace_predict(self.space.encode_frame(rows), predict_type="margin", missing=np.nan, validate_features=False)
        return np.asarray(found, dtype=np.float32)


def data_of(use_case: UseCase, space: FeatureSpace, rows: pl.DataFrame) -> Data:
    """Matrix, labels and weights of rows."""
    labels = target(use_case.prediction, rows)
    return Data(space.encode_frame(rows), labels, weights_of(use_case, rows, labels))


def weights_of(use_case: UseCase, rows: pl.DataFrame, labels: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Weight of each row (n,), or None where every row counts the same."""
    return with_mitigation(use_case, rows, labels, class_weights(use_case, labels))


def fit_on(use_case: UseCase, rows: pl.DataFrame, parameters: dict[str, Any], rounds: int, *,
           progress: Progress = lambda text: None) -> Fitted:
    """Exactly `rounds` rounds on these rows. With `[training] memory_budget_mb`, and more than that to hold, in batches from disk.

    Same rows, parameters, XGBoost and budget: same bytes.
    """
    space = FeatureSpace.fit(use_case, rows)
    columns, budget = Columns.of(space), use_case.training.memory_budget_mb
    needed = needed_mb(rows.height, len(columns.names))
    if budget is None or needed <= budget:
        return Fitted(space, fit_booster(columns, data_of(use_case, space, rows), parameters, rounds))
    size = batch_rows(len(columns.names), budget)
    progress(f"about {needed:,.0f} MB to hold, {budget:,} MB allowed: fitted from disk in batches of {size:,} rows")
    labels = target(use_case.prediction, rows)
    weights = weights_of(use_case, rows, labels)

    def batch(start: int) -> Data:
        part = slice(start, start + size)
        return Data(space.encode_frame(rows[part]), labels[part], None if weights is None else weights[part])

    with tempfile.TemporaryDirectory(prefix="interlock-batches-") as folder:
        return Fitted(space, fit_in_batches(Path(folder), columns, batch, range(0, rows.height, size), parameters, rounds))
