"""Time machine: what answered at a moment, who put it there on what evidence, and what changed between two moments."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.components.frame import use_case_page
from dashboard.components.states import empty
from dashboard.components.time_machine.compared import compared
from dashboard.components.time_machine.moments import by_hand, moment_s, pick
from dashboard.components.time_machine.versions_band import versions_band
from dashboard.components.words import plain, short
from dashboard.desk import Desk
from interlock.control.past.timeline import Moment, Timeline, timeline, what_answered
from interlock.control.past.timeline_words import answer, change
from interlock.control.readmodel.between import Between, between, moments
from interlock.control.readmodel.directory import Entry
from interlock.records.store import utc_now

AT, FROM = "at", "from"  # in the address
ABOUT = """What answered customers at a given moment is rebuilt from the **ledger** alone, where every decision and every change of a
route is chained by hashes. A rollback that the prediction server carried out by itself counts from its swap, not from when the ledger
heard of it. Answers may lag a quarter of a second behind a change. The address holds both moments: send it to show the same."""


@use_case_page("Time machine", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """The slider, the band, the answer, the comparison, the line of changes."""
    line: Timeline = desk.soon(timeline, entry.name)
    if not line.stretches and not line.altered:
        empty("Nothing was released yet.", "From the first release on, every moment can be asked for here.")
        return
    now, changes = utc_now().replace(second=0, microsecond=0), moments(line)
    now = max([now, *changes])
    at, since = _moments(entry, changes, now)
    versions_band(line.stretches, now, sorted({at, since}), use_case=entry.name)
    _answer(desk.soon(what_answered, entry.name, at))
    st.header("What changed between the two moments", anchor=False)
    gated = entry.spec.fairness.metric if entry.spec else ""
    found: Between = desk.soon(between, entry.name, since, at, gated)
    compared(found)
    _line(line)


def _moments(entry: Entry, changes: list[datetime], now: datetime) -> tuple[datetime, datetime]:
    """The moment that is asked for, and the one it is compared with: by default the first change of all."""
    first, second = st.columns(2, gap="xlarge")
    with first:
        said = "Each stop is a moment at which something changed; the last one is now."
        at = pick(AT, changes, now, label="What answered at", scope=entry.name, help=said)
        by_hand(AT, at)
    with second:
        since = pick(FROM, [*changes, now], changes[0] if changes else now, label="Compared with", scope=entry.name)
        by_hand(FROM, since)
    return at, since


def _answer(found: Moment) -> None:
    first, *others = answer(found)
    st.header(_title(found), anchor=False)
    with st.container(gap="xsmall"):
        st.markdown(plain(first))
        for sentence in others:
            (st.warning if sentence.startswith("Beware") else st.markdown)(plain(sentence))
    if found.proof is not None and found.proof.gates:
        with st.expander(f"Gates of the evidence it rests on ({len(found.proof.gates)})"):
            gates = [{"gate": gate.replace("_", " "), "verdict": verdict} for gate, verdict in sorted(found.proof.gates.items())]
            st.dataframe(gates, hide_index=True)
    if found.stretch is not None and found.stretch.champion is not None:
        proven = [("use case", found.proof.policy), *(("snapshot", one) for one in found.proof.snapshots)] if found.proof else []
        named = [("package", found.stretch.champion.digest), *proven]
        with st.expander("Digests of what answered and of what its evidence rests on"):
            st.code("\n".join(f"{name:<9} {digest}" for name, digest in named if digest), language=None)


def _title(found: Moment) -> str:
    if found.stretch is None or found.stretch.champion is None:
        return "Nothing answered"
    return f"Version {found.stretch.champion.version} answered"


def _line(line: Timeline) -> None:
    st.header("Line of changes", anchor=False)
    if line.altered:
        st.warning(plain(f"Ledger entries {', '.join(map(str, line.altered[:10]))} are not what was written and were left out."))
    st.dataframe(
        [
            {
                "since": moment_s(one.since),
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
            st.markdown(plain(f"{moment_s(one.since)}: {change(one)}"))


show()
