"""Figures of points with intervals: reliability, value by threshold, fairness against performance, real and estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

import plotly.graph_objects as go

from dashboard.components.plots import band, curve
from dashboard.components.words import span
from dashboard.theme import palette
from interlock.control.readmodel.signals import SignalState
from interlock.control.readmodel.trade import Frontier, Way

Numbers = Sequence[float | None]


def with_bars(figure: Any, x: Sequence[float], y: Numbers, low: Numbers, high: Numbers) -> Any:
    """The figure with the interval of each point that has one."""
    known = [(at, value, bottom, top) for at, value, bottom, top in zip(x, y, low, high, strict=True) if None not in (value, bottom, top)]
    figure.add_scatter(
        x=[at for at, *_ in known],
        y=[value for _, value, _, _ in known],
        mode="markers",
        marker={"size": 5, "color": palette().accent},
        error_y=_ends([value for _, value, _, _ in known], [low for *_, low, _ in known], [high for *_, high in known]),
        showlegend=False,
        hoverinfo="skip",
    )
    return figure


def value_by_threshold(
    threshold: Sequence[float], value: Sequence[float], champion: Sequence[float] | None, marks: Mapping[str, float], y_title: str
) -> Any:
    """Value at each threshold, the champion's beside it; `marks`: thresholds to point at, by name."""
    figure = curve(
        threshold, value, x_title="threshold", y_title=y_title, others={"champion": champion} if champion else None, name="candidate"
    )
    colours = palette()
    looks = zip(marks.items(), (colours.quiet, colours.third), ("top", "bottom"), strict=False)
    for (name, at), colour, place in looks:
        figure.add_vline(x=at, line_color=colour, line_dash="dash", line_width=1)
        nearest = min(range(len(threshold)), key=lambda n: abs(threshold[n] - at))
        figure.add_scatter(
            x=[at],
            y=[value[nearest]],
            mode="markers",
            name=f"{name} {at:.2g}",
            marker={"size": 10, "color": colour, "symbol": "diamond" if place == "top" else "star"},
        )
    figure.update_yaxes(rangemode="normal")
    return figure


def trade_off(frontier: Frontier) -> Any:
    """Accuracy against fairness with both intervals: ways on the frontier joined by a line, beaten ones hollow."""
    colours = palette()
    figure = go.Figure()
    known = [way for way in frontier.ways if way.fairness is not None]
    best = sorted((way for way in known if way.pareto), key=lambda way: way.fairness or 0.0)
    figure.add_scatter(
        x=[way.fairness for way in best],
        y=[way.accuracy for way in best],
        mode="lines",
        line={"color": colours.accent, "width": 1, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    parts = (
        ("no other is better in both", [way for way in best if way.name != "none"], "circle", colours.accent),
        ("another is better in both", [way for way in known if not way.pareto and way.name != "none"], "circle-open", colours.quiet),
        ("as it is", [way for way in known if way.name == "none"], "diamond", colours.second),
    )
    for name, ways, symbol, colour in parts:
        if ways:
            _ways(figure, name, ways, symbol, colour)
    figure.add_vline(x=frontier.limit, line_color=colours.states[SignalState.FAIL], line_dash="dash", line_width=1)
    figure.update_xaxes(title_text=frontier.measure.replace("_", " "))
    figure.update_yaxes(title_text="share of right decisions", tickformat=".1%", title_standoff=14)
    return figure


def _ways(figure: Any, name: str, ways: list[Way], symbol: str, colour: str) -> None:
    x, y = [way.fairness or 0.0 for way in ways], [way.accuracy for way in ways]
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=name,
        marker={"size": 10, "symbol": symbol, "color": colour, "line": {"width": 1.5, "color": colour}},
        error_x=_ends(x, [way.fairness_low for way in ways], [way.fairness_high for way in ways]),
        error_y=_ends(y, [way.accuracy_low for way in ways], [way.accuracy_high for way in ways]),
        customdata=[escape(way.title, quote=False) for way in ways],
        hovertemplate="%{customdata}<br>%{x:.3f}, right decisions %{y:.1%}<extra></extra>",
    )


def real_and_estimated(
    spans: Sequence[tuple[datetime, datetime]],
    real: Sequence[tuple[float | None, ...]],
    estimated: Sequence[tuple[float | None, ...]],
    known: Sequence[float | None],
    limits: Numbers,
) -> Any:
    """Value, low and high of both on one axis with the limit; below, on the same windows, the share of answers whose outcome is known.

    A value that is None is a gap, of lines and of bands. `known` None: no window was judged there.
    """
    colours = palette()
    figure = go.Figure()
    times = [start + (end - start) / 2 for start, end in spans]  # the middle: above the bar of its window
    names = [span(start, end) for start, end in spans]
    _coverage(figure, times, spans, known)
    for run in _runs([one[0] for one in estimated]):
        band(figure, times[run], [one[1] for one in estimated[run]], [one[2] for one in estimated[run]], colours.second)
    series = (("estimated", estimated, colours.second, "diamond-open"), ("real", real, colours.accent, "circle"))
    for name, values, colour, symbol in series:
        figure.add_scatter(
            x=times,
            y=[one[0] for one in values],
            name=name,
            mode="lines+markers",
            connectgaps=False,
            line={"color": colour, "width": 2, "dash": "solid" if name == "real" else "dot"},
            marker={"size": 7, "symbol": symbol},
            error_y=_ends(*([one[n] for one in values] for n in range(3)), colour=colour) if name == "real" else None,
            customdata=names,
            hovertemplate="%{customdata}<br>%{y:.3g}<extra>" + name + "</extra>",
        )
    if any(limit is not None for limit in limits):
        line = {"color": colours.states[SignalState.FAIL], "width": 1, "dash": "dash", "shape": "hv"}
        figure.add_scatter(x=times, y=list(limits), name="limit", mode="lines", line=line, hovertemplate="%{y:.3g}<extra>limit</extra>")
    return figure


def _coverage(figure: Any, times: Sequence[datetime], spans: Sequence[tuple[datetime, datetime]], known: Numbers) -> None:
    """Bars on an axis of their own below, each as wide as its window; times stand below both."""
    figure.add_bar(
        x=list(times),
        y=list(known),
        width=[0.9 * (end - start).total_seconds() * 1_000 for start, end in spans],
        name="outcomes known",
        yaxis="y2",
        marker_color=palette().quiet,
        opacity=0.45,
        hovertemplate="%{y:.0%} of the outcomes known<extra></extra>",
    )
    figure.update_layout(
        xaxis={"anchor": "y2"},
        yaxis={"domain": [0.26, 1]},
        yaxis2={"domain": [0, 0.18], "range": [0, 1], "tickformat": ".0%", "tickvals": [0, 0.5, 1], "anchor": "x"},
    )


def _runs(values: Numbers) -> list[slice]:
    """Stretches of neighbouring values that are there."""
    found, start = [], None
    for place, value in enumerate([*values, None]):
        if value is not None and start is None:
            start = place
        elif value is None and start is not None:
            found.append(slice(start, place))
            start = None
    return found


def _ends(values: Numbers, low: Numbers, high: Numbers, colour: str = "") -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "thickness": 1.2,
        "width": 3,
        "color": colour or palette().quiet,
        "array": [0.0 if value is None or top is None else top - value for value, top in zip(values, high, strict=True)],
        "arrayminus": [0.0 if value is None or bottom is None else value - bottom for value, bottom in zip(values, low, strict=True)],
    }
