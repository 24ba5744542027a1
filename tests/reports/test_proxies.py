"""Proxies: figures are those of SciPy and scikit-learn; the known ones of Adult come out first; odd input ends in a state."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats.contingency import association
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score

from interlock.rules.findings import State
from reports.proxies import cramers_v, normalised_mutual_information, proxy_findings


def table_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(found, (a, b), 1)
    return found


def test_association_is_scipys_with_its_bias_taken_out() -> None:
    draw = np.random.default_rng(1)
    a = draw.integers(0, 4, 50_000)
    b = np.where(draw.random(50_000) < 0.5, a, draw.integers(0, 4, 50_000))
    table = table_of(a, b)
    assert cramers_v(table) == pytest.approx(association(table.astype(int), method="cramer"), abs=2e-4)
    assert normalised_mutual_information(table) == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-12)
    noise = table_of(a, draw.integers(0, 4, 50_000))
    assert cramers_v(noise) < 0.01
    assert cramers_v(np.eye(3) * 100) == pytest.approx(1, abs=1e-9)
    assert cramers_v(np.ones((1, 3))) == normalised_mutual_information(np.ones((1, 3))) == 0


def test_adults_known_proxies_of_sex_come_first(adult: Any, scored: Any) -> None:
    rows = adult.test.head(8_000)
    matrix = adult.matrix(rows).astype(np.float32)
    importance = {name: 1 / len(adult.kinds) for name in adult.kinds}
    findings, figures = proxy_findings(matrix, list(adult.kinds), adult.types, rows.select("sex", "race"), importance, rows_min=60)
    order = [row["feature"] for row in figures["sex"]["features"]]
    assert order[:2] == ["relationship", "marital-status"]
    first = next(finding for finding in findings if finding.segment == "sex from relationship")
    assert first.detail["rank"] == 1
    assert first.value == pytest.approx(first.detail["cramers_v"] / len(adult.kinds))
    assert first.detail["auc_low"] < first.detail["auc"] < first.detail["auc_high"]
    assert first.note.startswith("relationship is a strong proxy of sex: it tells ")
    # in-sample AUC of relationship's own shares, by scikit-learn: the out-of-fold one must not lie far from it
    women = (rows["sex"] == "Female").to_numpy()
    share = rows.with_columns(w=pl.Series(women)).select(pl.col("w").mean().over("relationship")).to_series().to_numpy()
    assert first.detail["auc"] == pytest.approx(roc_auc_score(women, share), abs=0.01)
    assert figures["race"]["features"][0]["feature"] == "native-country"
    json.dumps(figures, allow_nan=False)


def test_a_feature_that_the_model_does_not_use_has_no_risk() -> None:
    sex = np.tile([0, 1], 3_000)
    matrix = np.column_stack([sex, np.random.default_rng(3).normal(size=6_000)]).astype(np.float32)
    importance = {"copy": 0.0, "used": 1.0}
    _, figures = proxy_findings(matrix, ["copy", "used"], ["c", "q"], pl.DataFrame({"sex": sex}), importance, rows_min=60)
    rows = {row["feature"]: row for row in figures["sex"]["features"]}
    assert (rows["copy"]["risk"], rows["copy"]["auc"]) == (0, 1)
    assert rows["copy"]["cramers_v"] == pytest.approx(1, abs=1e-6)
    assert rows["used"]["cramers_v"] < 0.1


def test_all_features_together_may_tell_what_none_tells_alone() -> None:
    draw = np.random.default_rng(4)
    a, b = draw.integers(0, 2, 2_000), draw.integers(0, 2, 2_000)
    matrix = np.column_stack([a, b]).astype(np.float32)

    def tell(rows: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
        said = np.abs((a ^ b)[rows] - 0.1)
        return np.column_stack([1 - said, said])

    findings, figures = proxy_findings(matrix, ["a", "b"], ["c", "c"], pl.DataFrame({"g": a ^ b}), {"a": 0.5, "b": 0.5}, rows_min=60,
                                       joint=tell)
    assert figures["g"]["joint"]["auc"] == 1
    assert max(row["auc"] for row in figures["g"]["features"]) < 0.56
    assert findings[-1].metric == "fairness.proxy_joint"


TWO = "not enough evidence: 2 groups with at least 60 rows are needed to be told apart"


@pytest.mark.parametrize(("groups", "note"), [
    (["a"] * 300, f"{TWO}, found 1"), ([None] * 300, f"{TWO}, found 0"),
    ([f"p{number}" for number in range(300)], "300 different values"), (["a"] * 290 + ["b"] * 10, f"{TWO}, found 1")])
def test_attributes_that_nobody_can_tell_say_why(groups: list[str | None], note: str) -> None:
    matrix = np.full((300, 2), np.nan, dtype=np.float32)
    sensitive = pl.DataFrame({"g": pl.Series(groups, dtype=pl.String)})
    findings, figures = proxy_findings(matrix, ["x", "y"], ["q", "c"], sensitive, {}, rows_min=60)
    assert [(finding.state, finding.note.startswith(note)) for finding in findings] == [(State.TOO_FEW, True)]
    assert figures == {}


def test_missing_constant_and_many_levelled_features() -> None:
    draw = np.random.default_rng(6)
    matrix = np.column_stack([np.full(4_000, np.nan), np.ones(4_000), np.arange(4_000)]).astype(np.float32)
    groups = pl.DataFrame({"g": draw.choice(["a", "b"], 4_000)})
    _, figures = proxy_findings(matrix, ["empty", "one", "id"], ["q", "q", "c"], groups, {}, rows_min=60)
    rows = {row["feature"]: row for row in figures["g"]["features"]}
    assert rows["empty"]["cramers_v"] == rows["one"]["cramers_v"] == 0
    assert rows["id"]["cramers_v"] < 0.2
    assert rows["id"]["auc"] == pytest.approx(0.5, abs=0.03)
    json.dumps(figures, allow_nan=False)
