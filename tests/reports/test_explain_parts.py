"""Interactions, dependence, cohorts, attribution drift, what drives the loss: by hand, and against the libraries that define them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import scipy.stats
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import partial_dependence as sklearn_dependence
from sklearn.metrics import log_loss, ndcg_score

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.attribution_drift import agreement, attribution_drift, ndcg
from reports.cohorts import cohort_figure
from reports.dependence import dependence_figure, dependence_shades
from reports.interactions import interaction_findings, interaction_rows, interaction_values
from reports.loss_attribution import loss_contributions, loss_findings, margin_losses
from reports.partial_dependence import dependence_curves, grid_of, partial_dependence, support_of
from reports.shapley import explain_rows

TYPES = ["q", "q", "q", "c"]
NAMES = ["a", "b", "c", "kind"]


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    random = np.random.default_rng(0)
    made = np.column_stack([random.normal(size=(1_200, 3)), random.integers(0, 4, 1_200)]).astype(np.float32)
    made[:100, 1] = np.nan
    return made


@pytest.fixture(scope="module")
def product(values: np.ndarray) -> Any:
    """a and b only count together."""
    label = np.nan_to_num(values[:, 0]) * np.nan_to_num(values[:, 1])
    data = xgboost.DMatrix(values, label=label, feature_types=TYPES, enable_categorical=True)
    return xgboost.train({"max_depth": 4, "nthread": 1, "seed": 1}, data, 40)


# --- interactions -----------------------------------------------------------------------------------------------------------------


def test_interactions_find_the_pair_and_sum_to_the_shapley_values(values: np.ndarray, product: Any) -> None:
    found = interaction_values(product, values[:200], TYPES)
    assert found.sum(axis=2) == pytest.approx(explain_rows(product, values[:200], TYPES).contributions, abs=1e-4)
    [finding], figure = interaction_findings(found, NAMES, rows_total=1_200)
    assert (figure["pairs"][0]["first"], figure["pairs"][0]["second"]) == ("a", "b")
    assert (figure["partner"]["a"], figure["partner"]["b"]) == ("b", "a")
    assert 0.3 < finding.value < 1
    assert "a with b" in finding.note


def test_share_of_interactions_by_hand() -> None:
    # one row: main effects 1 and 2, the pair 0.5 in each of its two cells: 1 / (1 + 2 + 1) = 0.25
    cells = np.array([[[1.0, 0.5, 0], [0.5, -2, 0], [0, 0, 9]]])
    [finding], figure = interaction_findings(cells, ["x", "y"], rows_total=1)
    assert finding.value == pytest.approx(0.25)
    assert figure["pairs"] == [{"first": "x", "second": "y", "strength": 1.0, "share": 0.25}]


@pytest.mark.parametrize(("cells", "names"), [
    (np.empty((0, 3, 3)), ["x", "y"]), (np.ones((2, 2, 2)), ["x"]), (np.zeros((2, 3, 3)), ["x", "y"])])
def test_no_interactions_without_rows_partners_or_effect(cells: np.ndarray, names: list[str]) -> None:
    [finding], _ = interaction_findings(cells, names, rows_total=2)
    assert (finding.state, finding.value) == (State.TOO_FEW, None)
    assert finding.note


def test_rows_for_interactions_are_bounded() -> None:
    assert [interaction_rows(leaves, 10) for leaves in (0, 1_000, 10**7)] == [500, 200, 20]


# --- dependence, partial dependence -----------------------------------------------------------------------------------------------


def test_dependence_points_hold_value_effect_and_the_partners_place(values: np.ndarray, product: Any) -> None:
    made = explain_rows(product, values, TYPES)
    figure = dependence_figure(made.contributions, values.astype(float), NAMES, order=["b", "kind"], partner={"b": "a"},
                               categories={"kind": ["p", "q", "r", "s"]}, seed=1)
    assert len(figure["b"]["points"]) <= 150
    assert figure["b"]["with"] == "a"
    assert figure["b"]["missing"][0] == 100
    assert figure["kind"]["with"] is None
    assert {point[0] for point in figure["kind"]["points"]} <= {0, 1, 2, 3}
    json.dumps(figure, allow_nan=False)


def test_other_features_can_colour_the_same_points(values: np.ndarray, product: Any) -> None:
    """The partner's own shades, read at the points' places, are those that stand in the points."""
    made = explain_rows(product, values, TYPES)
    wide = values.astype(float)
    own = dependence_figure(made.contributions, wide, NAMES, order=["b"], partner={"b": "a"}, categories={}, seed=1)["b"]
    shades = dependence_shades(wide, NAMES, order=NAMES, seed=1)
    assert [shades["a"][place] for place in own["at"]] == [shade for _, _, shade in own["points"]]
    assert len(own["at"]) == len(own["points"]) < len(shades["kind"]) == 150  # rows without a value of b have no point
    assert dependence_shades(wide[:0], NAMES, order=["a"], seed=1) == {"a": []}


class AsRegressor(RegressorMixin, BaseEstimator):
    """The booster in the shape that scikit-learn asks of an estimator."""

    def __init__(self, booster: Any = None) -> None:
        self.booster = booster

    def fit(self, matrix: np.ndarray, y: object = None) -> AsRegressor:
        self.fitted_ = True
        return self

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return self.booster.inplace_predict(np.asarray(matrix, dtype=np.float32)).astype(float)


def test_partial_dependence_is_scikit_learns(values: np.ndarray, product: Any) -> None:
    model = AsRegressor(product).fit(values)
    theirs = sklearn_dependence(model, np.nan_to_num(values[:150]), [0], grid_resolution=12, kind="both", method="brute")
    grid = theirs["grid_values"][0]
    ours = partial_dependence(model.predict, np.nan_to_num(values[:150]), 0, grid)
    assert ours == pytest.approx(theirs["individual"][0], abs=1e-6)
    assert ours.mean(axis=0) == pytest.approx(theirs["average"][0], abs=1e-6)


def test_curves_say_where_rows_are_missing_and_where_they_are_few(values: np.ndarray, product: Any) -> None:
    stretched = values.copy()
    stretched[:, 2] = np.where(np.arange(values.shape[0]) < 2, 50.0, np.arange(values.shape[0]) % 4)
    curves = dependence_curves(AsRegressor(product).predict, stretched, NAMES, order=["b", "c", "kind"],
                               categories={"kind": ["p", "q", "r", "s"]}, seed=1)
    assert curves["b"]["missing_rows"] == 100
    assert curves["b"]["missing"] is not None
    assert (curves["c"]["grid"][-1], curves["c"]["support"][-1], curves["c"]["extrapolated"][-1]) == (50.0, 2, True)
    assert not any(curves["c"]["extrapolated"][:-1])
    assert curves["kind"]["categories"] == ["p", "q", "r", "s"]
    assert len(curves["b"]["lines"]) == 20
    assert len(json.dumps(curves, allow_nan=False)) < 15_000


def test_grids_of_odd_columns() -> None:
    nothing, constant = np.full(9, np.nan, np.float32), np.ones(9, np.float32)
    assert grid_of(nothing, category=False).size == 0
    assert grid_of(constant, category=False).tolist() == [1.0]
    assert support_of(nothing, np.empty(0), category=False) == []
    many = grid_of(np.repeat(np.arange(500), 2).astype(np.float32), category=True)
    assert many.size == 20
    given: dict[str, Any] = {"order": ["x", "y"], "categories": {}, "seed": 1}
    curves = dependence_curves(lambda matrix: matrix[:, 1].astype(float), np.column_stack([nothing, constant]), ["x", "y"], **given)
    assert (curves["x"]["grid"], curves["x"]["mean"], curves["y"]["mean"]) == ([], [], [1.0])
    assert dependence_curves(lambda matrix: matrix[:, 0], np.empty((0, 2), np.float32), ["x", "y"], **given) == {}


# --- cohorts ----------------------------------------------------------------------------------------------------------------------


def test_cohorts_have_reasons_of_their_own_and_small_ones_say_how_many_they_need() -> None:
    contributions = np.array([[2.0, 0.0, 0.1]] * 3 + [[0.0, -1.0, 0.1]] * 3)
    masks = {"first": np.arange(6) < 3, "last": np.arange(6) >= 3, "one": np.arange(6) == 0}
    first, last, one = cohort_figure(contributions, contributions.sum(axis=1), ["x", "y"], masks, rows_min=3)
    assert (first["importance"], last["importance"]) == ({"x": 1.0, "y": 0.0}, {"x": 0.0, "y": 1.0})
    assert (first["mean"]["x"], last["mean"]["y"], last["mean_margin"]) == (2.0, -1.0, pytest.approx(-0.9))
    assert (first["mean_abs"], last["mean_abs"]) == ({"x": 2.0, "y": 0.0}, {"x": 0.0, "y": 1.0})
    assert (one["rows"], one["needed"]) == (1, 3)
    assert "importance" not in one


# --- attribution drift ------------------------------------------------------------------------------------------------------------

SHARES = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}


def test_ndcg_and_rank_correlations_are_those_of_the_libraries() -> None:
    current = {"a": 0.2, "b": 0.5, "c": 0.1, "d": 0.2001}
    first, second = np.array(list(SHARES.values())), np.array(list(current.values()))
    found = agreement(SHARES, current)
    assert found["ndcg"] == pytest.approx(ndcg_score([first], [second]))
    assert found["spearman"] == pytest.approx(scipy.stats.spearmanr(first, second).statistic)
    assert found["kendall"] == pytest.approx(scipy.stats.kendalltau(first, second).statistic)
    assert (found["moved"], ndcg(SHARES, SHARES), ndcg({}, current)) == ("a", 1.0, 1.0)


@given(pair=arrays(np.float64, (2, 5), elements=st.floats(0.01, 1)))
def test_ndcg_lies_between_nothing_and_the_same_order(pair: np.ndarray) -> None:
    first, second = (dict(zip("abcde", row, strict=True)) for row in pair)
    assert 0 < ndcg(first, second) <= 1 + 1e-12
    assert ndcg(first, first) == pytest.approx(1)


def test_reasons_that_turn_round_are_drift_and_the_same_are_not() -> None:
    rows = np.random.default_rng(1).normal(size=(400, 5)) * np.array([5, 3, 1.5, 0.5, 0])
    same = attribution_drift(rows, list(SHARES), SHARES, rows_total=400, rows_min=100, seed=1)
    turned = attribution_drift(rows[:, [3, 2, 1, 0, 4]], list(SHARES), SHARES, rows_total=4_000, rows_min=100, seed=1)
    assert same.value == 0
    assert turned.low > 0.1
    assert turned.low <= turned.value <= turned.high
    assert "seeded sample of 400 of 4,000" in turned.note
    assert attribution_drift(rows, list(SHARES), SHARES, rows_total=400, rows_min=100, seed=1) == same


def test_attribution_drift_without_rows_reference_or_features_says_why() -> None:
    rows = np.ones((50, 5))
    assert attribution_drift(rows, list(SHARES), {}, rows_total=50, rows_min=10, seed=1).state is State.MISSING
    few = attribution_drift(rows, list(SHARES), SHARES, rows_total=50, rows_min=100, seed=1)
    assert (few.state, few.needed) == (State.TOO_FEW, 100)
    assert "n = 50, at least 100" in few.note
    assert attribution_drift(rows[:, :3], ["a", "b"], SHARES, rows_total=50, rows_min=10, seed=1).state is State.TOO_FEW
    assert attribution_drift(np.zeros((0, 5)), list(SHARES), SHARES, rows_total=0, rows_min=1, seed=1).state is State.TOO_FEW


# --- the loss ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_shares_of_the_loss_add_up_to_it(task: Any) -> None:
    random = np.random.default_rng(2)
    shape = (300, 3, 5) if task == "multiclass" else (300, 5)
    contributions, outcomes = random.normal(size=shape), random.integers(0, 3 if task == "multiclass" else 2, 300).astype(float)
    contributions[..., -1] = 0.2
    losses = margin_losses(task, contributions.sum(axis=-1), outcomes)
    shares = loss_contributions(task, contributions, outcomes)
    assert shares.shape == (300, 5)
    assert shares.sum(axis=1) == pytest.approx(losses, abs=1e-6)


def test_losses_are_scikit_learns() -> None:
    margins, outcomes = np.array([-2.0, 0.0, 3.0, 40.0]), np.array([0.0, 1, 1, 1])
    assert margin_losses("binary", margins, outcomes).mean() == pytest.approx(log_loss(outcomes, 1 / (1 + np.exp(-margins))))
    several = np.array([[1.0, 2, 3], [0, 0, 5]])
    odds = np.exp(several) / np.exp(several).sum(axis=1, keepdims=True)
    assert margin_losses("multiclass", several, np.array([0.0, 2])).mean() == pytest.approx(log_loss([0, 2], odds, labels=[0, 1, 2]))


def test_share_of_the_loss_by_hand() -> None:
    # bias 0, contributions 2 and -1, outcome 4: loss (1 - 4)^2 = 9, of the bias alone 16; slope (9 - 16) / 1 = -7
    assert loss_contributions("regression", np.array([[2.0, -1.0, 0.0]]), np.array([4.0])).tolist() == [[-14.0, 7.0, 16.0]]
    # contributions that cancel: slope at the margin itself, 2 x (0 - 4) = -8
    assert loss_contributions("regression", np.array([[1.0, -1.0, 0.0]]), np.array([4.0]))[0] == pytest.approx([-8.0, 8.0, 16.0])


def test_weak_slice_is_found_with_what_drives_it() -> None:
    """In the weak slice the feature `x` pushes the wrong way; elsewhere it helps."""
    random = np.random.default_rng(3)
    outcomes, weak = random.integers(0, 2, 2_000).astype(float), np.arange(2_000) < 300
    push = np.where(weak, -1, 1) * (2 * outcomes - 1) * 1.5
    contributions = np.column_stack([push, random.normal(scale=0.1, size=2_000), np.zeros(2_000)])
    losses = margin_losses("binary", contributions.sum(axis=1), outcomes)
    shares = loss_contributions("binary", contributions, outcomes)
    slices = {"weak": weak, "all but weak": ~weak, "tiny": np.arange(2_000) < 9}
    findings, figure = loss_findings("binary", losses, shares, ["x", "y"], slices, rows_min=60)
    assert findings[0].segment == "weak"
    assert findings[0].low > 1
    assert findings[0].detail["drivers"][0]["feature"] == "x"
    assert "driven by x" in findings[0].note
    assert [one["slice"] for one in figure["slices"]] == ["weak", "all but weak"]
    assert list(figure["drivers"])[0] == "x"


def test_no_slice_with_enough_rows_and_shapes_that_do_not_fit() -> None:
    [finding], _ = loss_findings("binary", np.ones(10), np.ones((10, 2)), ["x"], {"half": np.arange(10) < 5}, rows_min=60)
    assert (finding.state, finding.needed) == (State.TOO_FEW, 120)
    [empty], figure = loss_findings("regression", np.empty(0), np.empty((0, 2)), ["x"], {}, rows_min=60)
    assert (empty.state, figure["slices"]) == (State.TOO_FEW, [])
    with pytest.raises(DataError, match="do not fit together"):
        loss_contributions("multiclass", np.ones((3, 2)), np.ones(3))
