"""Values as people read them: numbers with units, times in the viewer's zone and UTC, digests short, foreign text made harmless."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from dashboard.components.zone import is_utc, viewer

STAMP = "%Y-%m-%d %H:%M"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>$~&^=])")
_DIRECTIVE = re.compile(r":(?=[A-Za-z_+-][\w+-]*[:\[/(])")  # :red[…], :material/…:, :smile:
_LINK = re.compile(r"(?=://|(?<=www)\.|@)")  # addresses become links by themselves unless something invisible parts them


def plain(text: object) -> str:
    """Text for a place that reads Markdown, so that it shows letter by letter: no link, image, colour or icon comes out of it."""
    flat = _LINK.sub("\u2060", _DIRECTIVE.sub(":\u2060", " ".join(str(text).split())))
    return _SPECIAL.sub(r"\\\1", flat)


def moment(value: datetime | None) -> str:
    """In the viewer's zone with UTC beside it: `2013-05-04 16:03 (14:03 UTC)`; `2013-05-04 14:03 UTC` where both are one; `never` for None.

    Beside it, not on hover: a phone has no pointer, and neither paper nor a screen reader hovers.
    """
    if value is None:
        return "never"
    zone = viewer()
    if is_utc(value, zone):
        return f"{value.astimezone(UTC):{STAMP}} UTC"
    return f"{value.astimezone(zone):{STAMP}} ({_utc_beside(value, zone)} UTC)"


def span(start: datetime, end: datetime) -> str:
    """`2013-05-04 00:00 to 2013-05-05 00:00 UTC`; in another zone `2013-05-04 02:00 to 2013-05-05 02:00 (00:00 to 00:00 UTC)`."""
    zone = viewer()
    if is_utc(start, zone) and is_utc(end, zone):
        return f"{start.astimezone(UTC):{STAMP}} to {end.astimezone(UTC):{STAMP}} UTC"
    both = f"{_utc_beside(start, zone)} to {_utc_beside(end, zone)} UTC"
    return f"{start.astimezone(zone):{STAMP}} to {end.astimezone(zone):{STAMP}} ({both})"


def _utc_beside(value: datetime, zone: tzinfo) -> str:
    """The time of day in UTC, with the day where it is another one there."""
    utc = value.astimezone(UTC)
    return f"{utc:%H:%M}" if utc.date() == value.astimezone(zone).date() else f"{utc.day} {utc:%b %H:%M}"


def age(value: datetime | None, now: datetime) -> str:
    """`3 days`, `5 minutes`, `just now`."""
    if value is None:
        return "unknown"
    seconds = (now - value).total_seconds()
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return "just now"


def short(digest: str | None) -> str:
    """The first 12 hexadecimal digits of a digest, enough to compare by eye."""
    return f"{digest.removeprefix('sha256:')[:12]}" if digest else "none"


def number(value: float | None, unit: str = "") -> str:
    """Three significant digits with unit; an en dash where there is no value."""
    if value is None or value != value:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def interval(low: float | None, high: float | None) -> str:
    """`0.91 to 0.93`, empty without an interval."""
    return f"{number(low)} to {number(high)}" if low is not None and high is not None else ""


def usd(value: float | None) -> str:
    """US dollars; small amounts keep the digits that tell them apart."""
    if value is None:
        return "–"
    return f"${value:,.2f}" if abs(value) >= 0.1 or value == 0 else f"${value:.4f}"


def size(count: int) -> str:
    """Bytes in the unit that reads best."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
