"""The verdict on a staged candidate: intervals of a percentile by hand, and what passes, fails or stays unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.staging import Load, Measure, Smoke, judge, judge_load, judge_smoke, percentile_interval
from interlock.spec.staging import Staging

LIMITS = Staging(load_p99_ms_max=100, load_error_rate_max=0.01)
GOLDEN = Smoke(asked=10, compared=10, source="golden rows")


def load(*, slow: int = 0, fast: int = 200, errors: int = 0, refusals: int = 0, lag: float = 0.0) -> Load:
    return Load(50, 4, (5.0,) * fast + (500.0,) * slow, errors, refusals, lag)


def verdicts(found: list[Measure]) -> dict[str, str]:
    return {measure.name: measure.verdict for measure in found}


def test_the_interval_of_a_percentile_is_the_binomial_one() -> None:
    """n = 1,000, share 0.99: A ~ B(1000, 0.01) values lie above. P(A ≤ 3) = 0.0101 ≤ 0.025 < P(A ≤ 4) = 0.0287: the upper end is the 4th
    largest. P(A ≥ 18) = 0.0138 ≤ 0.025 < P(A ≥ 17) = 0.0264: the lower end is the 18th largest."""
    assert percentile_interval([float(n) for n in range(1, 1_001)], 0.99) == (990.0, 983.0, 997.0)


def test_the_upper_end_of_a_99th_percentile_needs_368_values() -> None:
    """0.99^367 = 0.02501 > 0.025 ≥ 0.99^368 = 0.02476."""
    assert percentile_interval(list(range(367)), 0.99)[2] is None
    assert percentile_interval(list(range(368)), 0.99)[2] == 367
    with pytest.raises(ValueError, match="nothing"):
        percentile_interval([], 0.99)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400), st.randoms())
def test_a_percentile_lies_in_its_interval_whatever_the_order(values: list[float], draw: Any) -> None:
    value, low, high = percentile_interval(values, 0.99)
    assert low is not None
    assert low <= value <= (high if high is not None else max(values))
    draw.shuffle(values)
    assert percentile_interval(values, 0.99) == (value, low, high)


@pytest.mark.parametrize(("given", "expected"), [
    (load(), "pass"),
    (load(slow=1), "pass"),       # 1 of 201: the p99 is the 199th value (0.99 × 201 = 198.99), still fast
    (load(slow=4), "unknown"),    # p99 is slow (202nd of 204), but 6 of 204 above it would be needed to be sure: P(A ≥ 5) = 0.054
    (load(slow=20), "fail"),
    (load(fast=99), "unknown"),   # too few
    (load(slow=20, lag=60.0), "unknown"),  # the sender itself was late by more than half the limit
])
def test_latency(given: Load, expected: str) -> None:
    assert verdicts(judge_load(LIMITS, given))["latency"] == expected


@pytest.mark.parametrize(("given", "expected"), [
    (load(), "pass"), (load(errors=2), "pass"),         # 2 of 202 = 0.99 %
    (load(errors=3), "unknown"),                        # 1.48 %, Wilson from 0.50 %
    (load(errors=6, refusals=4), "fail"),               # 10 of 210 = 4.76 %, Wilson from 2.6 %
    (load(fast=50, errors=49), "unknown"),              # 99 requests are too few
])
def test_errors_and_refusals_count_alike(given: Load, expected: str) -> None:
    assert verdicts(judge_load(LIMITS, given))["errors"] == expected


def test_every_limit_changes_the_verdict() -> None:
    slow, failing = load(slow=20), load(errors=6)
    assert verdicts(judge_load(Staging(load_p99_ms_max=600), slow))["latency"] == "pass"
    assert verdicts(judge_load(Staging(load_error_rate_max=0.05), failing))["errors"] == "pass"


def test_one_reply_from_other_bytes_fails() -> None:
    found = judge_smoke(GOLDEN, Smoke(asked=5, compared=4, strangers=("version 2 answered instead of version 1",)))
    assert verdicts(found)["identity"] == "fail"


def test_a_wrong_answer_fails_and_nothing_compared_is_unknown() -> None:
    assert verdicts(judge_smoke(GOLDEN, Smoke(asked=5, compared=5, problems=("row 1 was answered 0.2 instead of 0.3",))))["rows"] == "fail"
    assert verdicts(judge_smoke(GOLDEN, Smoke(asked=5, compared=4)))["rows"] == "unknown"  # a reply left a row out
    nothing = judge_smoke(Smoke(skipped="the server computes ratio itself"), Smoke(skipped="no request was captured yet"))
    assert verdicts(nothing)["answers"] == "unknown"
    assert judge(nothing, {}).verdict == "unknown"


def test_fail_outweighs_unknown_and_nothing_measured_is_unknown() -> None:
    both = [Measure("a", "unknown", "a is not known"), Measure("b", "fail", "b is wrong"), Measure("c", "pass", "c")]
    assert (judge(both, {}).verdict, judge(both, {}).sentence) == ("fail", "staging stopped it: b is wrong")
    assert judge([], {}).verdict == "unknown"


def test_a_load_test_not_asked_for_is_said() -> None:
    found = [*judge_smoke(GOLDEN, Smoke(skipped="no request was captured yet")), *judge_load(LIMITS, None)]
    assert verdicts(found) == {"identity": "pass", "golden": "pass", "rows": "observed", "load": "observed"}
    assert judge(found, {}).verdict == "pass"
    assert "asks for none" in judge(found, {}).sentence
    assert judge(judge_load(LIMITS, None), {}).verdict == "unknown"  # what was not asked for proves nothing
