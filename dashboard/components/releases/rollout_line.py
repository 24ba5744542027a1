"""The way of a release, drawn: one bar per stage, one after the other, with how long it took and how it ended; and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import log1p
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import _safe
from dashboard.components.words import moment
from dashboard.desk import Desk
from dashboard.theme import LOOKS, palette
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.phases import Phase, ahead_of, phases_of
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.records.store import utc_now

ROW, MARGIN = 34, 60
ABOUT = """The stages of this release from its approval on, one below the other, from the **ledger**. A bar begins where the one above it
ends; its length grows with the logarithm of its duration, so that seconds and days fit side by side. Colour: how the stage ended (orange:
it lasts; grey: a person is asked; hollow: still to come, with the time that it takes at least)."""


def rollout_line(desk: Desk, entry: Entry, release: ReleaseView, *, first: bool) -> None:
    """The drawn timeline with its table a tap away; nothing where the ledger has no entry about the release."""
    begun: tuple[Phase, ...] = desk.soon(phases_of, release.id)
    if not begun:
        return
    whole, now = (*begun, *ahead_of(entry.spec, release.state, release.step, first=first)), utc_now()
    draw(
        _bars(whole, now),
        title=f"The way of version {release.version}",
        about=ABOUT,
        unit="logarithm of the duration",
        window=f"from {moment(begun[0].start)}",
        height=MARGIN + ROW * len(whole),
        legend=False,
        key=f"way {release.id}",
        rows=[_row(one, now) for one in whole],
    )
    with st.expander("Stages as a table"):
        st.dataframe([_row(one, now) for one in whole], hide_index=True, placeholder="–")


def lasted(seconds: float) -> str:
    """`0.9 s`, `8 s`, `5 min 3 s`, `2 h 10 min`, `3 days 4 h`."""
    if seconds < 0.05:
        return "at once"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds < 5 else f"{seconds:.0f} s"
    whole = int(seconds)
    for size, word, small, unit in ((86_400, "day", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            count, rest = whole // size, whole % size // small
            name = f"{word}s" if word == "day" and count > 1 else word
            return f"{count} {name} {rest} {unit}" if rest else f"{count} {name}"
    return "0 s"


def _bars(whole: Sequence[Phase], now: datetime) -> Any:
    colours, figure, at = palette(), go.Figure(), 0.0
    for n, one in enumerate(whole):
        width = 0.25 + log1p(max(0.0, one.seconds(now)))
        figure.add_bar(
            y=[n],
            x=[width],
            base=[at],
            orientation="h",
            width=0.62,
            marker={
                "color": "rgba(0,0,0,0)" if one.planned else colours.states[one.state],
                "line": {"color": colours.states[one.state], "width": 1.5 if one.planned else 0},
            },
            hovertemplate=f"{_safe(one.name)}: {_safe(_said(one, now))}<br>{_safe(one.sentence[:120])}<extra></extra>",
            showlegend=False,
        )
        at += width
    right = [at * 1.02] * len(whole)
    texts = [_safe(_said(one, now)) for one in whole]
    figure.add_scatter(
        x=right,
        y=list(range(len(whole))),
        mode="text",
        text=texts,
        textposition="middle right",
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )
    names = [f"{LOOKS[one.state].shape if not one.planned else '○'} {_safe(one.name)}" for one in whole]
    figure.update_yaxes(tickvals=list(range(len(whole))), ticktext=names, autorange="reversed", showgrid=False)
    figure.update_xaxes(visible=False, range=[0, at * 1.55])
    figure.update_layout(barmode="overlay")
    return figure


def _said(one: Phase, now: datetime) -> str:
    if one.planned:
        return f"at least {lasted(one.least_s)}" if one.least_s else "to come"
    if one.start == one.end:
        return ""
    return f"{lasted(one.seconds(now))}{' so far' if one.end is None else ''}"


def _row(one: Phase, now: datetime) -> dict[str, str]:
    look = LOOKS[one.state]
    ended = "to come" if one.planned else "lasts" if one.end is None else f"{look.shape} {look.word}"
    return {
        "stage": one.name,
        "from": moment(one.start) if one.start else "–",
        "duration": _said(one, now) or "–",
        "ended": ended,
        "by": one.by,
        "what": plain_text(one.sentence),
    }


def plain_text(text: str) -> str:
    """One line of text for a cell that reads no Markdown."""
    return " ".join(text.split())
