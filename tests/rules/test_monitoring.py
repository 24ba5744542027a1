"""Windows, limits and the breach rule, with literal times and values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.findings import Finding, State, failed
from interlock.rules.monitoring import (
    Signal,
    WindowState,
    complete_windows,
    cooled_down,
    drift_began,
    judge_window,
    retraining_due,
    signals_for,
    window_of,
)
from interlock.spec.load import load_use_case

ROOT = Path(__file__).resolve().parents[2]


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2013, 5, day, hour, minute, tzinfo=UTC)


def signal(**changes: object) -> Signal:
    return Signal(**{"metric": "drift.share", "title": "Moved", "direction": "at_most", "limit": 0.3, "source": "test"} | changes)


def finding(metric: str = "drift.share", value: float | None = 0.1, **changes: object) -> Finding:
    return Finding(**{"metric": metric, "value": value, "sample_size": 500} | changes)


def test_the_boundary_opens_the_next_window() -> None:
    assert window_of(at(4, 23, 59), 24) == (at(4), at(5))
    assert window_of(at(5), 24) == (at(5), at(6))


def test_windows_are_aligned_to_the_epoch_not_to_the_first_event() -> None:
    # 2013-05-04 is 15829 days after 1970-01-01; 15829 mod 7 = 2, so its 168-hour window starts two days before
    assert window_of(at(4, 12), 168) == (at(2), at(9))


def test_a_window_is_complete_only_after_its_watermark() -> None:
    assert complete_windows(at(4, 1), at(4, 2), at(5, 0, 59), 24, 1) == []
    assert complete_windows(at(4, 1), at(4, 2), at(5, 1), 24, 1) == [(at(4), at(5))]


def test_only_windows_up_to_the_last_event_are_listed() -> None:
    assert complete_windows(at(4, 1), at(5, 2), at(20), 24, 0) == [(at(4), at(5)), (at(5), at(6))]


@given(st.integers(0, 10_000_000_000_000_000), st.sampled_from([1 / 60, 0.5, 1, 6, 24, 168]))
def test_each_moment_lies_in_exactly_its_window(microseconds: int, hours: float) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    start, end = window_of(moment, hours)
    assert start <= moment < end
    assert end - start == timedelta(hours=hours)
    assert window_of(start, hours) == (start, end)


@pytest.mark.parametrize(("states", "due"), [
    ([True], False),                              # one breach is not two
    ([True, True], True),
    ([True, False, False, False, True], True),    # 2 of the last 5, latest included
    ([True, False, False, False, False, True], False),  # the first lies six back
    ([True, True, False], False),                 # the latest is fine
    ([True, True, True, True, False], False),
    ([], False),
])
def test_two_of_the_last_five_including_the_latest(states: list[bool], due: bool) -> None:
    assert retraining_due(states, breaches=2, of=5) is due


@given(st.lists(st.booleans()), st.integers(1, 6), st.integers(1, 6))
def test_a_further_breach_never_calls_a_due_retraining_off(states: list[bool], breaches: int, of: int) -> None:
    if retraining_due(states, breaches=breaches, of=of):
        assert retraining_due([*states[:-1], True], breaches=breaches, of=of)
        for place in range(len(states)):
            assert retraining_due([*states[:place], True, *states[place + 1:]], breaches=breaches, of=of)
        assert states[-1]


def test_breaches_and_of_each_change_the_answer() -> None:
    states = [True, False, True]
    assert retraining_due(states, breaches=2, of=3)
    assert not retraining_due(states, breaches=3, of=3)
    assert not retraining_due(states, breaches=2, of=2)


def test_cooldown_counts_event_time_from_the_window_that_started_the_last_retraining() -> None:
    assert cooled_down(at(10), [at(9)], 24)
    assert not cooled_down(at(10), [at(9, 1)], 24)
    assert not cooled_down(at(10), [at(12)], 24), "a later window has started one already"
    assert cooled_down(at(10), [], 24)


def test_a_value_at_the_limit_does_not_breach() -> None:
    assert judge_window([finding(value=0.3)], [signal()]).state is WindowState.OK
    assert judge_window([finding(value=0.3000001)], [signal()]).state is WindowState.BREACH


def test_at_least_looks_the_other_way() -> None:
    low = signal(metric="fairness.ratio", direction="at_least", limit=0.8)
    assert judge_window([finding("fairness.ratio", 0.79)], [low]).breached == ["fairness.ratio"]
    assert judge_window([finding("fairness.ratio", 0.8)], [low]).state is WindowState.OK


def test_the_worst_of_several_findings_counts() -> None:
    found = [finding("drift.psi", 0.1, segment="column=a"), finding("drift.psi", 0.9, segment="column=b")]
    judgement = judge_window(found, [signal(metric="drift.psi", limit=0.25, effect="warn")])
    assert judgement.state is WindowState.WARN
    assert "column=b" in judgement.sentences[0]


def test_a_drop_that_could_be_luck_only_warns() -> None:
    drop = signal(metric="performance.drop", limit=0.05, judge_by="interval", retrains=True)
    lucky = judge_window([finding("performance.drop", 0.08, low=-0.01, high=0.17)], [drop])
    assert (lucky.state, lucky.retrains) == (WindowState.WARN, False)
    real = judge_window([finding("performance.drop", 0.08, low=0.01, high=0.15)], [drop])
    assert (real.state, real.retrains) == (WindowState.BREACH, True)


def test_too_few_rows_make_a_window_unknown_only_where_the_signal_is_required() -> None:
    few = finding(value=None, state=State.TOO_FEW, note="n = 3")
    assert judge_window([few], [signal(required=True)]).state is WindowState.UNKNOWN
    assert judge_window([few], [signal()]).state is WindowState.OK
    assert judge_window([few], [signal()]).unknown == ["drift.share"]
    assert judge_window([], [signal(required=True)]).state is WindowState.UNKNOWN


def test_a_failed_report_is_never_fine_but_hides_no_breach() -> None:
    broken = failed("performance.drop", ValueError("no"))
    assert judge_window([finding(), broken], [signal()]).state is WindowState.UNKNOWN
    assert judge_window([finding(value=0.9), broken], [signal()]).state is WindowState.BREACH


def test_only_what_new_data_can_mend_counts_towards_a_retraining() -> None:
    slow = signal(metric="latency.p99_ms", limit=100)
    judgement = judge_window([finding("latency.p99_ms", 300)], [slow])
    assert (judgement.state, judgement.retrains) == (WindowState.BREACH, False)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_drift_is_never_judged_better(first: float, second: float) -> None:
    order = [WindowState.OK, WindowState.WARN, WindowState.BREACH]
    small, large = sorted((first, second))
    states = [judge_window([finding(value=value)], [signal()]).state for value in (small, large)]
    assert order.index(states[0]) <= order.index(states[1])


def test_every_signal_is_documented() -> None:
    use_case = load_use_case(ROOT / "usecases" / "adult_income.toml")
    text = (ROOT / "docs" / "monitoring.md").read_text()
    signals = signals_for(use_case)
    assert [signal.metric for signal in signals if signal.metric not in text and not signal.metric.startswith("fairness.")] == []
    assert [signal.title for signal in signals if f"| {signal.title} |" not in text] == []
    assert all(signal.source for signal in signals)


def test_a_drift_began_with_the_first_window_of_the_latest_run() -> None:
    """Breaches of drift on days 1, 3 and 5; day 4 had no traffic, so the latest run is 3 and 5. Slow answers are no drift."""
    breached = {at(1): ["drift.share"], at(2): ["latency.p99_ms"], at(3): ["performance.drop"], at(5): ["drift.score"], at(6): []}
    assert drift_began(breached) == at(3)
    assert drift_began({at(2): ["latency.p99_ms"], at(3): []}) is None
    assert drift_began({}) is None
