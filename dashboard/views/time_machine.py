"""Time machine: what answered at a moment, who put it there on what evidence, and what it would take to go back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import streamlit as st

from dashboard.components.frame import use_case_page
from dashboard.components.states import empty, trouble
from dashboard.components.words import plain, short
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.timeline import Moment, Timeline, moment_of, timeline, what_answered
from interlock.control.timeline_words import answer, change, clock
from interlock.errors import DataError
from interlock.records.store import utc_now

AT = "at"  # in the address
ABOUT = """What answered customers at a given moment is rebuilt from the **ledger** alone, where every decision and every change of a
route is chained by hashes. A rollback that the prediction server carried out by itself counts from its swap, not from when the ledger
heard of it. All times are UTC. Answers may lag a quarter of a second behind a change."""


@use_case_page("Time machine", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """The moment, its answer, the line of changes."""
    line = desk.soon(timeline, entry.name)
    if not line.stretches and not line.altered:
        empty("Nothing was released yet.", "From the first release on, every moment can be asked for here.")
        return
    at = _pick()
    if at is not None:
        _answer(desk.soon(what_answered, entry.name, at))
    _line(line)


def _pick() -> datetime | None:
    """The moment from the address, else now; changing it changes the address, so that a link shows a colleague the same."""
    try:
        asked = moment_of(st.query_params[AT]) if AT in st.query_params else utc_now().replace(second=0, microsecond=0)
    except DataError as error:
        trouble(error)
        asked = utc_now().replace(second=0, microsecond=0)
    with st.form("moment", border=False):
        day_side, time_side, button_side = st.columns([2, 2, 1], vertical_alignment="bottom")
        day = day_side.date_input("Day (UTC)", value=asked.date(), format="YYYY-MM-DD", min_value=date(2000, 1, 1))
        hour = time_side.time_input("Time (UTC)", value=time(asked.hour, asked.minute), step=60)
        pressed = button_side.form_submit_button("What answered?", type="primary")
    if not isinstance(day, date) or hour is None:
        st.warning("Choose a day and a time.")
        return None
    if not pressed:
        return asked
    chosen = datetime.combine(day, hour, UTC)
    st.query_params[AT] = f"{chosen:%Y-%m-%dT%H:%M}"
    return chosen


def _answer(found: Moment) -> None:
    first, *others = answer(found)
    st.subheader(_title(found), anchor=False)
    st.markdown(plain(first))
    for sentence in others:
        (st.warning if sentence.startswith("Beware") else st.markdown)(plain(sentence))
    if found.proof is not None and found.proof.gates:
        with st.expander(f"Gates of the evidence it rests on ({len(found.proof.gates)})"):
            gates = [{"gate": gate, "verdict": verdict} for gate, verdict in sorted(found.proof.gates.items())]
            st.dataframe(gates, hide_index=True)
    if found.stretch is not None and found.stretch.champion is not None:
        st.caption("Digests of what answered and of what its evidence rests on:")
        proven = [("use case", found.proof.policy), *(("snapshot", one) for one in found.proof.snapshots)] if found.proof else []
        named = [("package", found.stretch.champion.digest), *proven]
        st.code("\n".join(f"{name:<9} {digest}" for name, digest in named if digest), language=None)


def _title(found: Moment) -> str:
    if found.stretch is None or found.stretch.champion is None:
        return "Nothing answered"
    return f"Version {found.stretch.champion.version} answered"


def _line(line: Timeline) -> None:
    st.subheader("Line of changes", anchor=False)
    if line.altered:
        st.warning(plain(f"Ledger entries {', '.join(map(str, line.altered[:10]))} are not what was written and were left out."))
    st.dataframe(
        [
            {
                "since": clock(one.since),
                "version": one.champion.version if one.champion else None,
                "package": short(one.champion.digest) if one.champion else None,
                "beside it": f"version {one.candidate.version}, {one.candidate_percent:g} %" if one.candidate else None,
                "by": one.actor,
                "why": one.reason,
                "generation": one.generation,
            }
            for one in reversed(line.stretches)
        ],
        hide_index=True,
        placeholder="–",
    )
    with st.expander("In words"):
        for one in list(reversed(line.stretches))[:50]:
            st.markdown(plain(f"{clock(one.since)}: {change(one)}"))


show()
