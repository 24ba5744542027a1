"""Groups of people in production, window by window: a rate with its interval, or a gap with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.window_part import WindowPart

METRIC = "fairness.groups"


@dataclass(frozen=True)
class GroupPoint:
    """One group in one window. Without a `value`, `why` says what is missing; `n`: rows that the rate rests on."""

    start: datetime
    end: datetime
    value: Number
    low: Number
    high: Number
    n: int
    why: str = ""


@dataclass(frozen=True)
class GroupTimes:
    """One attribute over the windows: rate → group → points, a point for every window; `favourable`: which answer is."""

    attribute: str
    rates: dict[str, dict[str, list[GroupPoint]]]
    favourable: str


def group_times(parts: list[WindowPart], rates: tuple[str, ...]) -> list[GroupTimes]:
    """Attributes in the order of the newest window; empty where no window holds rates of groups (older windows do not)."""
    tables = [(part, {one.segment.removeprefix("attribute="): one.detail for one in part.findings if one.metric == METRIC})
              for part in parts]
    names = list(dict.fromkeys(name for _, table in reversed(tables) for name in table))
    return [_one(name, tables, rates) for name in names]


def _one(name: str, tables: list[tuple[WindowPart, dict[str, Any]]], rates: tuple[str, ...]) -> GroupTimes:
    rows = {(part.start, part.version): {str(row["group"]): row for row in table.get(name, {}).get("groups", [])} for part, table in tables}
    sizes: dict[str, int] = {}
    for own in rows.values():
        for group, row in own.items():
            sizes[group] = sizes.get(group, 0) + int(row["rows"])
    order = sorted(sizes, key=lambda group: (-sizes[group], group))
    found = {rate: {group: [_point(part, rows[part.start, part.version].get(group), rate, name in table) for part, table in tables]
                    for group in order} for rate in rates}
    favourable = next((str(table[name].get("favourable", "positive")) for _, table in reversed(tables) if name in table), "positive")
    return GroupTimes(name, found, favourable)


def _point(part: WindowPart, row: dict[str, Any] | None, rate: str, looked: bool) -> GroupPoint:
    if row is None:
        why = "nobody of this group asked, or too few to be named" if looked else "this window was judged before groups were kept"
        return GroupPoint(part.start, part.end, None, None, None, 0, why)
    found = row.get(rate) or {}
    n, value = int(found.get("n", 0)), number(found.get("value"))
    known = "" if rate == "selection_rate" else f"; {int(row.get('labelled', 0)):,} of {int(row['rows']):,} outcomes are known"
    why = "" if value is not None else f"not enough evidence: n = {n:,}, at least {int(found.get('needed', 0)):,} needed{known}"
    return GroupPoint(part.start, part.end, value, number(found.get("low")), number(found.get("high")), n, why)
