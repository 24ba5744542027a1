"""Fairness: groups with size and intervals, intersections, proxies, and what mitigation would cost; too small a group is never scored."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.evidence import pick_evidence
from dashboard.components.frame import use_case_page
from dashboard.components.groups import groups_of
from dashboard.components.plots import over_time
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.trade import mitigation, proxies
from dashboard.components.words import interval, number, plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.compare import measures_by_attribute, titled, why_missing
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.groups import GroupTable, group_tables, intersections
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.windows import series, window_signals, windows
from interlock.rules.findings import Finding

ABOUT = """Groups come from the sensitive attributes of the use-case file; these are measured and kept out of the model unless the file
says otherwise. A difference between groups calls for a look at its cause. This page assesses; it proves neither fairness nor
its absence."""


@use_case_page("Fairness", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Gates, groups, production."""
    if entry.spec is not None and not entry.spec.sensitive_columns:
        empty("No sensitive attribute is declared.", 'Give a column of the use-case file role = "sensitive" to compare its groups.')
        return
    chosen = pick_evidence(desk, entry.name)
    if chosen is not None:
        _evidence(chosen, entry)
    _production(desk, entry)


def _evidence(chosen: Proof, entry: Entry) -> None:
    for signal, gate in zip(chosen.signals, chosen.gates, strict=True):
        if gate.metric.startswith("fairness."):
            line(signal)
    if entry.spec is not None:
        rules = [f"{rule.name}: {rule.basis}{f' ({rule.scope})' if rule.scope else ''}" for rule in entry.spec.fairness.rules]
        st.caption(plain(f"Basis: {'; '.join(rules) or entry.spec.fairness.spoken_basis}"))
    alone, crossed, stand, choice = st.tabs(["Groups", "Two attributes at once", "Proxies", "Mitigation"])
    with alone:
        _measures(chosen)
        _tables(group_tables(chosen), "This evidence holds no table of groups.")
    with crossed:
        _tables(intersections(chosen), "This evidence holds no intersections: they need two sensitive attributes and a favourable answer.")
    with stand:
        proxies(chosen)
    with choice:
        mitigation(chosen, entry.name)


def _measures(chosen: Proof) -> None:
    measured = measures_by_attribute(chosen)
    if measured:
        st.table(
            [{"attribute": plain(name), **{title: plain(_answer(one)) for title, one in row.items()}} for name, row in measured],
            border="horizontal",
            hide_index=True,
        )
        st.caption("A ratio of 1 or a difference of 0 means that the groups are treated alike. In brackets the 95 % interval.")


def _tables(tables: list[GroupTable], nothing: str) -> None:
    if not tables:
        st.markdown(nothing)
    for n, table in enumerate(tables):
        with st.expander(f"{plain(table.attribute)}: {len(table.groups) + table.more:,} groups", expanded=n == 0):
            groups_of(table)


def _answer(finding: Finding) -> str:
    if finding.value is None:
        return finding.note or why_missing(finding)
    return f"{number(finding.value)} ({interval(finding.low, finding.high)}), n = {finding.sample_size:,}"


def _production(desk: Desk, entry: Entry) -> None:
    st.subheader("In production", anchor=False)
    views = desk.soon(windows, entry.name)
    if not views:
        empty("No window was monitored yet.", "Groups are compared in production once a model answers requests that carry the attributes.")
        return
    line(window_signals(views[-1], entry.spec)[2])
    for metric, points in series(views, "fairness.", overall=False).items():
        draw(
            over_time([point.start for point in points], {titled(points[0].finding): [point.finding.value for point in points]}),
            title=titled(points[0].finding),
            unit="0 to 1",
            n=sum(point.finding.sample_size for point in points),
            height=220,
            legend=False,
            window=span(points[0].start, points[-1].end),
            key=f"window {metric}",
            about="One point per window. A gap means that a group was too small in that window.",
        )


show()
