"""Figures from plain values. Nothing is computed here beyond placing what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from dashboard.theme import palette
from interlock.control.readmodel.signals import SignalState

PSI_TOP = 0.5  # colours end here: twice the usual limit
DAY_MS = 86_400_000
DAYS_SHOWN_MIN = 7
TICKS = 5  # labels that fit side by side on a phone


def heat_map(
    columns: Sequence[str], windows: Sequence[str], values: Sequence[Sequence[float | None]], notes: Sequence[Sequence[str]]
) -> Any:
    """Columns × windows. A cell without a value stays empty and says why on hover."""
    ramp = palette().ramp
    scale = [[n / (len(ramp) - 1), colour] for n, colour in enumerate(ramp)]
    bar = {
        "title": {"text": "PSI", "side": "right"},
        "thickness": 10,
        "outlinewidth": 0,
        "tickvals": [0, 0.1, 0.25, PSI_TOP],
        "ticktext": ["0", "0.1", "0.25", f"{PSI_TOP}+"],
    }
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(windows),
            y=[_safe(one) for one in columns],
            customdata=notes,
            colorscale=scale,
            zmin=0,
            zmax=PSI_TOP,
            xgap=2,
            ygap=2,
            colorbar=bar,
            hovertemplate="%{y}<br>%{x}<br>%{customdata}<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    step = max(1, -(-len(windows) // TICKS))
    figure.update_xaxes(type="category", tickvals=list(windows)[::step], tickangle=0)
    return figure


def pair_of_histograms(labels: Sequence[str], baseline: Sequence[float], current: Sequence[float]) -> Any:
    """Shares per bin, baseline beside current."""
    figure = go.Figure()
    colours = palette()
    for name, shares, colour in (("when trained", baseline, colours.quiet), ("in this window", current, colours.accent)):
        figure.add_bar(
            x=[_safe(label) for label in labels],
            y=list(shares),
            name=name,
            marker_color=colour,
            hovertemplate="%{x}: %{y:.1%}<extra>" + name + "</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(type="category")
    return figure


def bars(names: Sequence[str], series: Mapping[str, Sequence[float | None]], hover: str = "%{y}: %{x:.3g}", *, shares: bool = False) -> Any:
    """Horizontal bars, the first name on top; one colour per series. `shares`: values from 0 to 1, read as percent."""
    figure = go.Figure()
    colours = palette()
    for (title, values), colour in zip(series.items(), (colours.accent, colours.quiet, colours.second), strict=False):
        figure.add_bar(
            y=[_safe(one) for one in names],
            x=list(values),
            name=_safe(title),
            orientation="h",
            marker_color=colour,
            hovertemplate=hover + f"<extra>{_safe(title)}</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_yaxes(autorange="reversed", type="category")
    if shares:
        figure.update_xaxes(tickformat="~%")
    return figure


def curve(
    x: Sequence[float],
    y: Sequence[float | None],
    *,
    x_title: str,
    y_title: str,
    diagonal: bool = False,
    name: str = "candidate",
    others: Mapping[str, Sequence[float | None]] | None = None,
) -> Any:
    """A line, with the diagonal of a coin toss or of perfect calibration where it means something; `others` share its x."""
    colours = palette()
    figure = go.Figure()
    if diagonal:
        figure.add_scatter(
            x=[0, 1], y=[0, 1], mode="lines", line={"color": colours.quiet, "dash": "dot", "width": 1}, showlegend=False, hoverinfo="skip"
        )
    mode = "lines+markers" if len(x) <= 25 else "lines"
    figure.add_scatter(x=list(x), y=list(y), mode=mode, name=_safe(name), line={"color": colours.accent, "width": 2})
    for (title, values), dash in zip((others or {}).items(), ("dash", "dot", "dashdot", "longdash"), strict=False):
        figure.add_scatter(x=list(x), y=list(values), mode="lines", name=_safe(title), line={"width": 2, "dash": dash})
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title, rangemode="tozero")
    return figure


def over_time(
    times: Sequence[datetime],
    lines: Mapping[str, Sequence[float | None]],
    *,
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    limit: float | None = None,
) -> Any:
    """Values over windows with their interval as a band; a window without a value is a gap in the line."""
    colours = palette()
    figure = go.Figure()
    if low is not None and high is not None:
        band(figure, times, low, high)
    for (name, values), colour in zip(lines.items(), (colours.accent, colours.second, colours.third), strict=False):
        figure.add_scatter(
            x=list(times),
            y=list(values),
            name=_safe(name),
            mode="lines+markers",
            marker={"size": 5},
            line={"color": colour},
            connectgaps=False,
        )
    if limit is not None:
        figure.add_hline(y=limit, line_color=colours.states[SignalState.FAIL], line_dash="dash", line_width=1)
    return figure


def band(figure: Any, times: Sequence[datetime], low: Sequence[float | None], high: Sequence[float | None], colour: str = "") -> None:
    """The interval of each point as one shaded area; points without one are left out. `colour`: the accent where none is given."""
    known = [(time, bottom, top) for time, bottom, top in zip(times, low, high, strict=True) if bottom is not None and top is not None]
    if known:
        figure.add_scatter(
            x=[time for time, _, _ in known] + [time for time, _, _ in reversed(known)],
            y=[top for _, _, top in known] + [bottom for _, bottom, _ in reversed(known)],
            fill="toself",
            mode="none",
            fillcolor=_faded(colour or palette().accent),
            showlegend=False,
            hoverinfo="skip",
        )


def stacked(days: Sequence[date], series: Mapping[str, Sequence[float]]) -> Any:
    """Bars per day, one colour per series; the axis shows a week at least, so that one day does not fill it."""
    figure = go.Figure()
    for name, values in series.items():
        figure.add_bar(x=list(days), y=list(values), name=_safe(name), width=0.8 * DAY_MS)
    figure.update_layout(barmode="stack")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(type="date", tickformat="%b %d\n%Y")
    if days:
        first = min(min(days), max(days) - timedelta(days=DAYS_SHOWN_MIN - 1))
        figure.update_xaxes(range=[f"{first - timedelta(days=1)} 12:00", f"{max(days)} 12:00"])
        if (max(days) - first).days < DAYS_SHOWN_MIN:
            figure.update_xaxes(dtick=DAY_MS)
    return figure


def intervals(
    names: Sequence[str],
    values: Sequence[float | None],
    lows: Sequence[float | None],
    highs: Sequence[float | None],
    reference: float | None = None,
) -> Any:
    """A dot with its interval per name."""
    colours = palette()
    shown = [(name, value, low, high) for name, value, low, high in zip(names, values, lows, highs, strict=True) if value is not None]
    figure = go.Figure(
        go.Scatter(
            y=[_safe(name) for name, *_ in shown],
            x=[value for _, value, _, _ in shown],
            mode="markers",
            marker={"size": 9, "color": colours.accent},
            showlegend=False,
            error_x={
                "type": "data",
                "symmetric": False,
                "thickness": 1.5,
                "color": colours.quiet,
                "array": [(high if high is not None else value) - value for _, value, _, high in shown],
                "arrayminus": [value - (low if low is not None else value) for _, value, low, _ in shown],
            },
        )
    )
    if reference is not None:
        figure.add_vline(x=reference, line_color=colours.quiet, line_dash="dot", line_width=1)
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _safe(text: str) -> str:
    """Plotly reads a few HTML tags in texts: keep them out of names that come from data."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
