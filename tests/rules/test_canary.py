"""Analysis of a step: verdicts on counts, with the figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.rules.arms import ArmStats, Outcomes
from interlock.rules.canary import StepJudgement, StepVerdict, judge_errors, judge_step
from interlock.rules.sequential import AbCounts
from interlock.rules.strategies import Step, StepKind
from interlock.spec.rollout import AbTest, Rollout

ROLLOUT = Rollout()  # errors 1 %, refusals +5 points, p99 3 times, PSI 0.25
STEP = Step(StepKind.SHARE, 10, 60, 100)
EVEN = (20,) * 10


def took(*counts: tuple[int, int]) -> tuple[int, ...]:
    """A latency histogram: (bucket, answers). Bucket k ends at 0.1 · 2^(k/4) ms: 17 → 1.9 ms, 32 → 25.6 ms, 40 → 102 ms, 48 → 410 ms."""
    found = [0] * 70
    for bucket, n in counts:
        found[bucket] = n
    return tuple(found)


def arm(requests: int = 200, **changes: object) -> ArmStats:
    return ArmStats(**({"requests": requests, "histogram": EVEN, "latency": took((17, 200))} | changes))  # type: ignore[arg-type]


def judged(candidate: ArmStats, champion: ArmStats | None = None, elapsed_s: float = 60, step: Step = STEP, rollout: Rollout = ROLLOUT,
           **more: Any) -> StepJudgement:
    return judge_step(rollout, step, arm() if champion is None else champion, candidate, elapsed_s, **more)


def verdict(candidate: ArmStats, champion: ArmStats | None = None, elapsed_s: float = 60, **more: Any) -> StepVerdict:
    return judged(candidate, champion, elapsed_s, **more).verdict


@pytest.mark.parametrize(("candidate", "champion", "elapsed_s", "expected"), [
    (arm(), None, 60, "pass"),
    (arm(), None, 59.9, "waiting"),                                         # bakes for 60 s
    (arm(99), None, 600, "waiting"),                                        # 100 answers needed
    (arm(0, histogram=()), None, 600, "no_traffic"),
    (arm(errors=2), None, 60, "pass"),                                      # 1.0 % of 200, 1 % allowed
    (arm(errors=3), None, 60, "fail"),                                      # 1.5 %
    (arm(errors=3), None, 10, "waiting"),                                   # before the end: Wilson low = 0.51 % of 1 %
    (arm(errors=10), None, 10, "fail"),                                     # Wilson low = 2.7 %: certain already
    (arm(errors=10), arm(errors=10), 60, "inconclusive"),                   # both arms fail alike: not the candidate's doing
    (arm(errors=60), arm(errors=10), 60, "fail"),                           # 30 % against 5 %: it is
    (arm(refusals=15), None, 60, "fail"),                                   # 15 / 215 = 7.0 % against 0 %
    (arm(refusals=15), arm(refusals=15), 60, "pass"),                       # as many as the champion's
    (arm(latency=took((48, 200))), arm(latency=took((40, 200))), 60, "fail"),    # 4 times (two octaves), 3 allowed
    (arm(latency=took((25, 200))), arm(latency=took((17, 200))), 60, "pass"),    # 4 times, but below 25 ms
    (arm(latency=()), None, 60, "inconclusive"),                            # unknown never passes
    (arm(latency=took((17, 197), (48, 3))), None, 60, "inconclusive"),      # the slowest 1.5 %: the interval holds 1 and 200 times
    (arm(), arm(10, histogram=(1,) * 10, latency=took((17, 10))), 60, "inconclusive"),  # too few of the champion's to compare
    (arm(histogram=(0,) * 5 + (40,) * 5), None, 60, "fail"),                # all scores in the upper half
    (arm(histogram=(20,) * 9), None, 60, "inconclusive"),                   # other bins: not comparable
])
def test_a_step_is_judged(candidate: ArmStats, champion: ArmStats | None, elapsed_s: float, expected: str) -> None:
    assert verdict(candidate, champion, elapsed_s) == expected


def test_a_step_that_asks_for_no_requests_still_needs_one() -> None:
    step = Step(StepKind.SHARE, 10, 0, 0)
    assert judge_step(ROLLOUT, step, arm(0), arm(0), 10).verdict is StepVerdict.NO_TRAFFIC


def test_a_candidate_that_only_refused_is_no_traffic_in_words() -> None:
    found = judged(arm(0, refusals=3, latency=(), histogram=()), arm(0, refusals=3, latency=(), histogram=()))
    assert (found.verdict, found.sentence) == ("no_traffic", "no traffic: the candidate has answered no request, 3 were refused")


def test_the_sentence_names_what_broke() -> None:
    found = judged(arm(errors=20))
    assert found.sentence == "errors: 10.00% of 200 answers, at most 1.00% allowed"
    assert found.plain()["arms"]["candidate"]["errors"] == 20
    assert found.plain()["measures"][0]["n"] == 200


SHADOW = Step(StepKind.SHADOW, 100, 60, 100)


@pytest.mark.parametrize(("flips", "limit", "expected", "flip_verdict"), [
    (100, None, "pass", "observed"),       # shown, not judged
    (0, 0.05, "pass", "pass"),             # Wilson high of 0 of 200: 1.9 %
    (10, 0.05, "inconclusive", "unknown"),  # 5.0 %: 2.7 % to 9.0 %
    (30, 0.05, "fail", "fail"),            # 15 %: 10.7 % at least
])
def test_flips_of_mirrored_requests(flips: int, limit: float | None, expected: str, flip_verdict: str) -> None:
    rollout = Rollout(strategy="shadow", shadow_s=60, flip_rate_max=limit)
    found = judged(arm(compared=200, flips=flips), step=SHADOW, rollout=rollout)
    assert found.verdict == expected
    assert next(measure.verdict for measure in found.measures if measure.name == "flips") == flip_verdict


def test_decision_rates_of_both_arms() -> None:
    rollout = Rollout(decision_rate_difference_max=0.1)
    same, other = (("0", 150), ("1", 50)), (("0", 100), ("1", 100))
    assert verdict(arm(predictions=same), arm(predictions=same), rollout=rollout) == "pass"       # 0 ± 8.5 points
    assert verdict(arm(predictions=other), arm(predictions=same), rollout=rollout) == "fail"      # 25 points, at least 15.6
    found = judged(arm(predictions=other), arm(predictions=same))
    assert [m.verdict for m in found.measures if m.name == "decisions"] == ["observed"]
    assert found.verdict == "pass"


@pytest.mark.parametrize(("difference", "n", "labels_min", "expected"), [
    (0.0, 200, 0, "pass"),
    (0.2, 200, 0, "fail"),           # 40 % worse, half width 1.96 · 0.01 / 0.5 = 3.9 %: certain
    (0.06, 200, 0, "pass"),          # 12 % ± 3.9 %: not certain, and nobody asked for labels
    (0.06, 200, 150, "inconclusive"),
    (0.0, 200, 150, "pass"),
    (0.2, 50, 0, "pass"),            # 50 labels are too few to judge
    (0.2, 50, 150, "waiting"),       # 150 of each are waited for
])
def test_labels_that_mature_in_time(difference: float, n: int, labels_min: int, expected: str) -> None:
    outcomes = Outcomes("log loss", n, n, 0.5 + difference, 0.5, difference, 0.01, paired=False)
    assert verdict(arm(), rollout=Rollout(labels_min=labels_min), outcomes=outcomes) == expected


def test_labels_that_were_asked_for_and_never_came_do_not_promote() -> None:
    assert verdict(arm(), rollout=Rollout(labels_min=1)) == "waiting"


AB = Step(StepKind.AB, 50, 60, 100)
TEST = Rollout(strategy="ab", ab=AbTest(better="lower", effect_min=0.02, samples_max=4_000))


@pytest.mark.parametrize(("counts", "expected", "final"), [
    (AbCounts(300, 1_000, 500, 1_000), "pass", False),          # 20 points fewer, and fewer is better
    (AbCounts(500, 1_000, 300, 1_000), "fail", False),
    (AbCounts(300, 1_000, 300, 1_000), "waiting", False),
    (AbCounts(600, 2_000, 600, 2_000), "inconclusive", True),   # 4,000 seen
    (None, "waiting", False),
])
def test_an_ab_test_ends_a_step(counts: AbCounts | None, expected: str, final: bool) -> None:
    found = judged(arm(), step=AB, rollout=TEST, ab=counts)
    assert (found.verdict, found.final) == (expected, final)
    assert found.pauses(TEST) is final


def test_an_ab_test_promotes_nothing_against_a_measure() -> None:
    assert verdict(arm(errors=20), step=AB, rollout=TEST, ab=AbCounts(300, 1_000, 500, 1_000)) == "fail"
    assert verdict(arm(latency=()), step=AB, rollout=TEST, ab=AbCounts(300, 1_000, 500, 1_000)) == "inconclusive"


def test_a_preview_passes_by_time_and_fails_by_errors() -> None:
    step = Step(StepKind.PREVIEW, 0, 60, 0)
    assert [verdict(arm(0), elapsed_s=at, step=step) for at in (59, 60)] == ["waiting", "pass"]
    assert verdict(arm(200, errors=20), elapsed_s=10, step=step) == "fail"


def test_when_a_step_is_handed_to_a_person() -> None:
    rollout = Rollout(inconclusive_s=100, wait_max_s=500)
    undecided, silent, young = arm(latency=()), arm(0, histogram=(), latency=()), arm(99)
    assert [judged(undecided, elapsed_s=at, rollout=rollout).pauses(rollout) for at in (159, 160)] == [False, True]
    assert [judged(silent, elapsed_s=at, rollout=rollout).pauses(rollout) for at in (500, 501)] == [False, True]
    assert [judged(young, elapsed_s=at, rollout=rollout).pauses(rollout) for at in (500, 501)] == [False, True]
    assert not judged(arm(), elapsed_s=9_999, rollout=rollout).pauses(rollout)


@given(errors=st.integers(0, 199))
def test_more_errors_never_make_a_better_verdict(errors: int) -> None:
    order = [StepVerdict.PASS, StepVerdict.INCONCLUSIVE, StepVerdict.FAIL]
    assert order.index(verdict(arm(errors=errors))) <= order.index(verdict(arm(errors=errors + 1)))


@settings(max_examples=60)
@given(requests=st.integers(0, 400), errors=st.integers(0, 5), slow=st.integers(0, 200), champion=st.integers(0, 400),
       elapsed=st.floats(0, 200))
def test_what_passes_has_answered_baked_and_decided(requests: int, errors: int, slow: int, champion: int, elapsed: float) -> None:
    slow = min(slow, requests)
    candidate = arm(requests, errors=min(errors, requests), latency=took((17, requests - slow), (48, slow)))
    found = judged(candidate, arm(champion), elapsed)
    if found.verdict is StepVerdict.PASS:
        assert requests >= 100
        assert elapsed >= 60
        assert {measure.verdict for measure in found.measures} <= {"pass", "observed"}
    if requests == 0:
        assert found.verdict is StepVerdict.NO_TRAFFIC


def test_on_probation_only_what_is_certain_breaches() -> None:
    assert judge_errors(ROLLOUT, arm(0)) == ""
    assert judge_errors(ROLLOUT, arm(errors=3)) == ""
    assert "5.00%" in judge_errors(ROLLOUT, arm(errors=10))
