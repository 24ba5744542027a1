"""Mitigation: what Fairlearn and the papers define, in one native booster, and nothing unless a use case asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import demographic_parity_difference
from fairlearn.postprocessing import ThresholdOptimizer
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier

from interlock.errors import DataError
from interlock.modeling.decision import decide, decide_rows, group_flag
from interlock.modeling.group_thresholds import NEVER, GroupThresholds, group_key
from interlock.modeling.held_out import hold_out
from interlock.modeling.mitigation import reweighing
from interlock.modeling.mitigation_thresholds import optimised
from interlock.spec.mitigation import Mitigation
from interlock.spec.usecase import UseCase

REASON = "For a test: the effect on public data is to be seen."


def asking(use_case: UseCase, **keys: Any) -> UseCase:
    return use_case.model_copy(update={"mitigation": Mitigation.model_validate({"attribute": "sex", "reason": REASON} | keys)})


def gap(use_case: UseCase, frame: pl.DataFrame, made: Any) -> float:
    held = hold_out(use_case, made.package, frame)
    return float(demographic_parity_difference(held.labels, held.predictions, sensitive_features=held.rows["sex"].to_list()))


def test_reweighing_by_hand() -> None:
    # a: 3 positives of 4, b: 1 of 4. P(a)·P(1)/P(a,1) = 0.5·0.5/0.375 = 2/3; P(a)·P(0)/P(a,0) = 0.25/0.125 = 2
    groups, labels = np.array(list("aaaabbbb")), np.array([1, 1, 1, 0, 1, 0, 0, 0.0])
    assert reweighing(groups, labels).tolist() == pytest.approx([2 / 3] * 3 + [2.0, 2.0] + [2 / 3] * 3)
    assert reweighing(groups, labels, strength=0.5).tolist() == pytest.approx([5 / 6] * 3 + [1.5, 1.5] + [5 / 6] * 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=60))
def test_reweighed_group_and_label_are_independent(rows: list[tuple[str, bool]]) -> None:
    groups, labels = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    weights = reweighing(groups, labels)
    full = all(((groups == name) & (labels == label)).any() for name in set(groups) for label in set(labels))
    if full:
        shares = [np.average(labels[groups == name], weights=weights[groups == name]) for name in set(groups)]
        assert shares == pytest.approx([labels.mean()] * len(shares))
        assert weights.mean() == pytest.approx(1)
    assert (weights > 0).all()


def scored(rows: int = 3_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(8)
    groups = draw.choice(["a", "b"], rows)
    scores = draw.beta(np.where(groups == "a", 4, 2), 3)
    return (draw.random(rows) < scores).astype(float), scores, groups


@pytest.mark.parametrize(("constraint", "label"), [("demographic_parity", None), ("equal_opportunity", 1.0)])
def test_single_thresholds_reach_fairlearns_rates(constraint: str, label: float | None) -> None:
    """Fairlearn's optimum mixes thresholds at random; the packaged ones give each group the same rate within a row or two."""
    labels, scores, groups = scored()
    found = optimised(labels, scores, groups, constraint)
    fairlearns = {"demographic_parity": "demographic_parity", "equal_opportunity": "true_positive_rate_parity"}[constraint]

    class Known(DummyClassifier):
        def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803 - scikit-learn's name
            return np.column_stack([1 - X[:, 0], X[:, 0]])

    column = scores.reshape(-1, 1)
    known = Known().fit(column, labels)
    reference = ThresholdOptimizer(estimator=known, constraints=fairlearns, prefit=True, predict_method="predict_proba")
    reference.fit(column, labels.astype(int), sensitive_features=groups)
    expected = reference._pmf_predict(column, sensitive_features=groups)[:, 1]
    for name, threshold in found.items():
        part = (groups == name) if label is None else (groups == name) & (labels == label)
        assert (scores[part] >= threshold).mean() == pytest.approx(expected[part].mean(), abs=2 / part.sum())


def test_thresholds_take_float32_scores() -> None:
    labels, scores, groups = scored()
    single = optimised(labels, scores.astype(np.float32), groups, "demographic_parity")
    assert single == pytest.approx(optimised(labels, scores, groups, "demographic_parity"), abs=1e-3)


class Threshold:
    task, threshold = "binary", 0.7

    def __init__(self, by_group: GroupThresholds | None = None) -> None:
        self.group_thresholds = by_group


