"""The installation's own schedule: when a backup is due, whether one is overdue, and who is told."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from interlock.control.backups.making import last_made
from interlock.control.deployments import BACKUP
from interlock.control.keeping.alerting import record_alert
from interlock.control.keeping.scheduling import newest_due
from interlock.errors import SettingsError
from interlock.records.outbox import enqueue
from interlock.records.store import Store, utc_now
from interlock.records.tables import Outbox, ScheduleState
from interlock.rules.canonical import digest, iso
from interlock.settings import Settings

INSTALLATION = "_installation"  # no use case can have this name
GRACE = timedelta(hours=1)      # a backup may take this long after its time


def tend_backups(settings: Settings, store: Store, now: datetime | None = None) -> list[str]:
    """What `tick` does about backups: start the one that is due, tell about one that is missing; what was started, in words.

    Settings that cannot be used are told as an alert and stop nothing else.
    """
    moment = now or utc_now()
    try:
        due = start_backup(settings, store, moment)
        tell_overdue(settings, store, moment)
    except SettingsError as error:
        with store.writing() as session:
            record_alert(session, identity=f"backup:settings:{digest(str(error))}"[:200], severity="critical", at=moment,
                         title="backups are not made: the settings cannot be used", body=str(error))
        return []
    return [] if due is None else [f"backup, due {due:%Y-%m-%d %H:%M} UTC"]


def start_backup(settings: Settings, store: Store, now: datetime) -> datetime | None:
    """Ask for the backup that is due, once per due time (law 2); its due time, None where none is. Seen for the first time: from now on.

    Raises `SettingsError` where `backup_schedule` is no cron expression or there is no folder for it.
    """
    if settings.backup_schedule is None:
        return None
    due = _due(settings, now)
    with store.writing() as session:
        state = session.get(ScheduleState, (INSTALLATION, "backup"))
        if state is None:
            session.add(ScheduleState(use_case=INSTALLATION, flow="backup", last_due=now))
            return None
        if due is None or due <= state.last_due:
            return None
        state.last_due = due
        enqueue(session, _cause(due), BACKUP, {}, at=now)
    return due


def overdue(settings: Settings, now: datetime) -> datetime | None:
    """The time at which a backup should have been made and was not, an hour of grace given; None: all is well, or no schedule."""
    if settings.backup_schedule is None:
        return None
    due, last = _due(settings, now - GRACE), last_made(settings)
    made = datetime.fromisoformat(last["at"]) if last else None
    return due if due is not None and (made is None or made < due) else None


def tell_overdue(settings: Settings, store: Store, now: datetime) -> bool:
    """One alert per missed time that a backup was asked for; True where it is new."""
    due = overdue(settings, now)
    if due is None:
        return False
    with store.writing() as session:
        if session.scalars(select(Outbox.id).where(Outbox.cause == _cause(due))).first() is None:
            return False  # nobody looked at the schedule yet at that time: nothing was missed
        return record_alert(session, identity=f"backup:overdue:{iso(due)}", severity="critical", at=now,
                            title=f"no backup since {age(settings, now)}", body=f"A backup was due at {due:%Y-%m-%d %H:%M} UTC and there "
                            f"is none. Look at the runs of `backup`, or make one by hand: interlock backup")


def age(settings: Settings, now: datetime) -> str:
    """How old the last backup is, in words."""
    last = last_made(settings)
    if last is None:
        return "never: no backup was made of this home"
    hours = (now - datetime.fromisoformat(last["at"])).total_seconds() / 3600
    shown = f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
    return f"{last['at'][:16].replace('T', ' ')} UTC, {shown} ago"


def backup_state(settings: Settings, now: datetime) -> str:
    """For `interlock status`: how old the last backup is, and whether that is too old."""
    try:
        missed = overdue(settings, now)
    except SettingsError as error:
        return f"down: {error.what}"
    if missed is not None:
        return f"overdue since {missed:%Y-%m-%d %H:%M} UTC; last: {age(settings, now)}"
    return f"last: {age(settings, now)}" + ("" if settings.backup_schedule else "; by hand only (no backup_schedule)")


def _cause(due: datetime) -> str:
    return f"tick:{INSTALLATION}:backup:{iso(due)}"


def _due(settings: Settings, now: datetime) -> datetime | None:
    from cronsim import CronSimError

    if settings.backup_to is None:
        raise SettingsError("backup_schedule has no folder to write to", next_step="set backup_to (INTERLOCK_BACKUP_TO)")
    try:
        return newest_due(str(settings.backup_schedule), now)
    except CronSimError as error:
        raise SettingsError(f"backup_schedule is no cron expression: {error}", value=settings.backup_schedule,
                            allowed="five fields, for example 0 2 * * *", next_step="correct INTERLOCK_BACKUP_SCHEDULE") from error
