"""The sequential test: what it says by hand, and that looking at every answer does not make it lie more often than it says."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.sequential import AbCounts, AbState, always_valid_p, confidence_sequence, judge_ab, log_e

SHARES = (0.05, 0.3)
RUNS, LOOKS = 300, 400


def test_the_ratio_by_hand() -> None:
    # 1 hit of 2: B(2, 2) = 1/6; against p = 1/2: (1/6) / (1/4) = 2/3
    assert exp(log_e(1, 2, 0.5)) == pytest.approx(2 / 3)
    assert log_e(0, 0, 0.3) == 0
    assert log_e(1, 1, 0.0) == float("inf")


def test_the_p_value_by_hand() -> None:
    # 10 of 10 against 0 of 10: pooled 1/2; each ratio B(11, 1) / 2^-10 = 1024/11; p = (11/1024)^2
    assert always_valid_p(AbCounts(10, 10, 0, 10)) == pytest.approx((11 / 1024) ** 2)
    assert always_valid_p(AbCounts()) == 1.0


def test_the_interval_by_hand_where_one_arm_is_empty() -> None:
    # no answer of the champion: its share may be anything; 10 of 10: shares p with 11 p^10 > alpha, so p > (0.05/11)^(1/10) = 0.5831
    low, high = confidence_sequence(AbCounts(10, 10, 0, 0), 0.05)
    assert (low, high) == (pytest.approx((0.05 / 11) ** 0.1 - 1, abs=1e-6), 1.0)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_interval_and_p_value_agree(hits: int, misses: int, hits_champion: int, misses_champion: int) -> None:
    counts = AbCounts(hits, hits + misses, hits_champion, hits_champion + misses_champion)
    low, high = confidence_sequence(counts, 0.05)
    p = always_valid_p(counts)
    assert -1 <= low <= high <= 1
    if p < 0.0499:
        assert not low <= 0 <= high
    if p > 0.0501:
        assert low <= 1e-9
        assert high >= -1e-9
    mirrored = AbCounts(counts.hits_champion, counts.n_champion, counts.hits, counts.n)
    assert confidence_sequence(mirrored, 0.05) == pytest.approx((-high, -low), abs=1e-6)


@pytest.mark.parametrize(("counts", "better", "expected"), [
    (AbCounts(500, 1_000, 300, 1_000), "higher", AbState.BENEFIT),
    (AbCounts(500, 1_000, 300, 1_000), "lower", AbState.HARM),
    (AbCounts(300, 1_000, 300, 1_000), "higher", AbState.GOES_ON),
    (AbCounts(3_000, 10_000, 3_000, 10_000), "higher", AbState.FUTILITY),     # all 20,000 were seen
    (AbCounts(4_000, 8_000, 4_000, 8_000), "higher", AbState.FUTILITY),       # every difference of 5 points is ruled out
])
def test_when_it_stops(counts: AbCounts, better: str, expected: AbState) -> None:
    assert judge_ab(counts, better=better, effect_min=0.05, samples_max=20_000, alpha=0.05).state is expected


def false_alarms(stops: Callable[[AbCounts], bool], share: float) -> int:
    """How many of `RUNS` tests of two equal arms ever stop, looking after every 5 answers of each arm, 400 times."""
    draw, found = np.random.default_rng(11), 0
    for _ in range(RUNS):
        ours = np.cumsum(draw.random(5 * LOOKS) < share)[4::5]
        its = np.cumsum(draw.random(5 * LOOKS) < share)[4::5]
        found += any(stops(AbCounts(int(a), 5 * k, int(b), 5 * k)) for k, (a, b) in enumerate(zip(ours, its, strict=True), 1))
    return found


@pytest.mark.parametrize("share", SHARES)
def test_looking_at_every_answer_stops_for_nothing_in_at_most_five_percent(share: float) -> None:
    # 5 % of 300 are 15; three standard deviations of Binomial(300, 0.05), 3 · 3.8 = 11, above: 26
    assert false_alarms(lambda counts: always_valid_p(counts) < 0.05, share) <= 26


def test_a_fixed_size_test_that_is_looked_at_is_caught() -> None:
    def z_test(counts: AbCounts) -> bool:
        pooled = (counts.hits + counts.hits_champion) / (2 * counts.n)
        spread = sqrt(2 * pooled * (1 - pooled) / counts.n)
        z = abs(counts.hits - counts.hits_champion) / counts.n / spread if spread else 0.0
        return 1 - erf(z / sqrt(2)) < 0.05

    assert false_alarms(z_test, 0.3) > 26  # 148 of 300


def test_a_difference_that_is_there_is_found() -> None:
    draw = np.random.default_rng(5)
    stopped = 0
    for _ in range(50):
        ours, its = (int((draw.random(3_000) < share).sum()) for share in (0.38, 0.30))
        stopped += judge_ab(AbCounts(ours, 3_000, its, 3_000), better="higher", effect_min=0.01, samples_max=10_000,
                            alpha=0.05).state is AbState.BENEFIT
    assert stopped >= 40


def test_the_interval_narrows_as_a_confidence_sequence_does() -> None:
    # half width for two shares of 0.3 at n each; about sqrt(2 · 0.21 · 2 (ln(1/0.05) + ln n) / n)
    for n, guess in ((1_000, sqrt(0.84 * (log(20) + log(1_000)) / 1_000)), (10_000, sqrt(0.84 * (log(20) + log(10_000)) / 10_000))):
        low, high = confidence_sequence(AbCounts(int(0.3 * n), n, int(0.3 * n), n), 0.05)
        assert high == pytest.approx(-low, abs=1e-6)
        assert 0.6 * guess < high < 1.1 * guess
