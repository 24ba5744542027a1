"""Drift: columns × windows, the distributions behind one cell, and what PSI means in plain words."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.column import column_detail
from dashboard.components.frame import use_case_page
from dashboard.components.plots import heat_map, over_time
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.words import span
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.windows import (
    DriftCell,
    WindowView,
    drift_cells,
    ranked_columns,
    series,
    window_labels,
    window_signals,
    windows,
)

ABOUT = """Drift compares the rows that customers send now with the rows the live model learned from, column by column. **PSI**
(population stability index) asks: if I sort both into the same groups, how differently are they filled? 0 means equally;
below 0.1 is usually noise, 0.1 to 0.25 a moderate shift, above 0.25 a large one (a convention, Siddiqi 2006). PSI says *that*
something moved, not that the model is wrong."""
HEAT = """Each row is a column of the data, each cell a window of event time; darker means that the column is filled differently from
the training rows. Columns that moved most stand on top. An empty cell was not measured; hover to read why."""
COLUMNS_SHOWN = 30


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
    line(window_signals(views[-1], entry.spec)[0])
    columns = ranked_columns(cells)
    _map(cells, columns, views)
    _share(views, entry)
    column_detail(cells, columns, entry)


def _map(cells: list[DriftCell], columns: list[str], views: list[WindowView]) -> None:
    shown = columns[:COLUMNS_SHOWN]
    by_place = {(cell.column, cell.window.start, cell.window.version): cell for cell in cells}
    found = [[by_place.get((column, view.start, view.version)) for view in views] for column in shown]
    values = [[None if cell is None else cell.psi for cell in row] for row in found]
    notes = [
        [
            "not measured"
            if cell is None
            else f"PSI {cell.psi:.3f}, n = {cell.finding.sample_size:,}"
            if cell.psi is not None
            else cell.note
            for cell in row
        ]
        for row in found
    ]
    draw(
        heat_map(shown, window_labels(views), values, notes),
        title="Columns × windows",
        unit="PSI",
        n=sum(view.rows for view in views),
        window=span(views[0].start, views[-1].end),
        about=HEAT,
        height=120 + 24 * len(shown),
        legend=False,
    )
    if len(columns) > COLUMNS_SHOWN:
        st.caption(f"The {COLUMNS_SHOWN} columns that moved most, of {len(columns)}.")


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
