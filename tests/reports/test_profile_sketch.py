"""The sketch's own error bound holds, for every merge order; few different values are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.profile_sketch import STORED_POINTS, QuantileSketch, Runner, merged, pruned, summarised

VALUES = st.lists(st.integers(-50, 50).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=120)


def within(summary: object, rows: np.ndarray) -> bool:
    """Whether every rank of the summary is as near as it says."""
    ordered = np.sort(rows)
    probes = np.concatenate((ordered, summary.values))
    true = np.searchsorted(ordered, probes, side="right")
    cumulated = np.concatenate(([0], np.cumsum(summary.weights)))
    told = cumulated[np.searchsorted(summary.values, probes, side="right")]
    return int(np.abs(told - true).max()) <= summary.error and int(summary.weights.sum()) == rows.size


@given(VALUES, st.integers(2, 20))
def test_a_summary_keeps_its_bound(values: list[float], points: int) -> None:
    rows = np.array(values)
    assert within(summarised(np.sort(rows), points), rows)
    small = pruned(summarised(np.sort(rows), 40), points)
    assert small.values.size <= points
    assert within(small, rows)


@given(VALUES, VALUES, VALUES, st.integers(2, 12))
def test_merging_in_any_order_keeps_rows_and_bound(a: list[float], b: list[float], c: list[float], points: int) -> None:
    one, two, three = (summarised(np.sort(np.array(values)), points) for values in (a, b, c))
    rows = np.array(a + b + c)
    small = pruned(merged(pruned(merged(three, one), points), two), points)
    for whole in (merged(merged(one, two), three), merged(one, merged(two, three)), small):
        assert within(whole, rows)
    there, back = merged(one, two), merged(two, one)
    assert np.array_equal(there.values, back.values)
    assert np.array_equal(there.weights, back.weights)


def test_few_different_values_are_exact() -> None:
    sketch = QuantileSketch.of(summarised(np.sort(np.random.default_rng(1).integers(0, 100, 50_000).astype(float))))
    assert (sketch.error, len(sketch.values), sum(sketch.weights)) == (0, 100, 50_000)
    assert sketch.quantile(0.5) in (49.0, 50.0)


def test_a_stream_of_many_batches_keeps_the_stated_bound() -> None:
    random, runner, rows = np.random.default_rng(2), Runner(), []
    for _ in range(64):
        batch = random.lognormal(size=5_000)
        rows.append(batch)
        runner.add(summarised(np.sort(batch)))
    sketch = QuantileSketch.of(runner.total())
    assert len(sketch.values) <= STORED_POINTS
    assert sketch.rank_error <= 1 / 256 + (1 + 6) / 4096 + 0.001  # the module's formula for 64 batches, and rounding of small batches
    every = np.sort(np.concatenate(rows))
    for share in (0.01, 0.25, 0.5, 0.9, 0.999):
        place = np.searchsorted(every, sketch.quantile(share)) / every.size
        assert place == pytest.approx(share, abs=sketch.rank_error + 1 / STORED_POINTS)
        assert sketch.rank(float(np.quantile(every, share))) == pytest.approx(share, abs=sketch.rank_error + 1e-5)


def test_no_row_has_no_quantile() -> None:
    empty = QuantileSketch.of(summarised(np.empty(0)))
    assert (empty.values, empty.rank_error) == ([], 0.0)
    assert np.isnan(empty.quantile(0.5))
    assert np.isnan(empty.rank(1.0))
