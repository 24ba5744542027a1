"""What `tick` does: start, through the outbox, every scheduled flow that is due. Schedules belong to the use-case files (cron, UTC).

A start is written in the same transaction as `last_due`, and its cause names the due time, so that nothing starts twice. After a
pause only the newest missed time is caught up. A schedule seen for the first time starts nothing: it counts from now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cronsim import CronSim, CronSimError
from sqlalchemy.orm import Session

from interlock.control import deployments
from interlock.control.access.people import SCHEDULER
from interlock.control.keeping.alerting import record_alert
from interlock.errors import UseCaseError
from interlock.records.outbox import enqueue
from interlock.records.store import Store, utc_now
from interlock.records.tables import ScheduleState
from interlock.rules.canonical import digest_bytes, iso
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

DEPLOYMENT_OF = {"lifecycle": deployments.LIFECYCLE, "ingest": deployments.INGEST, "train": deployments.TRAIN,
                 "monitor": deployments.MONITOR, "costs": deployments.COSTS,
                 "materialize": deployments.MATERIALIZE, "drill": deployments.DRILL}

NAMED = frozenset({"lifecycle", "train", "drill"})  # flows whose runs are on record with who started them


@dataclass(frozen=True)
class Started:
    """One run asked for: which flow of which use case, for which due time."""

    use_case: str
    flow: str
    due: datetime


def start_due(settings: Settings, store: Store, *, now: datetime | None = None) -> list[Started]:
    """Ask for every run that became due since the last call; a use case with a broken file or schedule does not stop the others."""
    from interlock.spec.load import load_use_case

    moment = now or utc_now()
    found: list[Started] = []
    for path in sorted(settings.usecases_dir.glob("*.toml")):
        try:
            use_case = load_use_case(path)
        except UseCaseError as error:
            _tell_file(store, path, error)
            continue
        found += start_due_of(store, use_case, moment)
    return found


def start_due_of(store: Store, use_case: UseCase, now: datetime) -> list[Started]:
    """The same for one use case, in one transaction."""
    found = []
    with store.writing() as session:
        for flow, expression in use_case.schedules.model_dump(exclude_none=True).items():
            try:
                due = _newest_due(session, use_case.name, flow, expression, now)
            except CronSimError as error:
                _tell(session, use_case, flow, expression, error)
                continue
            if due is not None:
                parameters = {"use_case": use_case.name} | ({"started_by": SCHEDULER} if flow in NAMED else {})
                enqueue(session, f"tick:{use_case.name}:{flow}:{iso(due)}", DEPLOYMENT_OF[flow], parameters, at=now)
                found.append(Started(use_case.name, flow, due))
    return found


def newest_due(expression: str, now: datetime) -> datetime | None:
    """The newest time at or before `now` that the cron expression names (UTC); None where there is none in 50 years."""
    after = now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    return next(CronSim(expression, after, reverse=True), None)


def next_due(expression: str, now: datetime) -> datetime | None:
    """The first time after `now` that the cron expression names (UTC); None where there is none in 50 years."""
    return next(CronSim(expression, now.astimezone(UTC)), None)


def check_cron(expression: str) -> None:
    """Raise `UseCaseError` unless the text is a cron expression."""
    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise UseCaseError(f"not a cron expression: {error}", value=expression, allowed="five fields, for example 0 3 * * *") from error


def _newest_due(session: Session, use_case: str, flow: str, expression: str, now: datetime) -> datetime | None:
    """The newest due time not started yet, remembered as started; None where nothing is due."""
    due = newest_due(expression, now)
    state = session.get(ScheduleState, (use_case, flow))
    if state is None:
        session.add(ScheduleState(use_case=use_case, flow=flow, last_due=now))
        return None
    if due is None or due <= state.last_due:
        return None
    state.last_due = due
    return due


def _tell(session: Session, use_case: UseCase, flow: str, expression: str, error: Exception) -> None:
    record_alert(session, identity=f"schedule:{use_case.name}:{flow}:{expression}"[:200], severity="warning", use_case=use_case.name,
                 title=f"{use_case.title}: the schedule of {flow} cannot be read",
                 body=f"[schedules] {flow} = \"{expression}\": {error}. The flow does not start by itself until this is corrected.")


def _tell_file(store: Store, path: Path, error: UseCaseError) -> None:
    with store.writing() as session:
        record_alert(session, identity=f"usecase:{path.name}:{digest_bytes(path.read_bytes())}"[:200], severity="warning",
                     title=f"{path.name} cannot be read: its schedules do not run", body=str(error))
