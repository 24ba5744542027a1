"""Columns over time, for the Data page: a few figures of every stored profile, of snapshots and of monitored windows.

Prepared by `ingest` and `monitor` from profiles alone: rows are never read again, and a profile that was summed up is not opened again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.windows.window_profiles import kept_profile
from interlock.errors import DataError
from interlock.records.lake import Lake, lake_from
from interlock.records.store import Store, utc_now
from interlock.records.tables import Prepared, Snapshot, Window
from interlock.rules.canonical import digest, iso
from interlock.settings import Settings

if TYPE_CHECKING:
    from reports.profile_columns import CategoryProfile, NumericProfile
    from reports.profiles import Profile

KIND = "columns"
SNAPSHOTS_MAX, WINDOWS_MAX = 12, 60
PLACES = {"low": 0.05, "middle": 0.5, "high": 0.95}


def prepare_columns(settings: Settings, store: Store, use_case: str) -> int:
    """Sum up the profiles of the newest snapshots and windows; the answer is how many had not been summed up before.

    A profile that cannot be read stands in the result with the reason and is tried again the next time.
    """
    with store.reading() as session:
        wanted = [*_snapshots(session, use_case), *_windows(session, use_case)]
        row = session.get(Prepared, (KIND, use_case))
        known = {one["key"]: one for one in row.body["points"] if "problem" not in one} if row is not None else {}
    key = digest([point["key"] for point in wanted])
    if row is not None and row.key == key and len(known) == len(wanted):
        return 0
    lake = lake_from(settings)
    points = [known.get(point["key"]) or point | _summed(lake, point) for point in wanted]
    with store.writing() as session:
        session.merge(Prepared(kind=KIND, name=use_case, key=key, body={"points": points}, prepared_at=utc_now()))
    return sum(point["key"] not in known for point in wanted)


def _snapshots(session: Session, use_case: str) -> list[dict[str, Any]]:
    """Oldest first; the moment of a snapshot is that of its newest row."""
    query = (select(Snapshot.time_to, Snapshot.created_at, Snapshot.manifest["profile_key"].as_string())
             .where(Snapshot.use_case == use_case).order_by(Snapshot.created_at.desc()).limit(SNAPSHOTS_MAX))
    return [_point("snapshot", to or made, key) for to, made, key in reversed(session.execute(query).all()) if key]


def _windows(session: Session, use_case: str) -> list[dict[str, Any]]:
    query = (select(Window.start, Window.version, Window.reports["profile"].as_string()).where(Window.use_case == use_case)
             .order_by(Window.start.desc(), Window.version.desc()).limit(WINDOWS_MAX))
    return [_point("window", start, key) | {"version": version} for start, version, key in reversed(session.execute(query).all()) if key]


def _point(kind: str, at: datetime, key: str) -> dict[str, Any]:
    return {"kind": kind, "at": iso(at), "key": key}


def _summed(lake: Lake, point: dict[str, Any]) -> dict[str, Any]:
    from reports.profiles import Profile

    try:
        profile = kept_profile(lake, point["key"]) if point["kind"] == "window" else Profile.from_json(lake.get(point["key"]))
    except DataError as error:
        return {"problem": error.what}
    return {"rows": profile.rows, "columns": _columns(profile)}


def _columns(profile: Profile) -> dict[str, dict[str, Any]]:
    return {name: _numbers(one) if one.kind in ("numeric", "date") else _texts(one)  # type: ignore[arg-type]
            for name, one in profile.columns.items() if not name.startswith("_")}


def _numbers(one: NumericProfile) -> dict[str, Any]:
    """Mean, and the values that 5, 50 and 95 % of the rows stay below; in the column's unit, dates in seconds since 1970."""
    missing = one.missing / one.rows if one.rows else None
    places = {name: one.sketch.quantile(share) if one.count else None for name, share in PLACES.items()}
    return {"kind": one.kind, "missing": missing, "mean": one.mean if one.count else None, **places}


def _texts(one: CategoryProfile) -> dict[str, Any]:
    """Shares of the rows with a value: of the listed ones most frequent in the baseline, and of all that are not listed."""
    shares = dict(zip(one.categories[:3], one.counts[:3], strict=False)) if one.count else {}
    return {"kind": one.kind, "missing": one.missing / one.rows if one.rows else None, "distinct": one.distinct,
            "shares": {name: rows / one.count for name, rows in shares.items()}, "unlisted": one.other / one.count if one.count else None}
