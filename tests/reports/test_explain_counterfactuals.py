"""Counterfactuals: the smallest change that the model itself confirms, within bounds, and honest words where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.counterfactuals import Lever, counterfactuals


def linear(weights: list[float], threshold: float):
    """Wanted: weights x row at least the threshold."""
    def judge(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = threshold - matrix.astype(float) @ np.array(weights)
        return gap <= 0, gap
    return judge


def lever(place: int, low: float, high: float, *, now: float = 0.0, step: float = 0.5, scale: float = 1.0) -> Lever:
    options = np.arange(low, high + step / 2, step)
    options = options[options != now]
    return Lever(f"f{place}", place, options[np.argsort(np.abs(options - now), kind="stable")], scale, step)


def test_one_change_is_preferred_and_shrunk_to_the_nearest_step() -> None:
    # 2 x f0 >= 7 needs f0 = 3.5; f1 alone would need 7 and is bounded by 5
    found = counterfactuals(linear([2, 1], 7), np.zeros(2, np.float32), [lever(0, 0, 10), lever(1, 0, 5)])
    assert [one.changes for one in found.found] == [{"f0": (0.0, 3.5)}]
    assert (found.found[0].effort, found.found[0].gap) == (3.5, 0.0)
    assert "1 changed feature," in found.note


def test_two_and_three_changes_only_where_fewer_do_not_do() -> None:
    two = counterfactuals(linear([1, 1, 1], 9), np.zeros(3, np.float32), [lever(place, 0, 5) for place in range(3)])
    assert {len(one.changes) for one in two.found} == {2}
    assert len(two.found) == 3
    three = counterfactuals(linear([1, 1, 1], 14), np.zeros(3, np.float32), [lever(place, 0, 5) for place in range(3)])
    assert [len(one.changes) for one in three.found] == [3]


def test_nothing_found_says_how_far_was_looked() -> None:
    found = counterfactuals(linear([1, 1, 1, 1], 99), np.zeros(4, np.float32), [lever(place, 0, 5) for place in range(4)])
    assert found.found == ()
    assert "none found within the declared bounds: up to 3 of 4 actionable features" in found.note
    assert found.evaluations <= 20_000


def test_without_levers_or_need_nothing_is_searched() -> None:
    assert "no feature" in counterfactuals(linear([1], 5), np.zeros(1, np.float32), []).note
    assert "already" in counterfactuals(linear([1], -5), np.zeros(1, np.float32), [lever(0, 0, 5)]).note


def test_missing_values_and_categories_cost_one() -> None:
    def judge(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = np.where((matrix[:, 0] == 2) | (matrix[:, 1] >= 1), -1.0, 1.0)
        return gap <= 0, gap

    row = np.array([0, np.nan], dtype=np.float32)
    found = counterfactuals(judge, row, [Lever("area", 0, np.array([1.0, 2.0]), 1.0), lever(1, 0, 3, now=-1)])
    assert {tuple(one.changes): one.effort for one in found.found} == {("area",): 1.0, ("f1",): 1.0}
    assert found.as_json()["found"][1]["changes"] in ({"area": [0.0, 2.0]}, {"f1": [None, 1.0]})


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.3, 0.9))
def test_every_answer_holds_on_the_model_and_stays_within_bounds(model: xgboost.Booster, seed: int, threshold: float) -> None:
    row = np.random.default_rng(seed).normal(size=4).astype(np.float32)

    def judge(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        score = model.inplace_predict(matrix).astype(float)
        return score >= threshold, threshold - score

    levers = [lever(place, -2, 2, now=float(row[place]), step=0.25) for place in (0, 2)]
    found = counterfactuals(judge, row, levers)
    for one in found.found:
        assert judge(one.row[None])[0][0]
        assert set(one.changes) <= {"f0", "f2"}
        assert one.row[[1, 3]] == pytest.approx(row[[1, 3]])
        for old, new in one.changes.values():
            assert min(old, -2.001) <= new <= max(old, 2.001)


@pytest.fixture(scope="module")
def model() -> xgboost.Booster:
    values = np.random.default_rng(0).normal(size=(2_000, 4)).astype(np.float32)
    label = (values[:, 0] + values[:, 1] * values[:, 2] > 0.3).astype(float)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, "seed": 1}, xgboost.DMatrix(values, label=label), 20)
