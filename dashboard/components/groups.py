"""Groups of one sensitive attribute side by side."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import intervals
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.figures import GroupTable


def groups_of(table: GroupTable) -> None:
    """The table, and a dot with interval for each group that is large enough."""
    st.markdown(f"**{plain(table.attribute)}**")
    st.table(
        [
            {
                "group": plain(group.name),
                "n": f"{group.sample_size:,}",
                **{title: _cell(group.values.get(name), group.enough, group.note) for name, title in table.titles.items()},
            }
            for group in table.groups
        ],
        border="horizontal",
        hide_index=True,
    )
    name = table.main
    shown = [group for group in table.groups if group.enough and group.values.get(name) and group.values[name].value is not None]
    if len(shown) > 1:
        draw(
            intervals(
                [group.name for group in shown],
                [group.values[name].value for group in shown],
                [group.values[name].low for group in shown],
                [group.values[name].high for group in shown],
            ),
            title=f"{table.titles[name]} by {table.attribute}",
            unit="share of rows, 0 to 1",
            n=sum(group.sample_size for group in shown),
            legend=False,
            height=90 + 36 * len(shown),
            about="One dot per group with its 95 % interval. Intervals that overlap a lot do not show a difference; small groups have wide ones. "
            "Groups with too few rows are left out here and named in the table.",
        )


def _cell(value: object, enough: bool, note: str) -> str:
    """A cell of the table; a small group says so in every cell."""
    if not enough:
        return note or "not enough evidence"
    number_of = getattr(value, "value", None)
    if number_of is None:
        return "not measured"
    tail = interval(getattr(value, "low", None), getattr(value, "high", None))
    return f"{number(number_of)}{f' ({tail})' if tail else ''}"
