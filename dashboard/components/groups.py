"""Groups of one sensitive attribute, or of two at once, side by side."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import intervals
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.groups import GroupTable, Impact, Value

ABOUT = """One dot per group with its 95 % interval. Intervals that overlap a lot do not show a difference; small groups have wide ones.
Groups with too few rows are left out here and named in the table."""
IMPACT = """Each group's rate of favourable answers beside the highest one. 29 CFR 1607.4(D) generally regards less than four fifths as
evidence of adverse impact in US employment selection; elsewhere it is a convention. The p-value informs about chance only and decides
nothing."""
SCORED = ("rate", "highest", "ratio", "below four fifths", "p")
FEW = "not enough evidence"


def groups_of(table: GroupTable) -> None:
    """The table, a dot with interval for each group that is large enough, and adverse impact where it was looked at."""
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
    more = f" {table.more:,} smaller groups are not shown." if table.more else ""
    kind = "the favourable answer is the " + table.favourable + " one" if table.main == "selection_rate" else table.unit
    st.caption(
        plain(
            f"With 95 % intervals where the evidence holds them; {kind}. "
            f"Rows without this attribute, which form no group: {table.missing:,}.{more} Rows needed are counted in what the rate rests on."
        )
    )
    _dots(table)
    _impact(table)


def _dots(table: GroupTable) -> None:
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
        unit=table.unit,
        legend=False,
        n=sum(group.sample_size for group, _ in shown),
        height=90 + 36 * len(shown),
        about=ABOUT,
    )


def _impact(table: GroupTable) -> None:
    if not table.impact:
        return
    small = {group.name for group in table.groups if group.values[table.main].value is None}
    st.markdown(f"**Adverse impact by {plain(table.attribute)}**")
    st.table(
        [
            {
                "group": plain(one.group),
                "n": f"{one.sample_size:,}",
                **(dict.fromkeys(SCORED, FEW) if one.group in small else _scored(one)),
            }
            for one in table.impact
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption(plain(IMPACT))


def _scored(one: Impact) -> dict[str, str]:
    p = one.test if one.p is None else f"{'< 0.001' if one.p < 0.001 else number(one.p)}, {one.test}"
    cells = (
        number(one.rate),
        f"{number(one.reference_rate)} ({one.reference})",
        f"{number(one.ratio)} ({interval(one.low, one.high)})",
        "yes" if one.below_four_fifths else "no",
        p,
    )
    return {name: plain(cell) for name, cell in zip(SCORED, cells, strict=True)}


def _cell(value: Value) -> str:
    """A cell of the table; a group that is too small says so."""
    if value.value is None:
        return value.note.partition(" to see ")[0]
    ends = interval(value.low, value.high)
    return f"{number(value.value)} ({ends})" if ends else number(value.value)
