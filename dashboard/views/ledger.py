"""Ledger: every decision and every change of a route, the button that recomputes the chain, and the bundle for auditors."""

from __future__ import annotations

import json

import streamlit as st

from dashboard.components.address import chosen, number, text
from dashboard.components.frame import CHOSEN, page
from dashboard.components.ledger.bundle_form import bundle_form
from dashboard.components.states import empty
from dashboard.components.words import moment, plain
from dashboard.components.zone import table_time
from dashboard.desk import Desk
from interlock.control.keeping.keeper import head_path
from interlock.control.readmodel.book import Line, entry, kinds, length, lines
from interlock.control.readmodel.directory import entries
from interlock.records.ledger import read_head, verify

ABOUT = """Each entry holds the hash of the one before it, so changing, removing or reordering any entry breaks the chain from there on.
**Verify** recomputes every hash. A chain alone cannot show that its newest entries were cut off: Verify therefore also compares it
with the head that the keeper exports every half minute. Keep copies of that file elsewhere (`interlock verify --head FILE`)."""
LIMIT = 300
ALL = "all"


@page("Ledger", ABOUT)
def show(desk: Desk) -> None:
    """Verify, search, read."""
    total = desk.soon(length)
    if not total:
        empty("The ledger is empty.", "The first entry is written when a candidate is made or a decision is taken.")
        return
    if st.button(f"Verify all {total:,} entries", type="primary"):
        _verify(desk)
    titles = {one.name: one.title for one in desk.soon(entries)}
    bundle_form(desk, titles)
    which, what, words = st.columns([2, 2, 3])
    with which:
        use_case = chosen(CHOSEN, [ALL, *titles], label="Use case", default=ALL, words=lambda name: titles.get(name, "all use cases"))
    with what:
        kind = chosen("kind", [ALL, *desk.soon(kinds)], label="Kind", default=ALL)
    with words:
        wanted = text("words", label="Search", placeholder="a name, a reason, a digest")
    found = desk.soon(lines, None if use_case == ALL else use_case, None if kind == ALL else kind, wanted, LIMIT)
    _table(found, total)
    _one(desk, found, total)


def _table(found: list[Line], total: int) -> None:
    more = f" The newest {LIMIT} are shown: search, or choose a kind." if len(found) == LIMIT else ""
    st.caption(f"n = {len(found):,} of {total:,} entries, newest first.{more}")
    st.dataframe(
        [
            {
                "no.": one.seq,
                "time": one.created_at,
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
            "time": table_time("time", seconds=True),
            "who": st.column_config.TextColumn(width="medium"),
            "what": st.column_config.TextColumn(width="large"),
        },
    )


def _verify(desk: Desk) -> None:
    """Recompute the chain and compare it with the exported head, as `interlock verify` does."""
    exported = read_head(head_path(desk.settings))
    with st.spinner("Recomputing every hash"):
        report = verify(desk.store, exported)
    if report.ok:
        compared = (
            f"It continues the exported head (entry {exported.seq})."
            if exported
            else "No head was exported yet, so entries cut off at the end would not show."
        )
        st.success(f"The chain holds: {report.entries:,} entries recomputed. Head: entry {report.head.seq}, {report.head.hash}. {compared}")
        return
    st.error("The chain does not hold. Keep the store as it is, and compare with a backup.")
    for problem in report.problems[:20]:
        st.markdown(plain(problem))


def _one(desk: Desk, found: list[Line], total: int) -> None:
    """One entry in full: the one that the address names, else the newest of those found."""
    if not found:
        st.markdown("No entry matches.")
    seq = int(number("entry", label="Read entry no.", default=found[0].seq if found else total, low=1, high=total, step=1))
    line = desk.sealed(entry, seq)
    if line is None:
        st.warning(f"There is no entry {seq}: the chain has a gap. Verify it.")
        return
    st.markdown(f"**Entry {line.seq}** · {plain(line.kind)} · {moment(line.created_at)}")
    st.code(json.dumps(line.body, indent=2, ensure_ascii=False), language="json")
    st.caption(f"hash {line.hash} · built on {line.previous_hash}")


show()
