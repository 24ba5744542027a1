"""Canary analysis: verdicts on counts, with the figures worked out by hand."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.canary import ArmStats, StepVerdict, judge_errors, judge_step, score_psi, wilson
from interlock.spec.rollout import CanaryStep, Rollout

ROLLOUT = Rollout()  # errors 1 %, refusals +5 points, p99 3 times, PSI 0.25
STEP = CanaryStep(percent=10, bake_s=60, requests_min=100)
EVEN = (20,) * 10


def arm(requests: int = 200, **changes: object) -> ArmStats:
    return ArmStats(**({"requests": requests, "latency_p99_ms": 2.0, "histogram": EVEN} | changes))  # type: ignore[arg-type]


def verdict(candidate: ArmStats, champion: ArmStats | None = None, elapsed_s: float = 60) -> StepVerdict:
    return judge_step(ROLLOUT, STEP, arm() if champion is None else champion, candidate, elapsed_s).verdict


@pytest.mark.parametrize(("candidate", "champion", "elapsed_s", "expected"), [
    (arm(), None, 60, "pass"),
    (arm(), None, 59.9, "inconclusive"),                                    # bakes for 60 s
    (arm(99), None, 600, "inconclusive"),                                   # 100 answers needed
    (arm(0, histogram=()), None, 600, "no_traffic"),
    (arm(errors=2), None, 60, "pass"),                                      # 1.0 % of 200, 1 % allowed
    (arm(errors=3), None, 60, "fail"),                                      # 1.5 %
    (arm(errors=3), None, 10, "inconclusive"),                              # before the end: Wilson low = 0.51 % of 1 %
    (arm(errors=10), None, 10, "fail"),                                     # Wilson low = 2.7 %: certain already
    (arm(refusals=15), None, 60, "fail"),                                   # 15 / 215 = 7.0 % against 0 %
    (arm(refusals=15), arm(refusals=15), 60, "pass"),                       # as many as the champion's
    (arm(latency_p99_ms=80.0), arm(latency_p99_ms=20.0), 60, "fail"),       # 4 times, 3 allowed
    (arm(latency_p99_ms=8.0), arm(latency_p99_ms=2.0), 60, "pass"),         # 4 times, but below 25 ms
    (arm(latency_p99_ms=None), None, 60, "inconclusive"),                   # unknown never passes
    (arm(), arm(10, histogram=(1,) * 10), 60, "inconclusive"),              # too few of the champion's to compare
    (arm(histogram=(0,) * 5 + (40,) * 5), None, 60, "fail"),                # all scores in the upper half
    (arm(histogram=(20,) * 9), None, 60, "inconclusive"),                   # other bins: not comparable
])
def test_a_step_is_judged(candidate: ArmStats, champion: ArmStats | None, elapsed_s: float, expected: str) -> None:
    assert verdict(candidate, champion, elapsed_s) == expected


def test_a_step_that_asks_for_no_requests_still_needs_one() -> None:
    step = CanaryStep(percent=10, bake_s=0, requests_min=0)
    assert judge_step(ROLLOUT, step, arm(0), arm(0), 10).verdict is StepVerdict.NO_TRAFFIC


def test_the_sentence_names_what_broke() -> None:
    found = judge_step(ROLLOUT, STEP, arm(), arm(errors=20), 60)
    assert found.sentence == "errors: 10.00% of 200 answers, at most 1.00% allowed"
    assert found.plain()["arms"]["candidate"]["errors"] == 20


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


@given(st.lists(st.integers(0, 50), min_size=2, max_size=20).filter(lambda counts: sum(counts) > 0))
def test_the_same_scores_have_no_shift(counts: list[int]) -> None:
    assert score_psi(tuple(counts), tuple(counts))[0] == pytest.approx(0)


@given(errors=st.integers(0, 199))
def test_more_errors_never_make_a_better_verdict(errors: int) -> None:
    order = [StepVerdict.PASS, StepVerdict.INCONCLUSIVE, StepVerdict.FAIL]
    assert order.index(verdict(arm(errors=errors))) <= order.index(verdict(arm(errors=errors + 1)))


def test_on_probation_only_what_is_certain_breaches() -> None:
    assert judge_errors(ROLLOUT, arm(0)) == ""
    assert judge_errors(ROLLOUT, arm(errors=3)) == ""
    assert "5.00%" in judge_errors(ROLLOUT, arm(errors=10))
