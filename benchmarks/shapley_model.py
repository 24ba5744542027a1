"""The model and rows that P3 and P4 explain: 20 columns of which 4 are categories, 300 trees of depth 6."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS, CATEGORIES, TREES, DEPTH, THREADS = 20, 4, 300, 6, 2
Values = NDArray[np.float32]


def rows(count: int, seed: int, *, categories: int = CATEGORIES) -> tuple[Values, NDArray[np.float64]]:
    """Values (count, 20), one cell in 20 missing, and 0/1 labels. The last columns are categories of 12 values, numbers have one decimal
    in every second column, so that values often equal a threshold."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, COLUMNS)).astype(np.float32)
    values[:, ::2] = values[:, ::2].round(1)
    if categories:
        values[:, -categories:] = random.integers(0, 12, (count, categories))
    known = values.astype(np.float64)
    score = known[:, 0] + known[:, 1] * known[:, 2] + np.sin(2 * known[:, 3]) + 0.5 * (known[:, 4] > 1) + 0.3 * (known[:, -1] % 3)
    label = (score + random.normal(size=count) > 0.3).astype(np.float64)
    values[random.random(values.shape) < 0.05] = np.nan
    return values, label


def types(categories: int = CATEGORIES) -> list[str]:
    """XGBoost's feature types."""
    return ["q"] * (COLUMNS - categories) + ["c"] * categories


def fitted(categories: int = CATEGORIES) -> Any:
    """The booster, learned from 50,000 rows of its own."""
    from interlock.modeling.boosting import load_xgboost

    xgboost = load_xgboost()
    values, label = rows(50_000, 1, categories=categories)
    data = xgboost.DMatrix(values, label=label, feature_types=types(categories), enable_categorical=True, nthread=THREADS)
    return xgboost.train({"objective": "binary:logistic", "max_depth": DEPTH, "eta": 0.1, "nthread": THREADS, "seed": 1}, data, TREES)
