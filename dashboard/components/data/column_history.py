"""How a column looked in each snapshot and each monitored window."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.chart import draw
from dashboard.components.plots import band
from dashboard.components.words import moment, plain
from dashboard.desk import Desk
from dashboard.theme import palette
from interlock.control.readmodel.column_history import ColumnPoint, column_history
from interlock.control.readmodel.directory import Entry

ABOUT = """Each point is one set of rows, read off its stored profile: circles are **snapshots** (rows to train on, at their newest row),
squares are **windows** of requests. Of numbers the line is the median and the band holds the middle 90 % of the rows; of texts each
line is the share of one frequent value among the rows with a value."""


def columns_over_time(desk: Desk, entry: Entry) -> None:
    """One chosen column: values above, missing below."""
    found = desk.soon(column_history, entry.name)
    st.header("Columns over time", anchor=False)
    if found is None:
        st.markdown("Not prepared yet: the next ingest or monitor run does it.")
        return
    for problem in found.problems:
        st.warning(plain(f"A profile could not be read and is left out. {problem}"))
    if not found.points:
        st.markdown("No profile is stored yet.")
        return
    names = sorted(found.points, key=lambda one: (found.points[one][-1].kind != "window", one))  # those that requests carry come first
    name = chosen("column", names, label="Column", default=names[0])
    points = found.points[name]
    rows, times = sum(point.rows for point in points), [point.at for point in points]
    until = f"{len(points)} sets of rows, {moment(min(times))} to {moment(max(times))}"
    numeric = points[-1].figures["kind"] in ("numeric", "date")
    figure = _numbers(points) if numeric else _texts(points)
    unit = "the column's own" if numeric else "share of rows with a value"
    draw(figure, title=f"{name} over time", unit=unit, n=rows, window=until, about=ABOUT, height=260, key=f"column values {entry.name}")
    gone = go.Figure()
    _lines(gone, points, "missing", [point.figures["missing"] for point in points], palette().accent)
    top = max((point.figures["missing"] or 0.0 for point in points), default=0.0)
    gone.update_yaxes(range=[0, max(0.01, 1.1 * top)], tickformat=".1%")
    draw(
        gone,
        title=f"{name}: missing values",
        unit="share of rows",
        n=rows,
        window=until,
        height=180,
        legend=False,
        about="Share of rows without a value, in the same sets of rows.",
        key=f"column missing {entry.name}",
    )


def _numbers(points: tuple[ColumnPoint, ...]) -> Any:
    figure = go.Figure()
    own = [point for point in points if point.kind == points[-1].kind]
    band(figure, [point.at for point in own], [point.figures["low"] for point in own], [point.figures["high"] for point in own])
    _lines(figure, points, "median", [point.figures["middle"] for point in points], palette().accent)
    return figure


def _texts(points: tuple[ColumnPoint, ...]) -> Any:
    figure, colours = go.Figure(), palette()
    names = list(dict.fromkeys(name for point in points for name in point.figures["shares"]))[:3]
    for name, colour in zip(names, (colours.accent, colours.second, colours.third), strict=False):
        _lines(figure, points, name, [point.figures["shares"].get(name) for point in points], colour)
    _lines(figure, points, "not in the baseline's list", [point.figures["unlisted"] for point in points], colours.quiet)
    figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    return figure


def _lines(figure: Any, points: tuple[ColumnPoint, ...], name: str, values: list[float | None], colour: str) -> None:
    """Snapshots and windows as one line each, told apart by their marks; one entry in the legend."""
    for kind, symbol in (("snapshot", "circle"), ("window", "square")):
        own = [(point.at, value) for point, value in zip(points, values, strict=True) if point.kind == kind]
        figure.add_scatter(
            x=[at for at, _ in own],
            y=[value for _, value in own],
            name=name,
            legendgroup=name,
            showlegend=kind == points[-1].kind,
            mode="lines+markers",
            marker={"symbol": symbol, "size": 6},
            line={"color": colour, "dash": "dot" if kind == "snapshot" else "solid"},
        )
