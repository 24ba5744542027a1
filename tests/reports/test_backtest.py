"""Backtest: no row of the future is learned from, the figures are those of the cut-offs, odd input ends in a state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import root_mean_squared_error

from interlock.rules.findings import State
from reports.backtest import backtest_findings, folds

RANDOM = np.random.default_rng(21)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)), min_size=0, max_size=120), st.sampled_from(["expanding", "sliding"]))
def test_nothing_is_learned_that_was_not_known_at_the_cut_off(rows: list[tuple[int, int]], scheme: Any) -> None:
    event = np.array([moment for moment, _ in rows], dtype=np.int64)
    seen = event + np.array([delay for _, delay in rows], dtype=np.int64)
    past = folds(event, seen, scheme=scheme, train_min=1, test_min=1)
    asked = [place for fold in past for place in fold.test]
    assert len(asked) == len(set(asked)), "every row is asked once at most"
    for fold in past:
        assert (event[fold.train] < fold.at).all()
        assert (seen[fold.train] <= fold.at).all()
        assert (event[fold.test] >= fold.at).all()
    assert all(one.at < other.at for one, other in zip(past, past[1:], strict=False))


def test_cut_offs_lie_evenly_and_windows_grow_or_slide() -> None:
    time = np.arange(1_000)
    growing, sliding = folds(time, time), folds(time, time, scheme="sliding")
    assert [fold.at for fold in growing] == [400, 550, 700, 850]
    assert [fold.train.size for fold in growing] == [400, 550, 700, 850]
    assert [fold.train.size for fold in sliding] == [400, 400, 400, 400]
    assert [fold.test.size for fold in growing] == [150] * 4
    bounded = folds(time, time, train_max=200, test_max=60)
    assert {(fold.train.size, fold.test.size) for fold in bounded} == {(200, 60)}
    assert bounded[0].train.min() == 200, "the newest"


def mean_of_the_past(y: np.ndarray) -> Any:
    return lambda train, test: np.full(test.size, y[train].mean())


def test_figures_are_those_of_the_cut_offs() -> None:
    time, y = np.arange(1_000), RANDOM.normal(5, 2, 1_000)
    past = folds(time, time)
    found, figures = backtest_findings("regression", y, past, mean_of_the_past(y))
    expected = [root_mean_squared_error(y[fold.test], np.full(fold.test.size, y[fold.train].mean())) for fold in past]
    assert figures["backtest"]["value"] == pytest.approx(expected)
    assert figures["backtest"]["naive"] == pytest.approx(expected), "the rule is the same here"
    assert found[0].value == pytest.approx(np.mean(expected))
    # Student with 3 degrees of freedom: 3.182 standard errors
    assert found[0].high - found[0].value == pytest.approx(3.18245 * np.std(expected, ddof=1) / 2, rel=1e-4)
    assert found[1].value == pytest.approx(max(expected))
    assert found[1].detail["at"] == past[int(np.argmax(expected))].at


def test_a_world_that_changed_shows_in_the_worst_cut_off() -> None:
    time = np.arange(2_000)
    x = RANDOM.random(2_000)
    y = (RANDOM.random(2_000) < np.where(time < 1_700, x, 1 - x)).astype(float)
    found, _ = backtest_findings("binary", y, folds(time, time), lambda train, test: x[test])
    assert found[0].value > 0.6
    assert found[1].value < 0.5
    assert found[1].low < found[1].value < found[1].high


def test_multiclass_is_measured_in_log_loss() -> None:
    time, y = np.arange(900), RANDOM.integers(0, 3, 900).astype(float)
    found, figures = backtest_findings("multiclass", y, folds(time, time), lambda train, test: np.full((test.size, 3), 1 / 3))
    assert found[0].value == pytest.approx(np.log(3))
    assert figures["backtest"]["metric"] == "log loss"


@pytest.mark.parametrize(("event", "y"), [
    (np.zeros(500, dtype=np.int64), RANDOM.integers(0, 2, 500).astype(float)), (np.arange(500), np.zeros(500)),
    (np.arange(1), np.ones(1)), (np.empty(0, dtype=np.int64), np.empty(0))], ids=["one instant", "one class", "one row", "no row"])
def test_what_cannot_be_backtested_is_too_few_with_a_reason(event: np.ndarray, y: np.ndarray) -> None:
    found, figures = backtest_findings("binary", y, folds(event, event), mean_of_the_past(y))
    assert [one.state for one in found] == [State.TOO_FEW] * 2
    assert "cut-offs, at least 3 needed" in found[0].note
    assert figures == {}


def test_labels_that_never_arrive_leave_nothing_to_learn_from() -> None:
    time = np.arange(500)
    assert folds(time, time + 10_000) == []
