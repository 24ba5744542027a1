"""Groups of one sensitive attribute side by side."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import intervals
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.figures import GroupTable, Value


def groups_of(table: GroupTable) -> None:
    """The table, and a dot with interval for each group that is large enough."""
    st.markdown(f"**{plain(table.attribute)}**")
    st.table(
        [
            {
                "group": plain(group.name),
                "n": f"{group.sample_size:,}",
                **{title: plain(_cell(group.values[name])) for name, title in table.titles.items()},
            }
            for group in table.groups
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption(
        f"Shares with their 95 % interval; the favourable answer is the {table.favourable} one. "
        f"Rows without this attribute, which form no group: {table.missing:,}."
    )
    shown = [(group, group.values[table.main]) for group in table.groups if group.values[table.main].value is not None]
    if len(shown) < 2:
        return
    figure = intervals(
        [group.name for group, _ in shown],
        [value.value for _, value in shown],
        [value.low for _, value in shown],
        [value.high for _, value in shown],
    )
    draw(
        figure,
        title=f"{table.titles[table.main].capitalize()} by {table.attribute}",
        unit="share of rows, 0 to 1",
        legend=False,
        n=sum(group.sample_size for group, _ in shown),
        height=90 + 36 * len(shown),
        about=ABOUT,
    )


ABOUT = """One dot per group with its 95 % interval. Intervals that overlap a lot do not show a difference; small groups have wide ones.
Groups with too few rows are left out here and named in the table."""


def _cell(value: Value) -> str:
    """A cell of the table; a group that is too small says so."""
    if value.value is None:
        return value.note
    return f"{number(value.value)} ({interval(value.low, value.high)})"
