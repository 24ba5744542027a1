"""The fast engine gives XGBoost's own contributions on every kind of model; interventional values follow their definition."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.errors import DataError
from reports import shapley, shapley_groups
from reports.shapley import explain_against, explain_rows, gaps
from reports.shapley_exact import exact_values
from reports.shapley_trees import read_forest

TYPES = ["q", "q", "q", "c", "c"]


def rows(count: int = 1_500, seed: int = 0) -> np.ndarray:
    """Three numbers rounded so that they often equal a threshold, two categories of 12 values; one cell in ten is missing."""
    random = np.random.default_rng(seed)
    made = np.column_stack([random.normal(size=(count, 3)).round(1), random.integers(0, 12, (count, 2))]).astype(np.float32)
    made[random.random(made.shape) < 0.1] = np.nan
    return made


def fitted(objective: str = "binary:logistic", *, rounds: int = 25, depth: int = 5, **more: Any) -> tuple[Any, np.ndarray]:
    values = rows()
    number, code = np.nan_to_num(values[:, 0]), np.nan_to_num(values[:, 3])
    label = (number + code % 3 > 1).astype(float) + (np.nan_to_num(values[:, 4]) > 6)
    label = np.minimum(label, 1) if objective.startswith("binary") else label
    data = xgboost.DMatrix(values, label=label, feature_types=TYPES, enable_categorical=True)
    return xgboost.train({"objective": objective, "max_depth": depth, "nthread": 1, "seed": 1, **more}, data, rounds), values


@pytest.mark.parametrize("one_hot", [1, 64])
@pytest.mark.parametrize(("objective", "more"), [("binary:logistic", {}), ("reg:squarederror", {}), ("multi:softprob", {"num_class": 3})])
def test_both_engines_give_the_same_on_every_row(objective: str, more: dict[str, Any], one_hot: int) -> None:
    booster, values = fitted(objective, max_cat_to_onehot=one_hot, **more)
    fast, reference = (explain_rows(booster, values, TYPES, engine=engine) for engine in ("woodelf", "xgboost"))
    assert (fast.engine, fast.recomputed, fast.kind, fast.probed) == ("woodelf", 0, "path-dependent", 32)
    assert fast.contributions.shape == reference.contributions.shape
    assert np.abs(fast.contributions - reference.contributions).max() < 2e-5
    assert fast.worst < 1e-5


def test_values_that_equal_a_threshold_go_where_xgboost_sends_them() -> None:
    """The package's own reader is one 32-bit step off here: a row at the threshold goes left instead of right."""
    values = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    booster = xgboost.train({"max_depth": 1, "min_child_weight": 0, "nthread": 1, "tree_method": "exact"},
                            xgboost.DMatrix(values, label=[0.0, 0, 1, 1]), 1)
    threshold = read_forest(booster).trees[0].threshold[0]
    at = np.array([[threshold], [np.nextafter(threshold, np.float32(-9))], [np.nan]], dtype=np.float32)
    found = explain_rows(booster, at, ["q"], engine="woodelf")
    assert found.contributions == pytest.approx(explain_rows(booster, at, ["q"], engine="xgboost").contributions, abs=1e-6)
    assert found.contributions[0, 0] > 0 > found.contributions[1, 0]


def test_few_rows_and_deep_trees_go_to_xgboost(monkeypatch: pytest.MonkeyPatch) -> None:
    booster, values = fitted()
    assert explain_rows(booster, values, TYPES).engine == "xgboost"
    assert explain_rows(booster, np.repeat(values, 2, axis=0), TYPES).engine == "woodelf"
    monkeypatch.setattr(shapley, "DEPTH_MAX", 4)
    assert explain_rows(booster, values, TYPES, engine="woodelf").engine == "xgboost"


def test_same_rows_same_bytes() -> None:
    booster, values = fitted()
    first, second = (explain_rows(booster, values, TYPES, engine="woodelf", seed=3).contributions.tobytes() for _ in range(2))
    assert first == second


def test_row_that_does_not_add_up_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    booster, values = fitted()
    probes = np.random.default_rng(0).choice(values.shape[0], shapley.PROBES, replace=False)
    victim = next(row for row in range(values.shape[0]) if row not in probes)
    exact = shapley_groups.grouped_values

    def wrong(*given: Any) -> np.ndarray:
        found = exact(*given)
        found[victim, 0] += 0.01
        return found

    monkeypatch.setattr(shapley_groups, "grouped_values", wrong)
    found = explain_rows(booster, values, TYPES, engine="woodelf")
    assert (found.engine, found.recomputed) == ("woodelf", 1)
    assert found.contributions[victim] == pytest.approx(explain_rows(booster, values, TYPES, engine="xgboost").contributions[victim])


