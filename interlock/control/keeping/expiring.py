"""When captured rows may leave: after `[privacy] retention_days`, and never before every window that they belong to is judged, its
labels have had their time, and no release is being judged on them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.control.keeping.alerting import record_alert
from interlock.errors import InterlockError
from interlock.records import ledger
from interlock.records.captured_files import captured_files
from interlock.records.lake import lake_from
from interlock.records.retention import Removed, expire
from interlock.records.store import Store
from interlock.records.tables import LedgerEntry, Release, Window
from interlock.rules.canonical import iso
from interlock.rules.monitoring import window_of
from interlock.rules.releases import OPEN, ReleaseState
from interlock.settings import Settings
from interlock.spec.load import readable_use_cases
from interlock.spec.usecase import UseCase

KIND = "capture.expired"
OVERLAPS = 50    # windows of other lengths, from before the use-case file changed, may overlap
ALIGN_MAX = 400  # days gone back to find a midnight at which a window begins
LATE_DAYS = 7    # people are told when rows are kept this long beyond their time


def expire_all(settings: Settings, store: Store, now: datetime) -> list[Removed]:
    """What left; for the keeper. Every removal has its ledger entry. Use cases whose file cannot be read are left alone."""
    found, failed = [], list[Exception]()
    for use_case in readable_use_cases(settings):
        folder = settings.folder("capture") / use_case.name
        if use_case.privacy.retention_days is None or not folder.is_dir():
            continue
        try:
            removed = _expire_one(settings, store, use_case, folder, now)
        except (InterlockError, OSError) as error:  # told below: it must not keep the others' rows
            failed.append(error)
            continue
        if removed is not None:
            found.append(removed)
    if failed:
        raise failed[0]
    return found


def _expire_one(settings: Settings, store: Store, use_case: UseCase, folder: Path, now: datetime) -> Removed | None:
    with store.writing() as session:
        before = may_leave_before(session, use_case, now, not_judged(settings, session, use_case))
        _tell_kept(session, use_case, before, now)
    if before is None:
        return None
    return expire(folder, lake_from(settings), before, lambda gone: _write_down(store, use_case.name, gone))


def not_judged(settings: Settings, session: Session, use_case: UseCase) -> datetime | None:
    """The earliest first or last event of a captured file that lies in no recorded window: `monitor` catches up newest first."""
    query = select(Window.start, Window.end).where(Window.use_case == use_case.name).distinct().order_by(Window.start)
    windows = [(start, end) for start, end in session.execute(query)]
    starts = [start for start, _ in windows]
    events = {moment for file in captured_files(settings, use_case.name) for moment in (file.first, file.last)}
    for moment in sorted(events):
        place = bisect_right(starts, moment)
        if not any(moment < end for _, end in windows[max(0, place - OVERLAPS):place]):
            return moment
    return None


def may_leave_before(session: Session, use_case: UseCase, now: datetime, unjudged: datetime | None = None) -> datetime | None:
    """The moment before which nothing is needed any more: a midnight (UTC) at which a window begins, so that neither a file nor a window
    is torn. None: everything is needed."""
    monitoring = use_case.monitoring
    judged = session.scalar(select(func.max(Window.end)).where(Window.use_case == use_case.name))
    states = [state.value for state in (*OPEN, ReleaseState.PROBATION)]
    moving = session.scalar(select(func.min(Release.created_at)).where(Release.use_case == use_case.name, Release.state.in_(states)))
    if judged is None:
        return None
    hours = use_case.labels.delay_hours + monitoring.watermark_hours + monitoring.window_hours
    edge = min(found for found in (_due(use_case, now), now - timedelta(hours=hours), judged, moving, unjudged) if found is not None)
    for _ in range(ALIGN_MAX):
        midnight = edge.replace(hour=0, minute=0, second=0, microsecond=0)
        start, _end = window_of(midnight, monitoring.window_hours)
        if start == midnight:
            return midnight
        edge = start
    return None


def _due(use_case: UseCase, now: datetime) -> datetime:
    return now - timedelta(days=use_case.privacy.retention_days or 0)


def _tell_kept(session: Session, use_case: UseCase, before: datetime | None, now: datetime) -> None:
    """Rows that should have left and are still needed are told once a week: somebody promised that they would go."""
    due = _due(use_case, now)
    if before is None or due - before > timedelta(days=LATE_DAYS):
        since = "never judged" if before is None else iso(before)
        record_alert(session, identity=f"capture:kept:{use_case.name}:{now:%G-%V}", use_case=use_case.name, severity="warning", at=now,
                     title=f"{use_case.name}: captured rows are kept longer than {use_case.privacy.retention_days} days",
                     body=f"They are needed from {since} on: windows that `monitor` has not judged, labels that are still to come, or a "
                          "release on its way. Look whether `monitor` runs: interlock status")


def _write_down(store: Store, use_case: str, removed: Removed) -> None:
    with store.writing() as session:
        last = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == KIND, LedgerEntry.use_case == use_case)
                               .order_by(LedgerEntry.seq.desc()).limit(1)).first()
        if last is None or removed.id not in last.body:
            ledger.append(session, KIND, {"sentence": _sentence(use_case, removed), **asdict(removed)}, use_case=use_case)


def _sentence(use_case: str, removed: Removed) -> str:
    mirrored = f", {removed.mirrored_rows} mirrored answers" if removed.mirrored_rows else ""
    return (f"captured rows of '{use_case}' left after their time: {removed.predictions_rows} predictions{mirrored} and "
            f"{removed.labels_rows} labels from before {removed.before}")
