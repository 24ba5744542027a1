"""Figures of change: two values per name joined by a line, and a map of differences around zero."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any

import plotly.graph_objects as go

from dashboard.theme import palette

POINTS_MIN = 2.0  # percentage points at which the colours of a map end at least: noise does not shine


def dumbbells(rows: Sequence[tuple[str, float, float]], before: str, now: str) -> Any:
    """One line per (name, before, now), the first on top; shares, 0 to 1."""
    colours = palette()
    names = [escape(name, quote=False) for name, _, _ in rows]
    figure = go.Figure()
    for name, (_, old, new) in zip(names, rows, strict=True):
        figure.add_scatter(
            x=[old, new], y=[name, name], mode="lines", line={"color": colours.quiet, "width": 2}, showlegend=False, hoverinfo="skip"
        )
    for title, values, symbol, colour in (
        (before, [old for _, old, _ in rows], "circle-open", colours.quiet),
        (now, [new for _, _, new in rows], "circle", colours.accent),
    ):
        figure.add_scatter(
            x=values,
            y=names,
            mode="markers",
            name=escape(title, quote=False),
            marker={"size": 10, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
            hovertemplate="%{y}: %{x:.1%}<extra>" + escape(title, quote=False) + "</extra>",
        )
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def share_map(names: Sequence[str], times: Sequence[datetime], versions: Sequence[int], cells: Sequence[Sequence[float | None]]) -> Any:
    """Names × windows, percentage points around 0; an empty cell was not among the strongest features of that window."""
    colours = palette()
    top = max([abs(cell) for row in cells for cell in row if cell is not None], default=0.0)
    most = max(top, POINTS_MIN)
    several = len(set(versions)) > 1
    labels = [f"{at:%m-%d %H:%M}" + (f" v{version}" if several else "") for at, version in zip(times, versions, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=cells,
            x=labels,
            y=[escape(name, quote=False) for name in names],
            zmin=-most,
            zmax=most,
            xgap=2,
            ygap=2,
            hoverongaps=False,
            colorscale=[[0, colours.accent], [0.5, colours.grid], [1, colours.second]],
            colorbar={"title": {"text": "points", "side": "right"}, "thickness": 8, "outlinewidth": 0},
            hovertemplate="%{y}<br>%{x}<br>%{z:+.1f} points<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(type="category", nticks=6, tickangle=0)
    return figure
