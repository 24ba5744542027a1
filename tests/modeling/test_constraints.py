"""What the trees may not do, seen in what they answer."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.constraints import constraint_parameters
from interlock.modeling.external import batch_rows, needed_mb
from interlock.modeling.features import FeatureSpace
from interlock.modeling.fitting import Fitted, fit_on
from interlock.modeling.split import split_rows, target
from interlock.modeling.trials import FIRST_TRIAL, fixed_parameters
from interlock.spec.usecase import UseCase


def with_training(use_case: UseCase, **keys: object) -> UseCase:
    return use_case.model_copy(update={"training": use_case.training.model_copy(update=keys)})


def fitted(use_case: UseCase, rows: pl.DataFrame, rounds: int = 40) -> Fitted:
    parameters = fixed_parameters(use_case, FeatureSpace.fit(use_case, rows), rows.height) | FIRST_TRIAL | {"seed": 1}
    return fit_on(use_case, rows, parameters, rounds)


def answers_over_ages(model: Fitted, rows: pl.DataFrame) -> np.ndarray:
    """Margins (rows, ages) of the same people at every age from 20 to 70."""
    ages = range(20, 71, 5)
    return np.column_stack([model.margins(rows.with_columns(pl.lit(age).alias("age")), 1) for age in ages])


def test_a_rising_feature_never_lowers_the_answer(quick: UseCase, small: pl.DataFrame) -> None:
    rows = small.head(200)
    free = answers_over_ages(fitted(quick, small), rows)
    bound = answers_over_ages(fitted(with_training(quick, monotone={"age": "increasing"}), small), rows)
    assert (np.diff(free) < -1e-6).any()
    assert (np.diff(bound) >= -1e-6).all()


def test_a_falling_feature_never_raises_the_answer(quick: UseCase, small: pl.DataFrame) -> None:
    bound = answers_over_ages(fitted(with_training(quick, monotone={"age": "decreasing"}), small), small.head(200))
    assert (np.diff(bound) <= 1e-6).all()


def test_features_interact_within_their_lists_only(quick: UseCase, small: pl.DataFrame) -> None:
    """No path from root to leaf mixes features of two lists."""
    use_case = with_training(quick, interactions=[["age", "hours-per-week"], ["education-num", "capital-gain"]])
    model = fitted(use_case, small)
    booster = load_xgboost().Booster()
    booster.load_model(bytearray(model.booster))
    allowed = [{"age", "hours-per-week"}, {"education-num", "capital-gain"}]
    paths = [path for tree in booster.get_dump(dump_format="json") for path in _paths(json.loads(tree), frozenset())]
    names = [{model.space.names[int(name[1:])] if name[1:].isdigit() else name for name in path} for path in paths]
    assert any(len(path) == 2 for path in names)
    assert all(len(path) <= 1 or any(path <= pair for pair in allowed) for path in names)


def _paths(node: dict[str, object], used: frozenset[str]) -> list[frozenset[str]]:
    if "children" not in node:
        return [used]
    return [path for child in node["children"] for path in _paths(child, used | {str(node["split"])})]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("keys", "text"), [({"monotone": {"agee": "increasing"}}, "names no feature"),
                                            ({"interactions": [["age", "wealth"]]}, "names no feature"),
                                            ({"monotone": {"occupation": "increasing"}}, "category has no order")])
def test_constraints_that_fit_no_column_are_refused(quick: UseCase, small: pl.DataFrame, keys: dict[str, object], text: str) -> None:
    with pytest.raises(DataError, match=text):
        constraint_parameters(with_training(quick, **keys), FeatureSpace.fit(quick, small))


def test_fit_from_batches_is_as_good_as_in_memory(adult: UseCase, adult_frame: pl.DataFrame) -> None:
    """A budget of 1 MB, where 16,000 rows of 11 features need 1.3: several batches from disk, the same model but for rounding."""
    from sklearn.metrics import roc_auc_score

    frame = pl.concat([adult_frame.filter(pl.col("_split") == part).head(rows) for part, rows in (("train", 16_000), ("test", 4_000))])
    split = split_rows(adult, frame)
    said: list[str] = []
    tight = with_training(adult, memory_budget_mb=1)
    parameters = fixed_parameters(adult, FeatureSpace.fit(adult, split.fit_rows), 16_000) | FIRST_TRIAL | {"seed": 1, "subsample": 1.0}
    whole = fit_on(adult, split.fit_rows, parameters, 60)
    batched = fit_on(tight, split.fit_rows, parameters, 60, progress=said.append)
    labels = target(adult.prediction, split.test)
    first, second = (roc_auc_score(labels, model.margins(split.test, 2)) for model in (whole, batched))
    assert "in batches of" in said[0]
    assert first == pytest.approx(second, abs=0.002)
    assert fit_on(tight, split.fit_rows, parameters, 60).booster == batched.booster


def test_batches_of_weighted_rows_are_weighted(quick: UseCase, small: pl.DataFrame) -> None:
    frame = pl.concat([small] * 8)
    plain, heavy = (fitted(with_training(quick, memory_budget_mb=1, class_weight=weight), frame)
                    for weight in ("none", {"positive": 10.0, "negative": 1.0}))
    assert heavy.margins(small, 1).mean() > plain.margins(small, 1).mean() + 1


def test_memory_that_is_needed_and_rows_of_a_batch() -> None:
    assert needed_mb(1 << 20, 10) == 100                      # 10 bytes a value
    assert batch_rows(10, 80) == (80 << 20) // (10 * 10 * 4)   # four batches at a time
    with pytest.raises(DataError, match="too small for one batch"):
        batch_rows(1_000, 16)                                 # 1,000 rows of it need 39 MB
