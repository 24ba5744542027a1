"""Frequent values are named with a bound that holds; rare ones are not; distinct counts are near."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.profile_heavy import REGISTERS, Heavy, distinct_of, joined, lightened, registers_of, unnamed

TEXTS = st.lists(st.sampled_from([f"v{number}" for number in range(30)]), max_size=200)


def kept(heavy: Heavy, true: Counter) -> bool:
    """No count too high, none more than the error too low, also for texts without a counter."""
    return all(0 <= rows - heavy.counts.get(text, 0) <= heavy.error for text, rows in true.items()) and set(heavy.counts) <= set(true)


@given(TEXTS, TEXTS, TEXTS, st.integers(1, 12))
def test_the_bound_holds_however_they_are_merged(a: list, b: list, c: list, counters: int) -> None:
    one, two, three = (lightened(Heavy(dict(Counter(texts)), 0), counters) for texts in (a, b, c))
    true, rows = Counter(a + b + c), len(a + b + c)
    left = joined(joined(one, two.counts, two.error, counters), three.counts, three.error, counters)
    right = joined(one, *joined(two, three.counts, three.error, counters), counters)
    for heavy in (left, right):
        assert kept(heavy, true)
        assert heavy.error <= rows / (counters + 1)
        assert len(heavy.counts) <= counters
    assert joined(one, two.counts, two.error, counters) == joined(two, one.counts, one.error, counters)


@given(TEXTS, st.integers(1, 9))
def test_rare_values_lose_their_name_and_the_bound_says_so(texts: list, below: int) -> None:
    true = Counter(texts)
    shown = unnamed(Heavy(dict(true), 0), below)
    assert all(rows >= below for rows in shown.counts.values())
    assert kept(shown, true)


@pytest.mark.parametrize("different", [0, 1, 10, 300, 5_000, 50_000])
def test_distinct_counts_are_within_four_standard_errors(different: int) -> None:
    found = distinct_of(registers_of(f"value {number}" for number in range(different)))
    assert found == pytest.approx(different, rel=4 * 1.04 / np.sqrt(REGISTERS), abs=2)


def test_registers_of_two_sets_merge_to_those_of_both() -> None:
    first, second = ([f"{number}" for number in range(*span)] for span in ((0, 700), (400, 1_000)))
    assert np.array_equal(np.maximum(registers_of(first), registers_of(second)), registers_of({*first, *second}))
