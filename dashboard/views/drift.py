"""Drift: what to look at first, columns × windows, every distance, all columns together, segments, and what PSI means in plain words."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.column import column_detail
from dashboard.components.drift_distances import every_distance
from dashboard.components.drift_map import drift_map
from dashboard.components.drift_parts import evidently, parts
from dashboard.components.drift_ranking import drift_ranking
from dashboard.components.drift_together import together
from dashboard.components.frame import use_case_page
from dashboard.components.plots import over_time
from dashboard.components.signal import panel
from dashboard.components.states import empty
from dashboard.components.words import span
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.drifting import ranking
from interlock.control.readmodel.windows import (
    WindowView,
    drift_cells,
    series,
    window_signals,
    windows,
)

ABOUT = """Drift compares the rows that customers send now with the rows the live model learned from, column by column. **PSI**
(population stability index) asks: if I sort both into the same groups, how differently are they filled? 0 means equally;
below 0.1 is usually noise, 0.1 to 0.25 a moderate shift, above 0.25 a large one (a convention, Siddiqi 2006). PSI says *that*
something moved, not that the model is wrong."""


@use_case_page("Drift", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Signal, map, one column in detail, all values."""
    views = desk.soon(windows, entry.name)
    cells = drift_cells(views)
    if not cells:
        empty(
            "No window was compared yet.",
            "Drift is measured by the monitor flow once a model answers real requests and a window is complete. Start it by hand with:",
            f"prefect deployment run monitor/monitor -p use_case={entry.name}",
        )
        return
    own = {signal.name: signal for signal in window_signals(views[-1], entry.spec)}
    panel([own[name] for name in ("Drift", "Reasons") if name in own])
    view = _window(views, entry)
    ranked = ranking(view)
    drift_ranking(ranked, view)
    columns = drift_map(cells, ranked, views, entry)
    _share(views, entry)
    one, every, whole, split, full = st.tabs(["One column", "Every distance", "All together", "Segments", "Evidently"])
    with one:
        column_detail(cells, columns, entry, view)
    with every:
        every_distance(view, columns)
    with whole:
        together(desk, entry, views)
    with split:
        parts(view, entry)
    with full:
        evidently(desk, entry, views)


def _window(views: list[WindowView], entry: Entry) -> WindowView:
    place = st.selectbox(
        "Window",
        range(len(views) - 1, -1, -1),
        key=f"window {entry.name}",
        format_func=lambda n: f"{views[n].start:%Y-%m-%d %H:%M} UTC, version {views[n].version}, {views[n].state}",
        help="Ranking, distances, distributions and segments below are those of this window.",
    )
    return views[place]


def _share(views: list[WindowView], entry: Entry) -> None:
    points = series(views, "drift.share").get("drift.share", [])
    if not points:
        return
    limit = entry.spec.monitoring.drift_share_max if entry.spec else None
    draw(
        over_time([point.start for point in points], {"share": [point.finding.value for point in points]}, limit=limit),
        title="Share of columns that moved",
        unit="share of columns, 0 to 1",
        n=sum(view.rows for view in views),
        legend=False,
        height=220,
        window=span(views[0].start, views[-1].end),
        about="The dashed line is the limit of the use-case file; beyond it a window is a breach.",
    )


show()
