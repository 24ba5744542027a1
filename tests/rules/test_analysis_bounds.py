"""Intervals and distances of the analysis, with the figures worked out by hand."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.analysis_bounds import latency_at, latency_ratio, newcombe, score_psi, wilson
from interlock.rules.arms import LATENCY_EDGES_MS
from interlock.serving import counters
from tests.rules.test_canary import took


def test_psi_by_hand() -> None:
    # two bins after joining (each holds half of 400): champion 100, 100; candidate 50, 150; half a count added to each
    p, q = 100.5 / 201, 100.5 / 201
    r, s = 50.5 / 201, 150.5 / 201
    expected = (r - p) * log(r / p) + (s - q) * log(s / q)
    assert score_psi((100, 100), (50, 150)) == pytest.approx((expected, (2 - 1) * (1 / 200 + 1 / 200)))


def test_wilson_by_hand() -> None:
    # 10 of 100: (0.1 + 1.92073/100) / 1.0384146 ± 1.959964/1.0384146 · sqrt(0.0009 + 0.0000960365) = 0.114797 ± 0.059567
    assert wilson(10, 100) == pytest.approx((0.05523, 0.17437), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_newcombe_as_published() -> None:
    # Newcombe 1998, table II, example (a), method 10: 56/70 − 48/80 = 0.2000, 0.0524 to 0.3339
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert newcombe(0, 0, 1, 2) == (-1.0, 1.0)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=20).filter(lambda counts: sum(counts) > 0))
def test_the_same_scores_have_no_shift(counts: list[int]) -> None:
    assert score_psi(tuple(counts), tuple(counts))[0] == pytest.approx(0)


def test_the_edges_are_those_of_the_server() -> None:
    assert list(LATENCY_EDGES_MS) == counters.LATENCY_EDGES_MS


def test_a_quantile_by_hand() -> None:
    # 100 answers between edges 16 and 17 (1.6 and 1.9027 ms): the 99th percentile lies 0.99 of the way: 1.6 + 0.99 · 0.30273 = 1.8997
    assert latency_at(took((17, 100)), 0.99) == pytest.approx(1.8997, abs=1e-4)
    assert latency_at(took(), 0.5) is None


def test_the_ratio_and_its_interval_by_hand() -> None:
    # the same bucket two octaves up: every resample is 4 times as long, up to the spread within a bucket (19 %)
    ratio, low, high = latency_ratio(took((25, 1_000)), took((17, 1_000)), 0.99) or (0.0, 0.0, 0.0)
    assert ratio == pytest.approx(4)
    assert 3.9 < low < 4 < high < 4.1
    assert latency_ratio(took((25, 10)), took(), 0.99) is None


def test_the_interval_is_the_same_every_time() -> None:
    arms = took((17, 90), (30, 10)), took((17, 95), (30, 5))
    assert latency_ratio(*arms, 0.99) == latency_ratio(*arms, 0.99)


def test_the_interval_is_the_plain_bootstraps() -> None:
    """Against resampling every answer: 2 % of the answers are slow, so the 99th percentile of a resample of 500 is slow in about 98 %."""
    import numpy as np

    slow, fast = took((17, 490), (41, 10)), took((17, 500))
    found = latency_ratio(slow, fast, 0.99)
    draw = np.random.default_rng(1)
    ratios = []
    for _ in range(2_000):
        many = draw.multinomial(500, np.array(slow) / 500)
        ratios.append((latency_at(tuple(many.tolist()), 0.99) or 0) / (latency_at(fast, 0.99) or 1))
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert found is not None
    assert found[1] == pytest.approx(low, rel=0.25)
    assert found[2] == pytest.approx(high, rel=0.05)
