"""Fit from batches: no more than one batch of the matrix is in memory, the rest lies compressed on disk (XGBoost's external memory)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from interlock.errors import DataError
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.trials import Columns, Data

CELL_BYTES = 10         # per value while fitting in memory: float32 matrix, bins, their copy by column; 9.5 measured on 810,000 × 20
BATCHES_IN_MEMORY = 4   # the batch that is encoded, the page that is read, the one that is written, and their bins
BATCH_ROWS_MIN = 1_000
MB = 1 << 20


def needed_mb(rows: int, columns: int) -> float:
    """Memory that a fit of the whole matrix takes beside the rows themselves, in MiB; an estimate."""
    return rows * columns * CELL_BYTES / MB


def batch_rows(columns: int, budget_mb: int) -> int:
    """Rows of a batch within the budget. `DataError` where not even 1,000 rows fit."""
    size = int(budget_mb * MB / (columns * CELL_BYTES * BATCHES_IN_MEMORY))
    if size < BATCH_ROWS_MIN:
        least = -(-BATCH_ROWS_MIN * columns * CELL_BYTES * BATCHES_IN_MEMORY // MB)
        raise DataError("the memory budget is too small for one batch of rows", value=f"{budget_mb} MB for {columns:,} features",
                        allowed=f"at least {least:,} MB", next_step="raise [training] memory_budget_mb")
    return size


def fit_in_batches(folder: Path, columns: Columns, batch: Callable[[int], Data], starts: Sequence[int], parameters: dict[str, Any],
                   rounds: int) -> bytes:
    """A booster's bytes (UBJ) after exactly `rounds` rounds over the batches that begin at `starts`; `folder` holds the pages."""
    xgboost = load_xgboost()

    class Batches(xgboost.DataIter):  # type: ignore[name-defined, misc]
        """Hands XGBoost one batch after the other, as often as it asks."""

        def __init__(self) -> None:
            super().__init__(cache_prefix=str(folder / "pages"))
            self.place = 0

        def next(self, input_data: Any) -> bool:
            if self.place == len(starts):
                return False
            data = batch(starts[self.place])
            weight = {} if data.weights is None else {"weight": data.weights}
            input_data(data=data.matrix, label=data.labels, feature_names=columns.names, feature_types=columns.types, **weight)
            self.place += 1
            return True

        def reset(self) -> None:
            self.place = 0

    matrix = xgboost.ExtMemQuantileDMatrix(Batches(), enable_categorical=True, nthread=parameters["nthread"])
    return bytes(xgboost.train(parameters, matrix, num_boost_round=rounds).save_raw("ubj"))
