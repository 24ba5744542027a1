"""Groups of one sensitive attribute, or of two at once: small multiples per measure, the table, and adverse impact."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.chart import draw
from dashboard.components.fairness.plots_groups import whiskers
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.compare import measures_by_attribute, why_missing
from interlock.control.readmodel.groups import GroupTable, Impact, Value, group_tables, intersections, reference_of
from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding

ABOUT = """One row per group: the dot is the rate, the line its 95 % interval, the dotted line the rate among all
groups together. Intervals that overlap a lot do not show a difference; small groups have wide ones. ◇: not enough evidence, so no figure;
hover says how many rows there are and how many it takes."""
IMPACT = """Each group's rate of favourable answers beside the highest one. 29 CFR 1607.4(D) generally regards less than four fifths as
evidence of adverse impact in US employment selection; elsewhere it is a convention. The p-value informs about chance only and decides
nothing."""
SCORED = ("rate", "highest", "ratio", "below four fifths", "p")
FEW = "not enough evidence"
ALIKE = "A ratio of 1 or a difference of 0 means that the groups are treated alike. In brackets the 95 % interval."


def groups_alone(chosen: Proof) -> None:
    """The measures of every attribute, then the groups of the one that is picked."""
    measured = measures_by_attribute(chosen)
    if measured:
        st.table(
            [{"attribute": plain(name), **{title: plain(_answer(one)) for title, one in row.items()}} for name, row in measured],
            border="horizontal",
            hide_index=True,
        )
        st.caption(ALIKE)
    _picked(group_tables(chosen), "attribute", "Attribute", "This evidence holds no table of groups. Validate the version again.")


def crossed_groups(chosen: Proof) -> None:
    """The same for two attributes at once."""
    nothing = "This evidence holds no intersections: they need two sensitive attributes and a favourable answer."
    _picked(intersections(chosen), "pair", "Attributes", nothing)


def _picked(tables: list[GroupTable], name: str, title: str, nothing: str) -> None:
    if not tables:
        st.markdown(nothing)
        return
    by_name = {table.attribute: table for table in tables}
    words = {one: f"{one}, {len(table.groups) + table.more:,} groups" for one, table in by_name.items()}
    groups_of(by_name[address.chosen(name, list(by_name), label=title, default=next(iter(by_name)), words=words.__getitem__)])


def groups_of(table: GroupTable) -> None:
    """Dots with intervals per measure, the table behind them, and adverse impact where it was looked at."""
    _panels(table)
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
    _impact(table)


def _panels(table: GroupTable) -> None:
    """One small chart per measure, all with the same rows."""
    names = [group.name for group in table.groups]
    columns = st.columns(2)
    for place, (measure, title) in enumerate(table.titles.items()):
        values = [group.values[measure] for group in table.groups]
        with columns[place % 2]:
            draw(
                whiskers(names, values, reference_of(table, measure), share=table.main == "selection_rate"),
                title=title.capitalize(),
                unit=table.unit,
                legend=False,
                n=sum(group.weights.get(measure, group.sample_size) for group in table.groups),
                height=56 + 30 * max(len(names), 2),
                about=ABOUT,
                key=f"groups {table.attribute} {measure}",
                rows=[
                    {
                        "group": group.name,
                        "n": group.weights.get(measure, group.sample_size),
                        "value": one.value,
                        "low": one.low,
                        "high": one.high,
                        "note": one.note,
                    }
                    for group, one in zip(table.groups, values, strict=True)
                ],
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


def _answer(finding: Finding) -> str:
    if finding.value is None:
        return finding.note or why_missing(finding)
    return f"{number(finding.value)} ({interval(finding.low, finding.high)}), n = {finding.sample_size:,}"


def _cell(value: Value) -> str:
    """A cell of the table; a group that is too small says so."""
    if value.value is None:
        return value.note.partition(" to see ")[0]
    ends = interval(value.low, value.high)
    return f"{number(value.value)} ({ends})" if ends else number(value.value)
