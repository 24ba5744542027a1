"""The cloud of SHAP values: a row per feature, dots that would lie on each other moved apart, so that thickness is density."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from dashboard.theme import palette
from interlock.control.readmodel.signals import SignalState

BINS = 80  # places along x in which dots are counted
HALF = 0.4  # of a row: the densest place reaches this far up and down
DENSE_MIN = 12  # dots that fill the row's height; fewer stay closer to the line
Cloud = Sequence[tuple[str, Sequence[float], Sequence[float | None]]]


def beeswarm(points: Cloud) -> Any:
    """x is the SHAP value of a case, colour the place of the feature's own value, low to high; grey: missing."""
    colours = palette()
    figure = go.Figure()
    everything = [value for _, shap, _ in points for value in shap]
    low, high = min(everything, default=0.0), max(everything, default=1.0)
    for row, (name, shap_values, places) in enumerate(points):
        spread = [row + offset for offset in offsets(shap_values, low, high)]
        for known in (False, True):
            kept = [n for n, place in enumerate(places) if (place is not None) is known]
            if kept:
                _dots(figure, name, [shap_values[n] for n in kept], [spread[n] for n in kept], [places[n] for n in kept] if known else None)
    _scale(figure)
    figure.update_yaxes(
        tickvals=list(range(len(points))),
        ticktext=[escape(name, quote=False) for name, _, _ in points],
        showgrid=False,
        range=[len(points) - 0.4, -0.6],
        zeroline=False,
    )
    figure.add_vline(x=0, line_color=colours.quiet, line_width=1)
    return figure


def offsets(values: Sequence[float], low: float, high: float) -> list[float]:
    """How far each dot is moved from its row, between -`HALF` and `HALF`: 0, up, down, further up … within its bin of x.

    The step is one for the row, so that a bin with twice the dots is twice as thick; the same values give the same picture.
    """
    width = (high - low) / BINS or 1.0
    bins = [int((value - low) / width) for value in values]
    dense = max((bins.count(one) for one in set(bins)), default=1)
    step = 2 * HALF / max(dense, DENSE_MIN)
    seen: dict[int, int] = {}
    found = []
    for one in bins:
        place = seen[one] = seen.get(one, -1) + 1
        found.append((place + 1) // 2 * step * (1 if place % 2 else -1))
    return found


def _dots(figure: Any, name: str, x: list[float], y: list[float], places: list[float | None] | None) -> None:
    colours = palette()
    marker: dict[str, Any] = {"size": 5, "opacity": 0.8, "color": colours.states[SignalState.UNKNOWN]}
    if places is not None:
        marker |= {"color": places, "coloraxis": "coloraxis"}
    figure.add_scattergl(
        x=x,
        y=y,
        mode="markers",
        showlegend=False,
        marker=marker,
        name=escape(name, quote=False),
        hovertemplate=f"{escape(name, quote=False)}: %{{x:+.3g}}<extra></extra>",
    )


def _scale(figure: Any) -> None:
    """One scale for all rows, low to high, thin, at the right."""
    colours = palette()
    figure.update_layout(
        coloraxis={
            "cmin": 0,
            "cmax": 1,
            "colorscale": [[0, colours.accent], [0.5, colours.states[SignalState.UNKNOWN]], [1, colours.second]],
            "colorbar": {
                "title": {"text": "value", "side": "right"},
                "tickvals": [0, 1],
                "ticktext": ["low", "high"],
                "thickness": 8,
                "outlinewidth": 0,
                "len": 0.6,
            },
        }
    )
