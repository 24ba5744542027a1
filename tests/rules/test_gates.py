"""Gates: three answers, fail closed, never hiding one trouble behind another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.findings import Finding, State, failed
from interlock.rules.gates import Gate, Verdict, blocking, judge

ORDER = {Verdict.FAIL: 0, Verdict.UNKNOWN: 1, Verdict.PASS: 2}


def gate(**changes: object) -> Gate:
    return Gate(**({"name": "g", "title": "G", "metric": "m", "direction": "at_least", "threshold": 0.5, "question": "?",
                    "source": "test"} | changes))


def finding(value: float | None = 0.7, **changes: object) -> Finding:
    return Finding(**({"metric": "m", "value": value, "sample_size": 100} | changes))


def verdict(rule: Gate, *found: Finding) -> Verdict:
    return judge(rule, list(found)).verdict


@pytest.mark.parametrize(("direction", "value", "expected"), [
    ("at_least", 0.5, Verdict.PASS), ("at_least", 0.4999, Verdict.FAIL), ("at_most", 0.5, Verdict.PASS), ("at_most", 0.5001, Verdict.FAIL)])
def test_the_threshold_itself_passes(direction: str, value: float, expected: Verdict) -> None:
    assert verdict(gate(direction=direction), finding(value)) is expected


@pytest.mark.parametrize("broken", [
    [], [finding(None)], [finding(math.nan)], [finding(math.inf)], [finding(state=State.ERROR)], [finding(state=State.STALE)],
    [finding(state=State.MISSING)], [finding(state=State.MISSING, note="no champion yet")], [failed("m", ValueError("boom"))],
    [finding(metric="other")]])
def test_trouble_is_unknown_and_cannot_be_waived(broken: list[Finding]) -> None:
    answer = judge(gate(), broken)
    assert (answer.verdict, answer.waivable) == (Verdict.UNKNOWN, False)
    assert blocking([answer]) == [answer]


def test_too_few_rows_are_unknown_and_can_be_waived() -> None:
    answer = judge(gate(rows_min=60), [finding(0.9, sample_size=14, note="Same rows.")])
    assert (answer.verdict, answer.waivable) == (Verdict.UNKNOWN, True)
    assert "not enough evidence: n = 14, at least 60 needed" in answer.sentence
    stated = judge(gate(), [finding(0.9, state=State.TOO_FEW, needed=60, sample_size=14)])
    assert "n = 14, at least 60 needed" in stated.sentence


def test_luck_does_not_pass() -> None:
    rule = gate(judge_by="interval")
    assert verdict(rule, finding(0.7, low=0.55, high=0.8)) is Verdict.PASS
    assert verdict(rule, finding(0.7, low=0.45, high=0.9)) is Verdict.UNKNOWN
    assert verdict(rule, finding(0.45, low=0.3, high=0.6)) is Verdict.FAIL
    assert verdict(rule, finding(0.7)) is Verdict.UNKNOWN  # no interval
    assert judge(rule, [finding(0.7, low=0.45, high=0.9)]).waivable
    at_most = gate(judge_by="interval", direction="at_most")
    assert verdict(at_most, finding(0.4, low=0.1, high=0.6)) is Verdict.UNKNOWN


def test_the_worst_of_several_findings_counts() -> None:
    good, bad, small = finding(0.9), finding(0.1, segment="sex=Female"), finding(state=State.TOO_FEW)
    answer = judge(gate(), [good, bad, small])
    assert (answer.verdict, answer.segment) == (Verdict.FAIL, "sex=Female")
    assert verdict(gate(), good, small) is Verdict.UNKNOWN
    assert judge(gate(), [finding(0.3), finding(0.1)]).value == 0.1


def test_a_fail_does_not_make_an_error_waivable() -> None:
    assert judge(gate(), [finding(0.1)]).waivable
    assert not judge(gate(), [finding(0.1), failed("m", ValueError("boom"))]).waivable
    assert not judge(gate(), [finding(state=State.TOO_FEW), finding(state=State.STALE)]).waivable


def test_absence_passes_only_as_a_stated_state() -> None:
    rule = gate(absent="pass")
    said = judge(rule, [finding(None, state=State.MISSING, note="no champion yet")])
    assert said.verdict is Verdict.PASS
    assert "no champion yet" in said.sentence
    for silent in ([], [finding(state=State.MISSING)], [failed("m", ConnectionError("registry down"))], [finding(state=State.TOO_FEW)]):
        assert verdict(rule, *silent) is Verdict.UNKNOWN


@given(st.floats(-2, 2), st.floats(-2, 2), st.sampled_from(["at_least", "at_most"]), st.sampled_from(["value", "interval"]),
       st.floats(0, 0.5))
def test_a_better_score_never_gets_a_worse_answer(one: float, other: float, direction: str, by: str, half: float) -> None:
    worse, better = sorted((one, other), reverse=direction == "at_most")
    rule = gate(direction=direction, judge_by=by)
    answers = [verdict(rule, finding(value, low=value - half, high=value + half)) for value in (worse, better)]
    assert ORDER[answers[0]] <= ORDER[answers[1]]


@given(st.lists(st.sampled_from([finding(0.9), finding(0.1), finding(state=State.TOO_FEW), failed("m", ValueError("x"))]), max_size=4),
       st.sampled_from([finding(0.1), finding(state=State.TOO_FEW), failed("m", ValueError("x"))]))
def test_more_trouble_never_gets_a_better_answer(found: list[Finding], trouble: Finding) -> None:
    with_trouble = verdict(gate(), *found, trouble)
    assert with_trouble is not Verdict.PASS
    assert not found or ORDER[with_trouble] <= ORDER[verdict(gate(), *found)]


def test_observed_gates_never_block() -> None:
    assert blocking([judge(gate(mode="observe"), [finding(0.1)])]) == []


def fails_open(rule: Gate, found: list[Finding]) -> Verdict:
    """The gate with its guard taken out: absence and errors count as a pass, as in many a promotion script."""
    own = [item for item in found if item.metric == rule.metric and item.state is State.OK and item.value is not None]
    return Verdict.FAIL if any(item.value < rule.threshold for item in own) else Verdict.PASS


def test_the_broken_variant_would_let_errors_through() -> None:
    for trouble in ([], [failed("m", ConnectionError("registry down"))], [finding(state=State.TOO_FEW)], [finding(state=State.STALE)]):
        assert fails_open(gate(), trouble) is Verdict.PASS
        assert verdict(gate(), *trouble) is Verdict.UNKNOWN


def test_the_sentence_says_value_interval_threshold_and_rows() -> None:
    answer = judge(gate(title="Performance", unit="AUC"), [finding(0.7, low=0.6, high=0.8, sample_size=1234)])
    assert answer.sentence == "Performance: PASS — 0.7 AUC (0.6 to 0.8), at least 0.5 AUC needed, n = 1,234."


def test_the_sentence_names_the_group_that_is_too_small_and_reads_large_figures() -> None:
    small = judge(gate(title="Groups"), [finding(None, state=State.TOO_FEW, segment="race=Other", note="not enough evidence: n = 14")])
    assert small.sentence == "Groups: UNKNOWN for race=Other — not enough evidence: n = 14 (at least 0.5 needed)."
    assert "10,213 days" in judge(gate(unit="days"), [finding(10212.6)]).sentence
