"""Drift of columns together, and its ranking by cost."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from interlock.rules.findings import Finding, State
from reports.drift_domain import domain_finding, domain_matrix, reconstruction_finding
from reports.drift_impact import impact_finding
from reports.profile_plane import fit_plane

KINDS = {"x": "numeric", "y": "numeric", "z": "numeric", "c": "category"}


def rows(count: int, seed: int, *, together: float = 0.95) -> pl.DataFrame:
    """x and y move together by `together`; each alone is always standard normal."""
    random = np.random.default_rng(seed)
    x = random.normal(size=count)
    y = together * x + np.sqrt(1 - together**2) * random.normal(size=count)
    return pl.DataFrame({"x": x, "y": y, "z": y + 0.3 * random.normal(size=count), "c": np.where(x > 0, "high", "low")})


def neighbours(matrix: np.ndarray, labels: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A classifier that sees products of columns."""
    def wide(part: np.ndarray) -> np.ndarray:
        return np.column_stack([part, part[:, 0] * part[:, 1], part[:, 0] ** 2])

    model = LogisticRegression(max_iter=500).fit(wide(matrix), labels)
    return model.decision_function(wide(held)), np.abs(model.coef_[0][:matrix.shape[1]])


def test_columns_that_no_longer_belong_together_are_found_although_each_looks_as_before() -> None:
    base, same, apart = rows(4_000, 1), rows(2_000, 2), rows(2_000, 3, together=-0.95)
    plane = fit_plane(base, KINDS, seed=1)
    for current, moved in ((same, False), (apart, True)):
        together = reconstruction_finding(plane, current, rows_min=200, seed=1)
        assert (together.low > 0.5) == moved
        assert (abs(together.value) < 0.1) != moved
        told = domain_finding(base, current, KINDS, neighbours, rows_min=200, seed=1)
        assert (told.low > 0.9) == moved
        assert told.low <= told.value <= told.high
    same_auc = domain_finding(base, same, KINDS, neighbours, rows_min=200, seed=1)
    assert same_auc.value == pytest.approx(0.5, abs=0.04)
    assert same_auc.confidence == 0.95
    assert (same_auc.detail["reference_rows"], same_auc.detail["current_rows"]) == (2_000, 2_000)


def test_the_auc_is_the_mean_of_both_folds_and_seeded() -> None:
    base, now = rows(600, 1), rows(500, 2, together=0.3)
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def remember(matrix: np.ndarray, labels: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, weights = neighbours(matrix, labels, held)
        seen.append((labels, scores))
        return scores, weights

    first = domain_finding(base, now, KINDS, remember, rows_min=100, seed=5)
    # the labels held out in one fold are those fitted on in the other
    assert first.value == pytest.approx(np.mean([roc_auc_score(seen[1][0], seen[0][1]), roc_auc_score(seen[0][0], seen[1][1])]))
    assert first == domain_finding(base, now, KINDS, neighbours, rows_min=100, seed=5)
    assert first != domain_finding(base, now, KINDS, neighbours, rows_min=100, seed=6)


def test_odd_tables_give_states_not_exceptions() -> None:
    base = rows(500, 1)
    assert domain_finding(base, rows(99, 2), KINDS, neighbours, rows_min=100, seed=1).state is State.TOO_FEW
    assert domain_finding(base, rows(0, 2), KINDS, neighbours, rows_min=1, seed=1).state is State.TOO_FEW
    assert domain_finding(base, base.rename({"x": "a"}).select("a"), KINDS, neighbours, rows_min=1, seed=1).note == "no column in common"
    odd = pl.DataFrame({"x": [np.inf, np.nan, None, 1e308] * 100, "c": [None, "new", "1", "2.5"] * 100})
    assert np.isnan(domain_matrix(odd.select(pl.col("x").replace(np.inf, None), "c"), KINDS)).any()
    none = pl.DataFrame({"x": pl.Series([None] * 300, dtype=pl.Float64), "c": ["same"] * 300})
    assert fit_plane(none, {"x": "numeric", "c": "category"}, seed=1) is None
    assert fit_plane(base.head(99), KINDS, seed=1) is None
    assert reconstruction_finding(None, base, rows_min=1, seed=1).state is State.MISSING
    plane = fit_plane(base, KINDS, seed=1)
    assert reconstruction_finding(plane, base.drop("x"), rows_min=1, seed=1).note == "not captured: x"
    assert reconstruction_finding(plane, base.head(9), rows_min=10, seed=1).state is State.TOO_FEW
    broken = base.with_columns(pl.lit(np.inf).alias("x"), pl.lit("never seen").alias("c"))
    assert np.isfinite(reconstruction_finding(plane, broken, rows_min=1, seed=1).value)
    assert np.isfinite(reconstruction_finding(plane, base.head(1), rows_min=1, seed=1).low)


def test_numbers_too_large_for_32_bits_and_infinite_ones_reach_no_model() -> None:
    def fit_score(matrix: np.ndarray, labels: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert not np.isinf(np.vstack([matrix, held]).astype(np.float32)).any()
        return held[:, 0], np.ones(1)

    frames = [pl.DataFrame({"x": [sign * 1e300, float("inf"), None, 1.0] * 50}) for sign in (1, -1)]
    found = domain_finding(*frames, {"x": "numeric"}, lambda *given: fit_score(*(np.nan_to_num(part) for part in given)), rows_min=100,
                           seed=1)
    assert (found.state, found.value) == (State.OK, pytest.approx(0.5 * 0.25 + 0.25 * 0.625, abs=0.02))  # 0 and 1 of the later side


def test_what_costs_most_stands_first() -> None:
    loss = Finding(metric="performance.drop", value=0.04, sample_size=900)
    # weighted: 0.3 x 0.5 = 0.15, 2.0 x 0.05 = 0.10, 0; of the loss of 0.04: 0.04 x 0.15 / 0.25 = 0.024 and 0.016
    found, figures = impact_finding({"rare": 2.0, "used": 0.3, "idle": 0.9, "new": 1.0}, {"rare": 0.05, "used": 0.5, "idle": 0.0}, loss,
                                    sample_size=900)
    ranked = figures["impact"]
    assert [row["column"] for row in ranked] == ["used", "rare", "idle"]
    assert [row["cost"] for row in ranked] == pytest.approx([0.024, 0.016, 0.0])
    assert found.value == pytest.approx(0.25)
    assert found.note == "Look first at used: PSI 0.3, 50% of the SHAP weight, about 0.024 of the loss of 0.04 (performance.drop)."


@pytest.mark.parametrize(("change", "cost", "words"), [
    (None, None, "What it costs is unknown"),
    (Finding(metric="performance.drop", state=State.TOO_FEW, note="later"), None, "What it costs is unknown"),
    (Finding(metric="performance.drop", value=-0.02), 0.0, "costs nothing so far")])
def test_an_unknown_loss_is_said_and_none_costs_nothing(change: Finding | None, cost: float | None, words: str) -> None:
    found, figures = impact_finding({"a": 0.4}, {"a": 1.0}, change, sample_size=10)
    assert figures["impact"][0]["cost"] == cost
    assert words in found.note


def test_without_weights_nothing_is_ranked() -> None:
    assert impact_finding({"a": 0.4}, {}, None, sample_size=10)[0].state is State.MISSING
    assert impact_finding({"a": 0.4}, {"b": 1.0}, None, sample_size=10)[0].note == "no column in common"
    assert impact_finding({"a": 0.0}, {"a": 1.0}, None, sample_size=10)[0].note == "Nothing moved that the model leans on."
