"""Alarms of the past, counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules import alarm_backtest
from interlock.rules.alarm_backtest import Moment, Outcome, backtest, candidate_limits

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def days(values: list[float | None], lost: list[bool | None], version: str = "a") -> list[Moment]:
    return [Moment(FIRST + n * DAY, FIRST + (n + 1) * DAY, version, value, loss)
            for n, (value, loss) in enumerate(zip(values, lost, strict=True))]


def test_ten_days_by_hand() -> None:
    """Limit 0.25, horizon one window. Day:  0    1    2     3    4    5    6    7    8    9
                                     value:  .3   .1   .1    .4   .1   .1   .5   .5  None  .3
                                      lost:  no   no   LOSS  no  LOSS  no   LOSS no   no   ?
    Alarms: day 0 (day 1 follows, nobody lost: no loss), day 3 (day 4 lost: before), day 6 (lost itself, day 7 did not: with), day 7 (days
    7 and 8 known, none lost: no loss), day 9 (its outcomes are not known: open). Runs: 0, 3, 6-7, 9 = 4. Losses: 2 (no alarm on 1 or 2:
    missed), 4 (day 3), 6 (itself)."""
    values = [0.3, 0.1, 0.1, 0.4, 0.1, 0.1, 0.5, 0.5, None, 0.3]
    lost = [False, False, True, False, True, False, True, False, False, None]
    found = backtest(days(values, lost), 0.25, timedelta(0))
    assert found.outcomes == (Outcome.FALSE, None, None, Outcome.BEFORE, None, None, Outcome.WITH, Outcome.FALSE, None, Outcome.OPEN)
    assert found.caught == (None, None, False, None, True, None, True, None, None, None)
    assert (found.windows, found.alarms, found.runs, found.losses, found.missed, found.unknown) == (9, 5, 4, 3, 1, 1)
    assert [found.count(one) for one in Outcome] == [1, 1, 2, 1]


def test_a_longer_horizon_finds_the_later_loss() -> None:
    moments = days([0.3, 0.1, 0.1, 0.1], [False, False, True, False])
    assert backtest(moments, 0.25, timedelta(0)).outcomes[0] is Outcome.FALSE
    assert backtest(moments, 0.25, DAY).outcomes[0] is Outcome.BEFORE
    assert backtest(moments, 0.25, DAY).missed == 0
    assert backtest(moments, 0.25, timedelta(0)).missed == 1


def test_what_is_not_known_yet_is_no_false_alarm() -> None:
    assert backtest(days([0.3, 0.1], [False, None]), 0.25, timedelta(0)).outcomes[0] is Outcome.OPEN
    assert backtest(days([0.1, 0.3], [False, False]), 0.25, DAY).outcomes[1] is Outcome.OPEN  # the horizon has not passed
    assert backtest(days([0.3], [False]), 0.25, timedelta(0)).outcomes[0] is Outcome.OPEN  # nothing came after it


def test_a_new_version_starts_anew() -> None:
    moments = [*days([0.3], [False], "a"), Moment(FIRST + DAY, FIRST + 2 * DAY, "b", 0.1, True)]
    found = backtest(moments, 0.25, 5 * DAY)
    assert (found.outcomes[0], found.missed, found.runs) == (Outcome.OPEN, 1, 1)


def test_at_the_limit_is_not_beyond_it() -> None:
    assert backtest(days([0.25], [False]), 0.25, DAY).alarms == 0


def test_nothing_measured_says_nothing() -> None:
    found = backtest([], 0.25, DAY)
    assert (found.windows, found.alarms, found.losses, found.runs) == (0, 0, 0, 0)


def test_limits_worth_comparing_lie_between_the_values() -> None:
    assert candidate_limits([0.1, 0.2, 0.4, None], 0.25) == [0.15, 0.25, 0.3]
    assert candidate_limits([0.1], None) == []
    assert len(candidate_limits([n / 100 for n in range(100)], 0.25)) == 8


ROWS = st.lists(st.tuples(st.none() | st.floats(0, 1), st.sampled_from([True, False, None])), max_size=25)


@given(rows=ROWS, one=st.floats(0, 1), two=st.floats(0, 1))
def test_a_lower_limit_never_alarms_less_and_never_misses_more(
    rows: list[tuple[float | None, bool | None]], one: float, two: float
) -> None:
    moments = days([value for value, _ in rows], [lost for _, lost in rows])
    low, high = (backtest(moments, limit, 2 * DAY) for limit in sorted((one, two)))
    assert low.alarms >= high.alarms
    assert low.missed <= high.missed
    assert sum(low.count(outcome) for outcome in Outcome) == low.alarms


def test_a_backtest_that_calls_the_unknown_false_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_backtest, "_outcome", lambda place, moments, horizon, last: Outcome.FALSE)  # broken on purpose
    with pytest.raises(AssertionError):
        test_what_is_not_known_yet_is_no_false_alarm()
