"""Trends of runs, and what failed, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from interlock.control.readmodel.durations import Outcomes, outcomes, stages
from interlock.control.readmodel.work import Finished
from interlock.records.outbox import enqueue
from interlock.records.store import Store

NOW = datetime(2024, 3, 11, 12, tzinfo=UTC)


def run(stage: str, hours_ago: float, wall_s: float) -> Finished:
    return Finished("tiny", stage, 1.0, wall_s, None, NOW - timedelta(hours=hours_ago))


@pytest.mark.parametrize(("newest", "slow"), [(8.0, False), (8.1, True)])
def test_a_run_is_slow_beyond_twice_the_median_of_those_before(newest: float, slow: bool) -> None:
    """3, 4 and 50 seconds before: the median is 4, twice that 8."""
    found = stages([run("train", 1, newest), run("train", 2, 50), run("train", 3, 3), run("train", 4, 4), run("train", 5, 0)])
    assert [(one.name, one.wall_s, one.usual_s, one.slow) for one in found] == [("train", (4, 3, 50, newest), 4, slow)]


def test_three_runs_say_nothing_about_what_is_usual_and_the_newest_stage_stands_first() -> None:
    found = stages([run("train", 3, 1), run("train", 2, 1), run("train", 1.5, 9), run("monitor", 1, 2)])
    assert [(one.name, one.usual_s, one.slow) for one in found] == [("monitor", None, False), ("train", None, False)]


def test_what_was_asked_for_and_how_it_went(store: Store) -> None:
    with store.writing() as session:
        for n, (deployment, state, attempt, days) in enumerate([
            ("train/train", "failed", 3, 1), ("train/train", "done", 1, 2), ("monitor/monitor", "done", 2, 3),
            ("monitor/monitor", "dispatched", 1, 0), ("train/train", "failed", 1, 31),
        ]):
            row = enqueue(session, f"cause {n}", deployment, {"use_case": "tiny"}, at=NOW - timedelta(days=days))
            row.state, row.attempt = state, attempt
        enqueue(session, "of another", "train/train", {"use_case": "other"}, at=NOW)
    assert outcomes(store, "tiny", NOW) == [Outcomes("train/train", 2, 1, 1, 0), Outcomes("monitor/monitor", 2, 0, 1, 1)]
