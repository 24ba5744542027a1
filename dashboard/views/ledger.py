"""Ledger: every decision and every change of a route, and the button that recomputes the chain."""

from __future__ import annotations

import json

import streamlit as st

from dashboard.components.frame import page
from dashboard.components.states import empty
from dashboard.components.words import moment, plain
from dashboard.desk import Desk
from interlock.control.keeper import head_path
from interlock.control.readmodel.book import Line, kinds, length, lines
from interlock.control.readmodel.directory import entries
from interlock.records.ledger import read_head, verify

ABOUT = """Each entry holds the hash of the one before it, so changing, removing or reordering any entry breaks the chain from there on.
**Verify** recomputes every hash. A chain alone cannot show that its newest entries were cut off: Verify therefore also compares it
with the head that the keeper exports every half minute. Keep copies of that file elsewhere (`interlock verify --head FILE`)."""
LIMIT = 300


@page("Ledger", ABOUT)
def show(desk: Desk) -> None:
    """Verify, filter, read."""
    total = desk.soon(length)
    if not total:
        empty("The ledger is empty.", "The first entry is written when a candidate is made or a decision is taken.")
        return
    if st.button(f"Verify all {total:,} entries", type="primary"):
        _verify(desk)
    titles = {entry.name: entry.title for entry in desk.soon(entries)}
    with st.container(horizontal=True):
        use_case = st.selectbox("Use case", [None, *titles], format_func=lambda name: "all" if name is None else titles[name])
        kind = st.selectbox("Kind", [None, *desk.soon(kinds)], format_func=lambda one: one or "all")
    found = desk.soon(lines, use_case, kind, LIMIT)
    st.caption(f"n = {len(found):,} of {total:,} entries, newest first")
    st.dataframe(
        [
            {
                "no.": one.seq,
                "time (UTC)": f"{one.created_at:%Y-%m-%d %H:%M:%S}",
                "kind": one.kind,
                "use case": one.use_case or "",
                "who": one.actor,
                "what": one.sentence,
            }
            for one in found
        ],
        hide_index=True,
        column_config={
            "no.": st.column_config.NumberColumn(format="%d", width="small"),
            "what": st.column_config.TextColumn(width="large"),
        },
    )
    _one(found)


def _verify(desk: Desk) -> None:
    """Recompute the chain and compare it with the exported head, as `interlock verify` does."""
    exported = read_head(head_path(desk.settings))
    report = verify(desk.store, exported)
    if report.ok:
        compared = (f"It continues the exported head (entry {exported.seq})." if exported else
                    "No head was exported yet, so entries cut off at the end would not show.")
        st.success(f"The chain holds: {report.entries:,} entries recomputed. Head: entry {report.head.seq}, {report.head.hash}. {compared}")
        return
    st.error("The chain does not hold. Keep the store as it is, and compare with a backup.")
    for problem in report.problems[:20]:
        st.markdown(plain(problem))


def _one(found: list[Line]) -> None:
    """One entry in full."""
    if not found:
        st.markdown("No entry matches.")
        return
    numbers = [one.seq for one in found]
    seq = st.selectbox("Read one entry", numbers, format_func=lambda number: f"entry {number}")
    line = found[numbers.index(seq)]
    st.markdown(f"**Entry {line.seq}** · {plain(line.kind)} · {moment(line.created_at)}")
    st.code(json.dumps(line.body, indent=2, ensure_ascii=False), language="json")
    st.caption(f"hash {line.hash} · built on {line.previous_hash}")


show()
