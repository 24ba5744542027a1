"""A second, small model: how large the first one's error is for rows like this one. For estimates without labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.boosting import load_xgboost

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

ROUNDS = 60
ROWS_MAX = 20_000
PARAMETERS: dict[str, Any] = {"booster": "gbtree", "objective": "reg:squarederror", "tree_method": "hist", "max_depth": 3,
                              "learning_rate": 0.1, "min_child_weight": 20.0, "verbosity": 0}


def fit_error_model(matrix: Matrix, loss: Floats, *, seed: int, threads: int) -> bytes:
    """The model's bytes (UBJ, about 40 kB). `matrix` (n, features) with the first model's answer as last column, `loss` (n,).

    Codes of categories count as numbers here: a small error of a small model. At most the first `ROWS_MAX` rows are learned from.
    """
    xgboost = load_xgboost()
    data = xgboost.DMatrix(matrix[:ROWS_MAX], loss[:ROWS_MAX], nthread=threads)
    booster = xgboost.train(PARAMETERS | {"seed": seed, "nthread": threads}, data, num_boost_round=ROUNDS)
    return bytes(booster.save_raw("ubj"))


def error_model(booster_ubj: bytes, *, threads: int = 1) -> Callable[[Matrix], Floats]:
    """What estimates the loss (n,) of rows (n, features) from a fitted model's bytes."""
    booster = load_xgboost().Booster({"nthread": threads})
    booster.load_model(bytearray(booster_ubj))

    def estimated(matrix: Matrix) -> Floats:
        found: Floats = booster.inplace_predict(matrix, missing=np.nan, validate_features=False).astype(np.float64)
        return found
    return estimated
