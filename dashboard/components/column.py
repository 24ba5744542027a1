"""One column of the drift map in detail."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import over_time, pair_of_histograms
from dashboard.components.words import number, plain, span
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.windows import DriftCell, WindowView, shape


def column_detail(cells: list[DriftCell], columns: list[str], entry: Entry, view: WindowView) -> None:
    """Pick a column; its two distributions in the chosen window, and its PSI over time."""
    column = st.selectbox("Column", columns, key=f"column {entry.name}", help="In the order of the map.")
    own = [cell for cell in cells if cell.column == column]
    cell = next((one for one in own if (one.window.start, one.window.version) == (view.start, view.version)), None)
    if cell is None:
        st.markdown(f"**{plain(column)}** was not measured in the chosen window.")
    else:
        st.markdown(f"**{plain(column)}**: PSI {number(cell.psi)}. {plain(cell.finding.note)}")
        _distributions(cell)
    moved = [one for one in own if one.psi is not None]
    limit = entry.spec.monitoring.drift_psi_max if entry.spec else None
    draw(
        over_time([one.window.start for one in moved], {column: [one.psi for one in moved]}, limit=limit),
        title=f"PSI of {column} over time",
        unit="PSI",
        n=sum(one.finding.sample_size for one in moved),
        height=220,
        legend=False,
        about="One point per window; dashed: the limit of the use-case file.",
    )


def _distributions(cell: DriftCell) -> None:
    figure = shape(cell.finding)
    if figure is None:
        st.markdown("This measurement carries no distributions.")
        return
    draw(
        pair_of_histograms(figure.labels, figure.baseline, figure.current),
        title=f"Distribution of {cell.column}",
        unit="share of rows",
        n=figure.rows_current,
        window=span(cell.window.start, cell.window.end),
        height=300,
        about=f"Grey: the {figure.rows_baseline:,} rows the model learned from. Blue: the rows of this window. The groups were fixed when "
        "the model was made, those of numbers each holding about a tenth of the training rows, so equal bars mean that nothing moved.",
    )
