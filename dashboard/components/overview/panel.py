"""The panel: one line per use case, one column per signal. Every shape leads to the page that explains it and tells its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap

import streamlit as st

from dashboard.components.overview.spark import spark, spoken
from dashboard.components.words import age, number, plain
from dashboard.theme import LOOKS
from interlock.control.readmodel.needs import PAGES
from interlock.control.readmodel.overview import Row
from interlock.control.readmodel.panel import SHARE, Trend
from interlock.control.readmodel.signals import Signal, SignalState

ROOM = 5 * "\u00a0"  # keeps the column as wide as the picture
LINE = 24  # characters of a title on one line
SHORT = {"Performance": "Perf.", "Fairness": "Fair", "Latency": "Speed", "Reasons": "Why", "Freshness": "Fresh"}


def panel_table(rows: Sequence[Row], now: datetime) -> None:
    """All rows as one table: it is read by row and by column, and scrolls sideways on a phone."""
    heads = [SHORT.get(signal.name, signal.name) for signal in rows[0].signals]
    table: dict[str, list[str]] = {"Use case": [_name(row) for row in rows], "Live": [_live(row, now) for row in rows]}
    for place, head in enumerate(heads):
        table[head] = [lamp(row.signals[place], row.entry.name) for row in rows]
    table["Trend"] = [_trend(row.trend) for row in rows]
    table["Decision"] = [_decision(row) for row in rows]
    st.table(table, border="horizontal", width="stretch", hide_index=True)


def lamp(signal: Signal, use_case: str) -> str:
    """Markdown of one signal: its shape in its colour, the sentence on hover, a link to where it is explained."""
    look = LOOKS[signal.state]
    said = plain(f"{signal.name}, {look.word}: {signal.sentence}").replace('"', "”")
    return there(PAGES.get(signal.name, "overview"), use_case, f":{look.colour}[{look.shape}]", said)


def there(page: str, use_case: str, label: str, said: str = "") -> str:
    """Markdown of a link to a page about a use case; `said` (without quotes) shows on hover."""
    title = f' "{said}"' if said else ""
    return f"[{label}]({page}?use_case={use_case}{title})"


def _name(row: Row) -> str:
    """Title and owner; a file that cannot be used is marked."""
    mark = "" if not row.entry.problem else ":gray[◇] "
    title = there("use_case", row.entry.name, _lines(row.entry.title))
    return f"{mark}{title}  \n:small[:gray[{_lines(row.entry.owner or 'nobody')}]]"


def _live(row: Row, now: datetime) -> str:
    """What answers, by the endpoint's own word; `?` and the last known version where it could not be asked."""
    live = row.live
    slot = live.answering or (live.route.champion if live.route else None)
    if slot is None:
        return ":gray[none]"
    since = f" · {_together(_age(row.live_since, now))}" if row.live_since else ""
    if live.problem:
        return f":gray[v{slot.version}?{since}]"
    moving = row.live.observed.candidate if row.live.observed else None
    beside = f" + v{moving.version}" if moving is not None else ""
    differs = "" if live.agreed else " :orange[▲]"
    return f"v{slot.version}{beside}{since}{differs}"


def _age(since: datetime, now: datetime) -> str:
    """`3 h`, `12 d`: an age that fits into a narrow column."""
    count, _, unit = age(since, now).partition(" ")
    return f"{count} {unit.removesuffix('s')[:1] if not unit.startswith('mi') else 'min'}" if unit != "now" else "now"


def _trend(trend: Trend) -> str:
    if trend.newest is None:
        return ":gray[–]"
    newest = f"{trend.newest:.0%}" if trend.metric == SHARE else number(trend.newest)
    picture = spark(trend.values, plain(spoken(trend.name, trend.values)), marked=trend.beyond)
    return f"{picture} {_together(plain(f'{trend.name} {newest}'))}{ROOM}"


def _together(text: str) -> str:
    """The same words on one line: a column is never narrower than that."""
    return text.replace(" ", "\u00a0")


def _lines(text: str) -> str:
    """Broken into lines of about `LINE` characters, so that a title keeps its room beside many narrow columns."""
    return " ".join(_together(plain(line)) for line in wrap(text, LINE))


def _decision(row: Row) -> str:
    words = {"pass": SignalState.PASS, "fail": SignalState.FAIL, "unknown": SignalState.UNKNOWN}
    told = []
    for one in row.waiting[:2]:
        look = LOOKS[words.get(one.verdict, SignalState.UNKNOWN)]
        told.append(f":{look.colour}[{look.shape}] {there('approvals', row.entry.name, f'v{one.version} waits')}")
    if len(row.waiting) > 2:
        told.append(f"+ {len(row.waiting) - 2}")
    if not told and row.release is not None and row.release.undecided:
        told.append(there("releases", row.entry.name, f"v{row.release.version} on its way", plain(row.release.words)))
    return ", ".join(told) or ":gray[–]"
