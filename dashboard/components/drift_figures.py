"""Figures of the Drift page: cells that can be clicked, three distributions side by side, a limit on trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.theme import palette
from interlock.control.readmodel.signals import SignalState
from interlock.rules.alarm_backtest import Outcome

Shares = Sequence[float]
CELL_PX = 18
MANY = 60  # windows, above which the gaps between cells would take too much of them
MARKS = {Outcome.BEFORE: "triangle-up", Outcome.WITH: "diamond", Outcome.FALSE: "x-thin", Outcome.OPEN: "circle-open"}
ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


def shown(text: str) -> str:
    """Plotly reads a few HTML tags in texts: keep them out of names that come from data."""
    for letter, entity in ENTITIES:
        text = text.replace(letter, entity)
    return text


def clickable(figure: Any, names: Sequence[str], windows: Sequence[str], notes: Any, cell: tuple[int, int]) -> Any:
    """The map with something to click on in every cell (Plotly cannot select cells of a heat map), and a frame around the chosen one.

    `cell`: row and place of the chosen cell, -1 where it is not on the map. `notes`: array (names, windows) of what each cell says. A point
    carries the number of its cell, row by row, as `customdata`. Arrays, because Plotly copies lists one by one.
    """
    unseen = {"marker": {"opacity": 0}}
    figure.add_scatter(
        x=np.tile(np.array(windows), len(names)),
        y=np.repeat(np.array([shown(name) for name in names]), len(windows)),
        customdata=np.arange(len(names) * len(windows)),
        text=np.array(notes).ravel(),
        mode="markers",
        marker={"symbol": "square", "size": CELL_PX, "opacity": 0},
        selected=unseen,
        unselected=unseen,
        showlegend=False,
        hovertemplate="%{y}<br>%{x}<br>%{text}<extra></extra>",
    )
    if len(windows) > MANY:
        figure.update_traces(xgap=1, selector={"type": "heatmap"})
    figure.update_xaxes(showgrid=False, range=[-0.5, len(windows) - 0.5])
    figure.update_yaxes(showgrid=False, range=[len(names) - 0.5, -0.5])
    row, place = cell
    if row >= 0 and place >= 0:
        line = {"color": palette().text, "width": 2}
        figure.add_shape(type="rect", x0=place - 0.5, x1=place + 0.5, y0=row - 0.5, y1=row + 0.5, line=line)
    return figure


def distributions(labels: Sequence[str], sides: Mapping[str, Shares]) -> Any:
    """Shares per group, side by side: training rows grey, the window before hatched, this window in the accent."""
    colours = palette()
    looks = ((colours.quiet, ""), (colours.accent, "/"), (colours.accent, ""))
    figure = go.Figure()
    for (name, shares), (colour, pattern) in zip(sides.items(), looks if len(sides) == 3 else (looks[0], looks[2]), strict=False):
        marker: dict[str, Any] = {"color": colour}
        if pattern:
            marker = {"color": "rgba(0,0,0,0)", "line": {"color": colour, "width": 1}}
            marker["pattern"] = {"shape": pattern, "fgcolor": colour, "size": 5, "solidity": 0.25}
        figure.add_bar(
            x=[shown(label) for label in labels],
            y=list(shares),
            name=name,
            marker=marker,
            hovertemplate=f"%{{x}}: %{{y:.1%}}<extra>{name}</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(type="category")
    return figure


def on_trial(
    times: Sequence[datetime], values: Sequence[float | None], outcomes: Sequence[Outcome | None], lost: Sequence[bool | None], limit: float
) -> Any:
    """The watched value with its limit, alarms by what they turned out to be, and real losses as bars over the whole height."""
    colours = palette()
    looks = {
        Outcome.BEFORE: SignalState.PASS,
        Outcome.WITH: SignalState.WARN,
        Outcome.FALSE: SignalState.FAIL,
        Outcome.OPEN: SignalState.UNKNOWN,
    }
    figure = go.Figure()
    for at, was in zip(times, lost, strict=True):
        if was:
            figure.add_vline(x=at, line_color=colours.states[SignalState.FAIL], line_width=5, opacity=0.3, layer="below")
    figure.add_scatter(
        x=list(times),
        y=list(values),
        mode="lines",
        line={"color": colours.quiet, "width": 1.5},
        connectgaps=False,
        name="value",
        hovertemplate="%{y:.3g}<extra></extra>",
    )
    for outcome, symbol in MARKS.items():
        own = [(at, value) for at, value, one in zip(times, values, outcomes, strict=True) if one is outcome]
        if own:
            look = {"size": 11, "symbol": symbol, "color": colours.states[looks[outcome]], "line": {"width": 2}}
            figure.add_scatter(
                x=[at for at, _ in own], y=[value for _, value in own], mode="markers", name=f"alarm: {outcome.value}", marker=look
            )
    figure.add_hline(y=limit, line_color=colours.states[SignalState.FAIL], line_dash="dash", line_width=1)
    if any(lost):
        loss = {"size": 11, "symbol": "square", "color": colours.states[SignalState.FAIL], "opacity": 0.3}
        figure.add_scatter(x=[None], y=[None], mode="markers", name="real loss", marker=loss, hoverinfo="skip")
    figure.update_yaxes(rangemode="tozero")
    return figure
