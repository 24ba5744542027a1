"""Drift: columns × windows with every cell a click away, what drift costs, every distance, a limit on trial, and Evidently's report."""

from __future__ import annotations

import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.drift.column import one_column
from dashboard.components.drift.distances import every_distance
from dashboard.components.drift.heat_map import ONE, PART, drift_map, order_of
from dashboard.components.drift.parts import evidently, parts
from dashboard.components.drift.ranking import LOSSES, drift_ranking
from dashboard.components.drift.together import together
from dashboard.components.drift.trial import limit_on_trial
from dashboard.components.frame import use_case_page
from dashboard.components.signal import panel
from dashboard.components.states import empty
from dashboard.components.words import moment, plain
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.drifting import Ranking, by_cost, ranking
from interlock.control.readmodel.series import WindowRow, columns_of, window_rows
from interlock.control.readmodel.windows import WindowView, one_window, window_signals

ABOUT = """Drift compares the rows that customers send now with the rows the live model learned from, column by column. **PSI**
(population stability index) asks: if I sort both into the same groups, how differently are they filled? 0 means equally;
below 0.1 is usually noise, 0.1 to 0.25 a moderate shift, above 0.25 a large one (a convention, Siddiqi 2006). PSI says *that*
something moved, not that the model is wrong."""
COSTS, EVERY, WHOLE, SPLIT, TRIAL, FULL = "What it costs", "Every distance", "All together", "Segments", "Limit on trial", "Evidently"


@use_case_page("Drift", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Signals, the map with the two lists that choose a cell of it, and one part at a time below."""
    rows = desk.soon(window_rows, entry.name)
    if not columns_of(rows):
        empty(
            "No window was compared yet.",
            "Drift is measured by the monitor flow once a model answers real requests and a window is complete. Start it by hand with:",
            f"prefect deployment run monitor/monitor -p use_case={entry.name}",
        )
        return
    _signals(_view(desk, entry, rows[-1]), entry)
    row, view, ranked, column, columns = _cell(desk, entry, rows)
    st.markdown(plain(ranked.note if ranked else "This window was judged before columns were ranked by what they cost."))
    drift_map(rows, columns, row, column)
    part = chosen(PART, [ONE, COSTS, EVERY, WHOLE, SPLIT, TRIAL, FULL], label="Show", default=ONE, kind="segments")
    if part == ONE:
        before = _before(rows, row)
        known = {one.column: one for one in ranked.rows} if ranked else {}
        loss = LOSSES.get(ranked.loss_metric, "") if ranked else ""
        views = view, _view(desk, entry, before) if before else None
        one_column(rows, row, column, entry, views, known.get(column), loss)
    elif part == TRIAL:
        limit_on_trial(desk, entry, rows)
    elif part == WHOLE:
        together(desk, entry, rows)
    elif part == FULL:
        evidently(desk, entry, rows)
    elif part == COSTS:
        drift_ranking(ranked, view)
    elif part == EVERY:
        every_distance(view, columns)
    else:
        parts(view, entry)


def _cell(desk: Desk, entry: Entry, rows: list[WindowRow]) -> tuple[WindowRow, WindowView, Ranking | None, str, list[str]]:
    """The two lists that choose a cell, the same as a click on the map; and the order of its columns."""
    windows, columns, order = st.columns([3, 2, 3])
    by_name = {one.name: one for one in reversed(rows)}
    with windows:
        name = chosen("window", list(by_name), label="Window", default=rows[-1].name, words=lambda one: _words(by_name[one]))
    row = by_name[name]
    view = _view(desk, entry, row)
    ranked = ranking(view)
    with columns:
        options = by_cost(columns_of(rows), ranked)
        column = chosen("column", options, label="Column", default=options[0], help="What costs most in the chosen window first.")
    with order:
        return row, view, ranked, column, order_of(rows, ranked)


def _view(desk: Desk, entry: Entry, row: WindowRow) -> WindowView:
    found: WindowView = desk.soon(one_window, entry.name, row.start, row.digest)
    return found


def _before(rows: list[WindowRow], row: WindowRow) -> WindowRow | None:
    """The newest earlier window of the same version."""
    return next((one for one in reversed(rows) if one.digest == row.digest and one.start < row.start), None)


def _signals(newest: WindowView, entry: Entry) -> None:
    own = {signal.name: signal for signal in window_signals(newest, entry.spec)}
    panel([own[name] for name in ("Drift", "Reasons") if name in own])


def _words(row: WindowRow) -> str:
    return f"{moment(row.start)}, version {row.version}, {row.state}"


show()
