"""The viewer's time zone, as their browser tells it; UTC where it tells none or one that this machine does not know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def viewer() -> tzinfo:
    """The zone times are shown in."""
    return _known(st.context.timezone) or UTC


def sentence(now: datetime) -> str:
    """One sentence for the sidebar: which zone is shown, and why where it is not the viewer's own."""
    asked = st.context.timezone
    zone = _known(asked)
    if zone is None:
        return f"Times are in UTC: the zone '{asked}' is not known here." if asked else "Times are in UTC: your browser names no zone."
    if is_utc(now, zone):
        return "Times are in UTC."
    return f"Times are in {asked} ({offset(now, zone)}), UTC in brackets."


def offset(at: datetime, zone: tzinfo) -> str:
    """`UTC+2`, `UTC−3:30`, at that moment."""
    shift = at.astimezone(zone).utcoffset() or timedelta()
    hours, minutes = divmod(abs(shift) // timedelta(minutes=1), 60)
    return f"UTC{'−' if shift < timedelta() else '+'}{hours}{f':{minutes:02d}' if minutes else ''}"


def is_utc(at: datetime, zone: tzinfo) -> bool:
    """Whether the zone's clocks show UTC at that moment."""
    return not at.astimezone(zone).utcoffset()


def table_time(label: str, *, seconds: bool = False) -> Any:
    """A table's column of moments in the viewer's zone, which its heading names where it is not UTC."""
    zone = viewer()
    name = "UTC" if zone is UTC else str(zone)
    shape = "YYYY-MM-DD HH:mm:ss" if seconds else "YYYY-MM-DD HH:mm"
    return st.column_config.DatetimeColumn(f"{label} ({name})", format=shape, timezone=name)


def _known(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no such zone, or no name of one
        return None