def test_decisions_compare_in_float64_everywhere() -> None:
    """float32(0.7) lies below 0.7; compared in float32 it would not."""
    score = np.array([0.7], dtype=np.float32)
    assert decide(Threshold(), score).tolist() == [0.0] == [float(float(score[0]) >= 0.7)]


def test_unknown_groups_take_the_ordinary_threshold_and_are_flagged() -> None:
    manifest = Threshold(GroupThresholds(column="sex", thresholds={"f": 0.2, "1": 0.9, "true": NEVER}))
    groups = ["f", 1, 1.0, True, None, float("nan"), "zz", ["odd"]]
    assert decide(manifest, np.full(8, 0.8), groups).tolist() == [1, 0, 0, 0, 1, 1, 1, 1]
    assert [group_flag(manifest, value) is None for value in groups] == [True, True, True, True, False, False, False, False]
    assert group_flag(manifest, None) == "group_unknown:sex"
    assert decide_rows(manifest, np.full(2, 0.5), pl.DataFrame({"other": [1, 2]})).tolist() == [0, 0]


def test_a_group_has_one_name_wherever_it_comes_from() -> None:
    assert [group_key(value) for value in (True, np.bool_(False), 3, 3.0, np.float64(2.5), "3", "3.0", "v3.0", None, float("nan"))
            ] == ["true", "false", "3", "3", "2.5", "3", "3", "v3.0", None, None]  # captured requests hold numbers as texts


@pytest.fixture(scope="module")
def plain_gap(quick: UseCase, small: pl.DataFrame, make: Any) -> float:
    return gap(quick, small, make()[1])


def test_nothing_happens_unless_asked(make: Any) -> None:
    manifest = make()[1].package.manifest
    assert (manifest.mitigation, manifest.group_thresholds) == ({}, None)


@pytest.mark.parametrize("method", ["reweighing", "exponentiated_gradient", "threshold"])
def test_each_method_narrows_the_gap_in_one_booster(quick: UseCase, small: pl.DataFrame, make: Any, plain_gap: float, method: str) -> None:
    use_case = asking(quick, method=method)
    made = make(use_case)[1]
    notes = made.package.manifest.mitigation
    assert (notes["method"], notes["attribute"], notes["reason"]) == (method, "sex", REASON)
    assert sorted(made.package.manifest.files) == ["golden.json", "model.ubj", "profile.json"]
    limit = 0.85 if method == "reweighing" else 0.5  # reweighing sees only the labels; what stands for the group stays
    assert gap(use_case, small, made) < limit * plain_gap
    assert (make(use_case)[1].package.digest) == made.package.digest


def test_half_strength_moves_half_way(quick: UseCase, make: Any) -> None:
    whole, half = (make(asking(quick, method="threshold", strength=strength))[1].package.manifest.group_thresholds.thresholds
                   for strength in (1.0, 0.5))
    assert {name: 0.5 + (value - 0.5) / 2 for name, value in whole.items()} == pytest.approx(half)


@pytest.mark.parametrize(("change", "problem"), [
    (lambda frame: frame.with_columns(sex=pl.lit("Female")), "too few rows per group"),
    (lambda frame: frame.with_columns(sex=pl.lit(None, dtype=pl.String)), "too few rows per group"),
    (lambda frame: frame.with_columns(sex=pl.col("_row_id")), "few values"),
    (lambda frame: frame.drop("sex"), "lack the attribute")])
def test_groups_that_cannot_be_used_are_refused(quick: UseCase, small: pl.DataFrame, tmp_path: Path, change: Any, problem: str) -> None:
    from interlock.modeling.mitigation_thresholds import group_thresholds

    rows = change(small)
    labels = rows["_label"].to_numpy()
    with pytest.raises(DataError, match=problem):
        group_thresholds(asking(quick, method="threshold"), rows, labels, np.linspace(0, 1, rows.height))


@pytest.mark.parametrize(("keys", "problem"), [
    ({"method": "reweighing", "reason": ""}, "unlawful"), ({"method": "threshold", "attribute": None}, "attribute"),
    ({"method": "reweighing", "constraint": "equalized_odds"}, "demographic_parity only")])
def test_mitigation_must_be_explained(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Mitigation.model_validate({"attribute": "sex", "reason": REASON} | keys)
