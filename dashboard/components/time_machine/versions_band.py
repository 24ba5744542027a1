"""Who answered when, drawn: one row per version, a bar for each time that it answered, a thin one for a share beside the champion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from dashboard.components.chart import draw
from dashboard.components.plots import _safe
from dashboard.components.words import moment, span
from dashboard.theme import palette
from interlock.control.past.timeline import Stretch

ROW, MARGIN = 38, 70
ABOUT = """One row per version, from the **ledger**. A full bar: it answered everybody else's requests as the champion. A thin bar: it had a
share of the requests, or was in the shadow, beside the champion. Dotted lines: the moments chosen above."""


def versions_band(stretches: Sequence[Stretch], now: datetime, marks: Sequence[datetime], *, use_case: str) -> None:
    """Draw it; nothing without a release."""
    if not stretches:
        return
    versions = sorted({slot.version for one in stretches for slot in (one.champion, one.candidate) if slot is not None})
    figure = _bars(stretches, now, versions)
    for at in marks:
        figure.add_vline(x=at, line_color=palette().second, line_dash="dot", line_width=2)
    rows = [
        {
            "version": slot.version,
            "as": role,
            "from": moment(one.since),
            "until": moment(one.until) if one.until else "now",
            "percent of requests": percent,
            "by": one.actor,
            "why": one.reason,
        }
        for one in stretches
        for slot, role, percent in (
            (one.champion, "champion", 100 - (one.candidate_percent if one.candidate_mode != "shadow" else 0)),
            (one.candidate, "candidate", one.candidate_percent),
        )
        if slot is not None
    ]
    draw(
        figure,
        title="Which version answered when",
        about=ABOUT,
        unit="version",
        n=None,
        window=span(stretches[0].since, now),
        height=MARGIN + ROW * len(versions),
        legend=False,
        key=f"band {use_case}",
        rows=rows,
    )


def _bars(stretches: Sequence[Stretch], now: datetime, versions: Sequence[int]) -> Any:
    colours, figure = palette(), go.Figure()
    least = max((now - stretches[0].since).total_seconds() * 1_000 / 400, 1.0)  # a bar is at least as wide as can be seen
    for one in stretches:
        lasted = max(((one.until or now) - one.since).total_seconds() * 1_000, least)
        for slot, width, colour in ((one.champion, 0.62, colours.accent), (one.candidate, 0.22, colours.second)):
            if slot is not None:
                figure.add_bar(
                    y=[versions.index(slot.version)],
                    x=[lasted],
                    base=[one.since],
                    orientation="h",
                    width=width,
                    marker_color=colour,
                    showlegend=False,
                    hovertemplate=f"version {slot.version}<br>{_safe(f'{moment(one.since)}: {one.reason[:100]}')}<extra></extra>",
                )
    figure.update_yaxes(tickvals=list(range(len(versions))), ticktext=[f"version {one}" for one in versions], showgrid=False)
    figure.update_xaxes(type="date", nticks=4)
    figure.update_layout(barmode="overlay")
    return figure
