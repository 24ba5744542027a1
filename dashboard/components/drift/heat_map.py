"""Columns × windows: how far each column moved, in the order of what that costs; a cell can be clicked, or chosen from the two lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard.components.address import chosen, put
from dashboard.components.chart import draw
from dashboard.components.drift_figures import clickable
from dashboard.components.plots import heat_map
from dashboard.components.words import span
from interlock.control.readmodel.drifting import Ranking, by_cost
from interlock.control.readmodel.series import WindowRow, columns_of, row_labels

HEAT = """Each row is a column of the data, each cell a window of event time; darker means that the column is filled differently from
the training rows. On top stand the columns whose drift costs most in the chosen window, or those that moved most in any
window. An empty cell was not measured; hover to read why. **Click a cell** to see that column in that window below; the lists above
the map do the same without a mouse. The chosen cell has a frame."""
COLUMNS_SHOWN = 30
COST, MOVED = "by what it costs", "by how far it moved"
KEY, PART, ONE = "drift map", "part", "One column"


def order_of(rows: Sequence[WindowRow], ranked: Ranking | None) -> list[str]:
    """The chosen order of columns."""
    order = chosen("order", [COST, MOVED], label="Order of columns", default=COST, kind="segments")
    moved = columns_of(rows)
    return moved if order == MOVED else by_cost(moved, ranked)


def drift_map(rows: Sequence[WindowRow], columns: Sequence[str], row: WindowRow, column: str) -> None:
    """The map, its chosen cell framed; the columns beyond the first 30 are left to the list."""
    names = list(columns[:COLUMNS_SHOWN])
    values = [[one.columns[name].value if name in one.columns else None for one in rows] for name in names]
    notes = np.array([[_note(one, name) for one in rows] for name in names])
    cell = (names.index(column) if column in names else -1, list(rows).index(row))
    labels = row_labels(rows)
    draw(
        clickable(heat_map(names, labels, np.array(values, dtype=float), notes), names, labels, notes, cell),
        title="Columns × windows",
        unit="PSI",
        n=sum(one.rows for one in rows),
        window=span(rows[0].start, rows[-1].end),
        about=HEAT,
        height=120 + 24 * len(names),
        legend=False,
        key=KEY,
        rows=[{"column": name, **dict(zip([one.name for one in rows], own, strict=True))} for name, own in zip(names, values, strict=True)],
        picked=lambda: pick(st.session_state.get(KEY), names, rows),
    )
    if len(columns) > COLUMNS_SHOWN:
        st.caption(f"The first {COLUMNS_SHOWN} columns of {len(columns)}; every column is in the list above.")


def pick(event: Any, names: Sequence[str], rows: Sequence[WindowRow]) -> None:
    """Take over the clicked cell into the lists, and so into the address; a click that took the selection away changes nothing."""
    points = ((event or {}).get("selection") or {}).get("points") or []
    place = points[0].get("customdata") if points else None
    if place is None or not 0 <= place < len(names) * len(rows):
        return
    row, window = divmod(int(place), len(rows))
    put("column", names[row])
    put("window", rows[window].name)
    put(PART, ONE)


def _note(row: WindowRow, column: str) -> str:
    point = row.columns.get(column)
    if point is None:
        return "not measured"
    return f"PSI {point.value:.3f}, n = {point.n:,}" if point.value is not None else point.why
