"""Columns × windows: how far each column moved, in the order of what that costs."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import heat_map
from dashboard.components.words import span
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.drifting import Ranking, by_cost
from interlock.control.readmodel.windows import DriftCell, WindowView, ranked_columns, window_labels

HEAT = """Each row is a column of the data, each cell a window of event time; darker means that the column is filled differently from
the training rows. On top stand the columns whose drift costs most in the chosen window, or those that moved most in any
window. An empty cell was not measured; hover to read why."""
COLUMNS_SHOWN = 30
COST, MOVED = "by what it costs", "by how far it moved"


def drift_map(cells: list[DriftCell], ranked: Ranking | None, views: list[WindowView], entry: Entry) -> list[str]:
    """The map in the chosen order, which is returned."""
    order = st.segmented_control("Order of columns", [COST, MOVED], default=COST, key=f"order {entry.name}")
    columns = ranked_columns(cells) if order == MOVED else by_cost(cells, ranked)
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
        st.caption(f"The first {COLUMNS_SHOWN} columns of {len(columns)}.")
    return columns