def test_swapped_features_are_found_though_the_rows_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    booster, values = fitted()
    exact = shapley_groups.grouped_values
    monkeypatch.setattr(shapley_groups, "grouped_values", lambda *given: exact(*given)[:, [1, 0, 2, 3, 4]])
    found = explain_rows(booster, values, TYPES, engine="woodelf")
    assert (found.engine, found.recomputed) == ("xgboost", values.shape[0])
    assert found.probe_gap > 1e-3
    assert np.array_equal(found.contributions, explain_rows(booster, values, TYPES, engine="xgboost").contributions)


def by_definition(booster: Any, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley's sum over all coalitions, with the booster itself asked for every mixture of row and background."""
    count = row.size

    def worth(coalition: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        data = xgboost.DMatrix(mixed, feature_types=TYPES, enable_categorical=True)
        return float(booster.predict(data, output_margin=True).astype(float).mean())

    found = np.zeros(count)
    for feature in range(count):
        others = [other for other in range(count) if other != feature]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            found[feature] += sum(weight * (worth((*chosen, feature)) - worth(chosen)) for chosen in combinations(others, size))
    return found


def test_interventional_values_are_shapleys_sum_over_coalitions() -> None:
    booster, values = fitted(rounds=10)
    found = explain_against(booster, values[:3], values[100:140], TYPES)
    for row in range(3):
        assert found.contributions[row, :-1] == pytest.approx(by_definition(booster, values[row], values[100:140]), abs=1e-5)
    assert (found.kind, found.background_rows, found.recomputed) == ("interventional", 40, 0)
    assert exact_values(read_forest(booster), values[:3], values[100:140]) == pytest.approx(found.contributions[:, :-1], abs=1e-5)


def test_interventional_rows_that_fail_are_computed_from_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    booster, values = fitted("multi:softprob", num_class=3)
    exact = shapley_groups.grouped_values
    right = explain_against(booster, values[:20], values[100:130], TYPES)
    monkeypatch.setattr(shapley_groups, "grouped_values", lambda *given: exact(*given) * 1.1)
    found = explain_against(booster, values[:20], values[100:130], TYPES)
    assert found.recomputed > 0
    assert found.contributions == pytest.approx(right.contributions, abs=1e-3)
    assert found.worst < 1e-3


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), background=st.integers(1, 30))
def test_interventional_rows_add_up_whatever_the_background(seed: int, background: int) -> None:
    booster, _ = fitted(rounds=5)
    found = explain_against(booster, rows(20, seed), rows(background, seed + 1), TYPES)
    assert gaps(found.contributions, found.margins).max() < 1e-5


def test_model_without_a_split_gives_everything_to_the_bias() -> None:
    values = rows(2_500)
    booster = xgboost.train({"gamma": 1e9, "nthread": 1}, xgboost.DMatrix(values, label=np.ones(2_500), feature_types=TYPES,
                                                                          enable_categorical=True), 3)
    for found in (explain_rows(booster, values, TYPES), explain_against(booster, values[:9], values[9:20], TYPES)):
        assert np.all(found.contributions[:, :-1] == 0)
        assert found.contributions[:, -1] == pytest.approx(found.margins)


def test_one_feature_a_row_of_nothing_and_unseen_codes() -> None:
    single = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows()[:, :1], label=np.nan_to_num(rows()[:, 0])), 5)
    assert explain_rows(single, rows()[:, :1], ["q"], engine="woodelf").worst < 1e-5
    booster, _ = fitted()
    odd = np.full((3, 5), np.nan, dtype=np.float32)
    odd[1, 3], odd[2, 3:] = 11, (500, 3)
    fast, reference = (explain_rows(booster, odd, TYPES, engine=engine).contributions for engine in ("woodelf", "xgboost"))
    assert fast == pytest.approx(reference, abs=1e-5)


def test_no_rows_give_empty_arrays_and_wrong_shapes_an_error() -> None:
    booster, values = fitted()
    assert explain_rows(booster, values[:0], TYPES).contributions.shape == (0, 6)
    assert explain_against(booster, values[:0], values, TYPES).contributions.shape == (0, 6)
    for call in (lambda: explain_rows(booster, values[:, :2], TYPES), lambda: explain_rows(booster, values, TYPES[:2]),
                 lambda: explain_against(booster, values, values[:0], TYPES)):
        with pytest.raises(DataError):
            call()


def test_boosters_of_other_kinds_are_not_read_as_trees() -> None:
    values = np.nan_to_num(rows())
    linear = xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(values, label=values[:, 0]), 2)
    assert read_forest(linear) is None
