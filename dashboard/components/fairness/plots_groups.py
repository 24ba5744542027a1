"""Figures of groups: dots with whiskers in panels beside each other, rates over every threshold, and lines with bands over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from dashboard.components.plots import band
from dashboard.theme import palette
from interlock.control.readmodel.group_times import GroupPoint
from interlock.control.readmodel.groups import Value
from interlock.control.readmodel.signals import SignalState

SPAN_MIN = 0.2  # of an axis of shares
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def whiskers(names: Sequence[str], values: Sequence[Value], reference: float | None, *, share: bool) -> Any:
    """A dot with its interval per group; `reference`: an upright line, None: none.

    A value that is not there is a hollow diamond at the left edge with its reason on hover, so that nobody reads it as zero. Shares are
    drawn over the part of 0 to 1 that holds them, a fifth of it at least.
    """
    colours = palette()
    rows = [escape(name, quote=False) for name in names]
    low, high = _ends(values, reference, share=share)
    known = [(row, one.value, one.low, one.high) for row, one in zip(rows, values, strict=True) if one.value is not None]
    figure = go.Figure()
    figure.add_scatter(
        y=[row for row, *_ in known],
        x=[value for _, value, _, _ in known],
        mode="markers",
        showlegend=False,
        marker={"size": 9, "color": colours.accent},
        hovertemplate="%{y}: %{x:.3g}<extra></extra>",
        error_x={
            "type": "data",
            "symmetric": False,
            "thickness": 1.5,
            "width": 4,
            "color": colours.quiet,
            "array": [(top if top is not None else value) - value for _, value, _, top in known],
            "arrayminus": [value - (bottom if bottom is not None else value) for _, value, bottom, _ in known],
        },
    )
    _absent(figure, rows, values, low + 0.02 * (high - low))
    if reference is not None:
        figure.add_vline(x=reference, line_color=colours.quiet, line_dash="dot", line_width=1)
    figure.update_xaxes(range=[low, high], tickformat=".0%" if share else "", nticks=6, zeroline=False)
    figure.update_yaxes(autorange="reversed", type="category", categoryorder="array", categoryarray=rows)
    return figure


def _absent(figure: Any, rows: Sequence[str], values: Sequence[Value], edge: float) -> None:
    """What was not measured, at the edge, with the reason on hover."""
    gone = [(row, one.note) for row, one in zip(rows, values, strict=True) if one.value is None]
    figure.add_scatter(
        y=[row for row, _ in gone],
        x=[edge] * len(gone),
        mode="markers",
        showlegend=False,
        customdata=[escape(note, quote=False) for _, note in gone],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
        marker={"size": 9, "symbol": "diamond-open", "color": palette().states[SignalState.UNKNOWN]},
    )


def _ends(values: Sequence[Value], reference: float | None, *, share: bool) -> tuple[float, float]:
    """The stretch of the axis that holds every dot and whisker, with some room."""
    told = [one for value in values for one in (value.value, value.low, value.high) if one is not None]
    told += [reference] if reference is not None else []
    low, high = min(told, default=0.0), max(told, default=1.0)
    span = max(high - low, SPAN_MIN if share else 1e-9)
    low, high = low - 0.15 * span, max(high + 0.1 * span, low + span)
    return (max(-0.01, low), min(1.01, high)) if share else (low, high)


def rates_by_threshold(thresholds: Sequence[float], groups: Mapping[str, Sequence[float | None]], chosen: float, served: float) -> Any:
    """One line per group over every threshold, told apart by colour and dash; upright: the chosen threshold, dotted: the served one."""
    colours = palette()
    looks = (*colours.series, colours.text)
    figure = go.Figure()
    for place, (name, values) in enumerate(groups.items()):
        figure.add_scatter(
            x=list(thresholds),
            y=list(values),
            mode="lines",
            name=escape(name, quote=False),
            connectgaps=False,
            line={"color": looks[place % len(looks)], "dash": DASHES[place % len(DASHES)], "width": 2},
            hovertemplate="threshold %{x:.2f}: %{y:.1%}<extra>" + escape(name, quote=False) + "</extra>",
        )
    figure.add_vline(x=chosen, line_color=colours.text, line_width=1)
    if served != chosen:
        figure.add_vline(x=served, line_color=colours.quiet, line_width=1, line_dash="dot")
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", tickvals=[0, 0.5, 1])
    return figure


def groups_over_time(points: Mapping[str, Sequence[GroupPoint]], *, limit: float | None = None, share: bool = True) -> Any:
    """One line per group with its interval as a band; a window without a value is a gap. `limit`: dashed."""
    colours = palette()
    looks = (*colours.series, colours.text)
    figure = go.Figure()
    for place, (name, own) in enumerate(points.items()):
        colour, times = looks[place % len(looks)], [point.start for point in own]
        for run in _runs(own):
            band(figure, [one.start for one in run], [one.low for one in run], [one.high for one in run], colour)
        figure.add_scatter(
            x=times,
            y=[point.value for point in own],
            mode="lines+markers",
            name=escape(name, quote=False),
            connectgaps=False,
            line={"color": colour, "dash": DASHES[place % len(DASHES)]},
            marker={"size": 6},
            customdata=[f"n = {point.n:,}" for point in own],
            hovertemplate="%{y:.1%}, %{customdata}<extra>" + escape(name, quote=False) + "</extra>",
        )
    if limit is not None:
        figure.add_hline(y=limit, line_color=colours.states[SignalState.FAIL], line_dash="dash", line_width=1)
    known = next(iter(points.values()), [])
    if known:
        room = (known[0].end - known[0].start) / 2
        figure.update_xaxes(range=[known[0].start - room, known[-1].start + room])
    figure.update_yaxes(tickformat=".0%" if share else "", rangemode="tozero")
    return figure


def _runs(points: Sequence[GroupPoint]) -> list[list[GroupPoint]]:
    """Windows with a value that follow each other: a band does not reach over a gap."""
    runs: list[list[GroupPoint]] = [[]]
    for point in points:
        if point.value is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]
