"""Distances between histograms: hand-computed, by property, and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from reports.distances import jensen_shannon, ks, psi, total_variation

DISTANCES = [psi, jensen_shannon, total_variation, ks]
COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(lambda counts: sum(counts) > 0)
PAIRS = st.integers(2, 12).flatmap(lambda k: st.tuples(*[st.lists(st.integers(0, 1000), min_size=k, max_size=k).filter(any)] * 2))


def test_psi_by_hand() -> None:
    # shares 0.5/0.5 → 0.25/0.75: (-0.25) ln(0.5) + 0.25 ln(1.5) = 0.1732868 + 0.1013663
    assert psi([10, 10], [5, 15]) == pytest.approx(0.2746531, abs=1e-7)


def test_psi_of_an_empty_bin_uses_epsilon() -> None:
    # shares 1/0 → 0/1, smallest share 1e-4: 2 x (1 - 1e-4) ln(1e4) = 18.4188...
    assert psi([7, 0], [0, 3]) == pytest.approx(2 * (1 - 1e-4) * math.log(1e4))


def test_others_by_hand() -> None:
    assert total_variation([10, 10], [5, 15]) == pytest.approx(0.25)
    assert ks([1, 1, 2], [2, 1, 1]) == pytest.approx(0.25)  # cumulated 0.25 0.5 1 against 0.5 0.75 1
    assert jensen_shannon([1, 0], [0, 1]) == pytest.approx(1.0)


@pytest.mark.parametrize("distance", DISTANCES)
@given(counts=COUNTS)
def test_no_distance_to_itself(distance: object, counts: list[int]) -> None:
    assert distance(counts, counts) == 0
    assert distance(counts, [3 * count for count in counts]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("distance", DISTANCES[:3])
@given(pair=PAIRS, random=st.randoms())
def test_order_of_bins_does_not_matter(distance: object, pair: tuple[list[int], list[int]], random: object) -> None:
    together = list(zip(*pair, strict=True))
    random.shuffle(together)
    shuffled = list(zip(*together, strict=True))
    assert distance(*shuffled) == pytest.approx(distance(*pair), abs=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
@given(pair=PAIRS)
def test_both_directions_and_range(distance: object, pair: tuple[list[int], list[int]]) -> None:
    value = distance(*pair)
    assert value >= 0
    assert value == pytest.approx(distance(pair[1], pair[0]), abs=1e-9)
    assert distance is psi or value <= 1 + 1e-12


@given(PAIRS)
def test_jensen_shannon_is_scipys(pair: tuple[list[int], list[int]]) -> None:
    # SciPy takes the root of rounding noise where both are equal, hence the absolute tolerance
    assert jensen_shannon(*pair) == pytest.approx(float(np.nan_to_num(jensenshannon(*pair, base=2))), abs=1e-7)


@pytest.mark.parametrize("distance", DISTANCES)
def test_an_empty_window_has_no_distance(distance: object) -> None:
    assert math.isnan(distance([1, 2], [0, 0]))


def test_ks_at_the_edges_is_exact_where_every_value_has_a_bin() -> None:
    random = np.random.default_rng(5)
    one, other = random.integers(0, 20, 500), random.integers(2, 22, 400)
    counts = [np.bincount(values, minlength=25) for values in (one, other)]
    assert ks(*counts) == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
