"""Whether answers are being recorded: people are told when that stops, when it works again, and of every gap that was written down.

The state is in the alerts themselves, so that a keeper that died in between tells nothing twice and forgets no end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.endpoint import Endpoint
from interlock.control.keeping.alerting import record_alert
from interlock.records.compaction import captured_gaps
from interlock.records.store import Store
from interlock.records.tables import Alert
from interlock.rules.canonical import iso
from interlock.settings import Settings

STOPPED, AGAIN = "capture:stopped", "capture:again"
GAP_DAYS = 7       # older gaps were told, or nobody was there to be told
GAPS_TOLD_MAX = 50  # per use case and pass: the newest


def watch(settings: Settings, store: Store, endpoint: Endpoint, now: datetime) -> int:
    """Both of the following; for the keeper. How many alerts are new. Raises `Unavailable` where the prediction server does not answer."""
    told = tell_gaps(settings, store, now)
    return told + tell_failing(store, endpoint.capture_failing(), now)


def tell_failing(store: Store, failing: Mapping[str, str], now: datetime) -> int:
    """One alert where recording has stopped (`failing`: use case → the disk's error), one when it works again; how many are new."""
    told = 0
    with store.writing() as session:
        open_since = _open(session)
        for use_case, error in failing.items():
            if use_case not in open_since:
                told += record_alert(
                    session, identity=f"{STOPPED}:{use_case}:{iso(now)}", use_case=use_case, severity="critical", at=now,
                    title=f"{use_case}: answers are not being recorded",
                    body=f"{error[:1_000]}. Its answers say `captured: false`, or are refused where the use case wants that; monitoring "
                         "misses them. Look at the disk under `capture/`; the server tries again four times a second by itself.")
        for use_case, since in open_since.items():
            if use_case not in failing:
                told += record_alert(session, identity=f"{AGAIN}:{use_case}:{since}", use_case=use_case, severity="info", at=now,
                                     title=f"{use_case}: answers are recorded again",
                                     body=f"Recording had stopped at {since}. How many were lost is written down as a gap.")
    return told


def tell_gaps(settings: Settings, store: Store, now: datetime) -> int:
    """One alert per gap that compaction found: rows lost with from, to and the reason; damage in a segment. How many are new."""
    told = 0
    for folder in sorted(path for path in settings.folder("capture").iterdir() if path.is_dir()):
        gaps = [gap for gap in captured_gaps(settings, folder.name) if _recent(gap, now)][-GAPS_TOLD_MAX:]
        if not gaps:
            continue
        with store.writing() as session:
            for gap in gaps:
                told += record_alert(session, identity=_identity(folder.name, gap), use_case=folder.name, severity="warning", at=now,
                                     title=f"{folder.name}: a gap in what is recorded", body=_sentence(gap))
    return told


def _open(session: Session) -> dict[str, str]:
    """Use cases whose last word is that recording stopped, and since when."""
    found: dict[str, str] = {}
    rows = session.scalars(select(Alert).where(Alert.identity.startswith("capture:")).order_by(Alert.created_at, Alert.id))
    for row in rows:
        kind, _, rest = row.identity.partition(f":{row.use_case}:")
        if kind == STOPPED and row.use_case:
            found[row.use_case] = rest
        elif kind == AGAIN and row.use_case and found.get(row.use_case) == rest:
            del found[row.use_case]
    return found


def _recent(gap: Mapping[str, object], now: datetime) -> bool:
    """Damage has no time: it is told whenever it is met first."""
    return "to" not in gap or _moment(gap["to"]) > now - timedelta(days=GAP_DAYS)


def _identity(use_case: str, gap: Mapping[str, object]) -> str:
    where = f"{gap['segment']}:{gap['start']}" if gap["kind"] == "damage" else f"{iso(_moment(gap['from']))}:{gap['rows']}"
    return f"capture:gap:{use_case}:{where}"[:200]


def _sentence(gap: Mapping[str, object]) -> str:
    if gap["kind"] == "damage":
        return (f"Bytes {gap['start']} to {gap['end']} of segment {gap['segment']} are no whole record: the file was damaged after it was "
                "written. Everything before and after was read. Restore the segment from a backup, and look at the disk.")
    return (f"{gap['rows']} rows were not recorded from {iso(_moment(gap['from']))} to {iso(_moment(gap['to']))}: {gap['error']}. "
            "Windows that overlap this time say so.")


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
