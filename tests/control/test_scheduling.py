"""`tick` starts what is due, once, and catches up on the newest missed time only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from interlock.control.keeping.scheduling import check_cron, newest_due, next_due, start_due, start_due_of
from interlock.errors import UseCaseError
from interlock.records.store import Store
from interlock.records.tables import Alert, Outbox
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.operation import Schedules
from interlock.spec.usecase import UseCase


def at(hour: int, minute: int = 0, second: int = 0, day: int = 1) -> datetime:
    return datetime(2024, 3, day, hour, minute, second, tzinfo=UTC)


@pytest.fixture
def use_case(settings: Settings) -> UseCase:
    return find_use_case(settings, "loan_approvals")[1].model_copy(update={"schedules": Schedules(monitor="30 * * * *")})


def causes(store: Store) -> list[str]:
    with store.reading() as session:
        return list(session.scalars(select(Outbox.cause).order_by(Outbox.id)))


def test_a_schedule_seen_for_the_first_time_starts_nothing(store: Store, use_case: UseCase) -> None:
    assert start_due_of(store, use_case, at(12)) == []
    assert causes(store) == []


def test_a_due_time_starts_one_run_however_often_tick_runs(store: Store, use_case: UseCase) -> None:
    start_due_of(store, use_case, at(12))
    assert start_due_of(store, use_case, at(12, 29, 59)) == []
    assert [started.due for started in start_due_of(store, use_case, at(12, 30))] == [at(12, 30)]
    assert start_due_of(store, use_case, at(12, 30)) == []
    assert start_due_of(store, use_case, at(12, 59)) == []
    assert causes(store) == ["tick:loan_approvals:monitor:2024-03-01T12:30:00.000000Z"]


def test_only_the_newest_missed_time_is_caught_up(store: Store, use_case: UseCase) -> None:
    start_due_of(store, use_case, at(12))
    assert [started.due for started in start_due_of(store, use_case, at(9, 15, day=4))] == [at(8, 30, day=4)]
    assert len(causes(store)) == 1


def test_a_clock_that_goes_back_starts_nothing_twice(store: Store, use_case: UseCase) -> None:
    start_due_of(store, use_case, at(12))
    start_due_of(store, use_case, at(13, 45))
    assert start_due_of(store, use_case, at(12, 45)) == []
    assert start_due_of(store, use_case, at(13, 45)) == []


def test_the_run_gets_its_deployment_and_use_case(store: Store, use_case: UseCase) -> None:
    both = use_case.model_copy(update={"schedules": Schedules(lifecycle="0 4 * * 1", costs="45 5 * * *")})
    start_due_of(store, both, at(0))
    start_due_of(store, both, at(6, day=4))  # 2024-03-04 is a Monday
    with store.reading() as session:
        rows = {row.deployment: row.parameters for row in session.scalars(select(Outbox))}
    assert rows == {"lifecycle/lifecycle": {"use_case": "loan_approvals", "started_by": "scheduler"},
                    "costs/costs": {"use_case": "loan_approvals"}}


def test_a_broken_schedule_is_told_once_and_stops_no_other(store: Store, use_case: UseCase) -> None:
    broken = use_case.model_copy(update={"schedules": Schedules(ingest="every day", monitor="30 * * * *")})
    start_due_of(store, broken, at(12))
    assert [started.flow for started in start_due_of(store, broken, at(13))] == ["monitor"]
    with store.reading() as session:
        [alert] = session.scalars(select(Alert)).all()
    assert "every day" in alert.body


def test_a_broken_file_stops_no_other_use_case(store: Store, settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "usecases"
    folder.mkdir()
    whole = (settings.usecases_dir / "loan_approvals.toml").read_text()
    (folder / "loan_approvals.toml").write_text(whole)
    (folder / "broken.toml").write_text("spec_version = 1\nname =")
    own = settings.model_copy(update={"usecases_dir": folder})
    start_due(own, store, now=at(0))
    started = start_due(own, store, now=at(0) + timedelta(days=8))
    assert {run.use_case for run in started} <= {"loan_approvals"}
    with store.reading() as session:
        assert [alert.title for alert in session.scalars(select(Alert))] == ["broken.toml cannot be read: its schedules do not run"]


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
       st.sampled_from(["*/5 * * * *", "0 4 * * 1", "15 3 1 * *", "59 23 31 12 *"]))
def test_now_lies_between_the_newest_and_the_next_due_time(now: datetime, expression: str) -> None:
    newest, following = newest_due(expression, now), next_due(expression, now)
    assert newest is not None
    assert following is not None
    assert newest <= now < following
    assert next_due(expression, newest) == following


def test_a_time_that_never_comes_is_not_due(store: Store, use_case: UseCase) -> None:
    never = use_case.model_copy(update={"schedules": Schedules(ingest="0 0 30 2 *")})
    assert start_due_of(store, never, at(12)) == []
    assert start_due_of(store, never, at(12, day=9)) == []


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "@daily", "0 0 * * MON-FRI-SUN"])
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    with pytest.raises(UseCaseError, match="cron"):
        check_cron(expression)
