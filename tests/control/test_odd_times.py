"""Odd event times among the captured, and more windows than one run judges, never hide the windows of today."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from interlock.control.evidence.observed import traffic as newest_traffic
from interlock.control.windows import monitoring
from interlock.records.compaction import compact
from interlock.records.lake import lake_from
from interlock.records.store import Store
from interlock.settings import Settings
from tests.control.traffic import DAY0, Traffic, copy_package, spec

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
ODD = (datetime(1, 1, 1, tzinfo=UTC), datetime(1990, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


@pytest.fixture
def make_traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Callable[..., Traffic]]:
    copy_package(*package, settings)
    opened: list[Traffic] = []

    def make(**limits: Any) -> Traffic:
        opened.append(Traffic(settings, store, package[1], spec(monitoring=limits)))
        return opened[-1]

    yield make
    for traffic in opened:
        traffic.segment.close()


@pytest.mark.parametrize("window_hours", [1 / 60, 24, 168])
def test_odd_times_among_the_captured_hide_no_window(make_traffic: Callable[..., Traffic], window_hours: float) -> None:
    traffic = make_traffic(window_hours=window_hours)
    for day in ODD:
        traffic.serve((day - DAY0).days, rows=1, hours=12)
    for hours in (1, 5):  # 239 empty minutes lie between
        traffic.serve(0, rows=3, hours=hours)
    traffic.monitor(9)
    ordinary = [window.rows for window in traffic.windows() if window.start.year == 2024]
    assert ordinary == ([3, 3] if window_hours < 1 else [6])
    assert len(traffic.windows()) <= len(ordinary) + 2, "one odd time is at most one window; the future is none"
    assert traffic.monitor(9).windows == 0


def test_of_too_many_windows_the_newest_are_judged_first(make_traffic: Callable[..., Traffic], monkeypatch: pytest.MonkeyPatch) -> None:
    traffic = make_traffic()
    monkeypatch.setattr(monitoring, "CATCH_UP_MAX", 2)
    monkeypatch.setattr(monitoring, "SETTLED_AFTER", 1)
    for day in range(3):
        traffic.serve(day, rows=5)
    assert traffic.monitor(5).windows == 2
    assert [window.start.day for window in traffic.windows()] == [2, 3]
    traffic.monitor(5)
    assert [window.start.day for window in traffic.windows()] == [1, 2, 3], "the next run goes on"


def test_an_odd_time_in_the_future_is_not_the_newest_traffic(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    days_ago = (datetime.now(UTC) - DAY0).days - 1
    traffic.serve(days_ago, rows=3)
    traffic.serve((ODD[-1] - DAY0).days, rows=1)
    compact(traffic.settings, lake_from(traffic.settings))
    case: Any = SimpleNamespace(settings=traffic.settings, use_case=traffic.use_case, as_of=None)
    assert newest_traffic(case).height == 3


@pytest.mark.parametrize("window_hours", [1 / 60, 24])
def test_an_odd_time_in_the_future_hides_no_older_traffic(make_traffic: Callable[..., Traffic], window_hours: float) -> None:
    """Requests of two years ago are no "no traffic yet": with that a gate would pass on nothing."""
    traffic = make_traffic(window_hours=window_hours)
    traffic.serve(0, rows=3)
    traffic.serve(0, rows=2, hours=20)
    traffic.serve((ODD[-1] - DAY0).days, rows=1)
    compact(traffic.settings, lake_from(traffic.settings))
    case: Any = SimpleNamespace(settings=traffic.settings, use_case=traffic.use_case, as_of=None)
    assert newest_traffic(case).height == (2 if window_hours < 1 else 5)
    case.as_of = DAY0 + timedelta(hours=19)
    assert newest_traffic(case).height == 3, "as of a moment between two requests of one file"
    case.as_of = DAY0 - timedelta(hours=1)
    assert newest_traffic(case).is_empty()


@pytest.mark.parametrize("hours", [0, 0.01, -1])
def test_a_window_shorter_than_a_minute_is_refused(hours: float) -> None:
    with pytest.raises(ValidationError, match="window_hours"):
        spec(monitoring={"window_hours": hours})
