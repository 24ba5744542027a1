"""Figures of explanations: the way to one answer, the shape of one effect, answers over a grid of values."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from dashboard.theme import palette
from interlock.control.readmodel.explanations import Answers, Dependence
from interlock.control.readmodel.signals import SignalState

LABEL_MAX = 34


def waterfall(names: Sequence[str], sizes: Sequence[float], after: Sequence[float]) -> Any:
    """From the average answer (the diamond) to this one: each bar begins where the one above it ended."""
    colours = palette()
    figure = go.Figure(
        go.Waterfall(
            y=list(range(len(sizes))),
            x=[0.0, *sizes[1:]],
            base=after[0],
            customdata=[[_safe(name), end] for name, end in zip(names, after, strict=True)],
            orientation="h",
            measure=["relative"] * len(sizes),
            increasing={"marker": {"color": colours.second}},
            decreasing={"marker": {"color": colours.accent}},
            connector={"line": {"color": colours.grid, "width": 1}},
            hovertemplate="%{customdata[0]}: %{delta:+.3g}, then %{customdata[1]:.3g}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=[after[0]],
        y=[0],
        mode="markers",
        marker={"symbol": "diamond", "size": 10, "color": colours.quiet},
        hovertemplate="average answer: %{x:.3g}<extra></extra>",
    )
    figure.add_vline(x=after[-1], line_color=colours.quiet, line_dash="dot", line_width=1)
    room = 0.12 * (max(after) - min(after)) or 1.0
    figure.update_xaxes(range=[min(after) - room, max(after) + room])
    figure.update_yaxes(autorange="reversed", tickvals=list(range(len(sizes))), ticktext=[_safe(name) for name in names], showgrid=False)
    return figure


def dependence(found: Dependence, name: str) -> Any:
    """One dot per row: right is the value, up what it added; colour is the place of the partner's value, low to high."""
    colours = palette()
    shades = [shade for _, _, shade in found.points]
    coloured = bool(found.partner) and any(shade is not None for shade in shades)
    marker: dict[str, Any] = {"size": 7, "opacity": 0.8, "color": colours.accent}
    if coloured:
        marker |= {
            "color": [0.5 if shade is None else shade for shade in shades],
            "cmin": 0,
            "cmax": 1,
            "showscale": True,
            "colorscale": [[0, colours.accent], [0.5, colours.states[SignalState.UNKNOWN]], [1, colours.second]],
            "colorbar": {
                "title": {"text": _safe(found.partner), "side": "right"},
                "tickvals": [0, 1],
                "ticktext": ["low", "high"],
                "thickness": 10,
                "outlinewidth": 0,
            },
        }
    values = [value if isinstance(value, float) else _safe(value) for value, _, _ in found.points]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[shap for _, shap, _ in found.points],
            mode="markers",
            marker=marker,
            hovertemplate=f"{_safe(name)} %{{x}}: %{{y:+.3g}}<extra></extra>",
        )
    )
    figure.add_hline(y=0, line_color=colours.quiet, line_width=1)
    figure.update_xaxes(title_text=_safe(name), type="category" if any(isinstance(value, str) for value in values) else "linear")
    if any(isinstance(value, str) for value in values):
        figure.update_xaxes(categoryorder="category ascending")
    return figure


def grid_of_answers(found: Answers, name: str) -> Any:
    """The mean answer as a thick line, single rows as thin ones; hollow where too few rows are near to be read."""
    colours = palette()
    figure = go.Figure()
    named = isinstance(found.grid[0], str)
    x = [_safe(value) if isinstance(value, str) else value for value in found.grid]
    if not named:  # between categories there is nothing to draw a line through
        _lines(figure, x, found)
    for title, thin, symbol in (("mean answer", False, "circle"), ("too few rows near: do not read", True, "circle-open")):
        kept = [n for n, flag in enumerate(found.extrapolated) if flag is thin]
        if kept:
            figure.add_scatter(
                x=[x[n] for n in kept],
                y=[found.mean[n] for n in kept],
                mode="markers",
                name=title,
                customdata=[found.support[n] for n in kept],
                marker={"size": 9, "symbol": symbol, "color": colours.second if thin else colours.accent, "line": {"width": 2}},
                hovertemplate=f"{_safe(name)} %{{x}}: %{{y:.3g}}, %{{customdata:,}} rows near<extra></extra>",
            )
    if found.missing is not None:
        look: dict[str, Any] = {"line_color": colours.third, "line_dash": "dash", "annotation_font_color": colours.third}
        figure.add_hline(y=found.missing, line_width=1, annotation_text="value missing", **look)
    figure.update_xaxes(title_text=_safe(name), type="category" if named else "linear")
    if named:
        figure.update_xaxes(categoryorder="array", categoryarray=x)
    return figure


def _lines(figure: Any, x: Sequence[float | str], found: Answers) -> None:
    """Single rows thin, the mean thick."""
    colours = palette()
    for n, line in enumerate(found.lines):
        figure.add_scatter(
            x=x,
            y=list(line),
            mode="lines",
            line={"color": colours.quiet, "width": 1},
            opacity=0.35,
            hoverinfo="skip",
            name="single rows",
            legendgroup="rows",
            showlegend=n == 0,
        )
    figure.add_scatter(
        x=x, y=list(found.mean), mode="lines", line={"color": colours.accent, "width": 2}, showlegend=False, hoverinfo="skip"
    )


def label(name: str, value: object) -> str:
    """`name = value`, short enough for an axis."""
    text = name if value is None else f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
    return text if len(text) <= LABEL_MAX else f"{text[: LABEL_MAX - 1]}…"


def _safe(text: str) -> str:
    return escape(text, quote=False)
