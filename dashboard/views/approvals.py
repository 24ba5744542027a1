"""Approvals: the candidate beside the champion on one screen, what a yes starts, the signature, and the receipt."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.approvals.bound import decided_meanwhile, nothing_waits, once_waited
from dashboard.components.approvals.casefile import case_file
from dashboard.components.approvals.standing import standing as standing_approval
from dashboard.components.deciding.progress import follow, standing
from dashboard.components.deciding.receipts import entry_of, receipt
from dashboard.components.frame import use_case_page
from dashboard.components.live import live_of, live_strip
from dashboard.components.words import moment, short
from dashboard.components.zone import table_time
from dashboard.desk import Desk
from interlock.control.decisions.undecided import Waiting
from interlock.control.readmodel.bound import voided
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.rollouts import releases
from interlock.control.readmodel.waiting import Taken, taken, waiting

EVIDENCE = "evidence"  # in the address
ABOUT = """A **candidate** is a trained and packaged version that is not live. Its **evidence** was measured on rows it never saw and
sealed by one digest; your decision is bound to that digest, and is void as soon as evidence, champion, package or use-case file change.
A gate says pass, fail or unknown, and only pass lets through. Whoever wrote the use case or started the training cannot approve."""


@use_case_page("Approvals", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """What waits in full, or why nothing does; a release on its way above it; the history below."""
    receipt(entry.name)
    found = desk.live(releases, entry.name, 1)
    followed = found[0] if found and found[0].open else None
    if followed is not None:
        st.header("On its way", anchor=False)
        follow(entry.name, standing(desk, entry.name))
    void = desk.live(voided, entry.name)  # read before what waits, so that it is never the older of the two
    open_decisions = desk.live(waiting, entry.name)
    decided_meanwhile(desk, entry.name, open_decisions)
    if open_decisions:
        case_file(desk, entry, _choose(open_decisions), followed)
    else:
        if followed is None:
            live_strip(live_of(desk, entry.name))
        nothing_waits(entry.name)
    once_waited(void, entry.name)
    standing_approval(desk, entry, open_decisions)
    _history(desk, entry)


def _choose(open_decisions: list[Waiting]) -> str:
    """The evidence that the address asks for, else the newest."""
    if len(open_decisions) == 1:
        return open_decisions[0].evidence_digest
    names = {one.evidence_digest: f"version {one.version}, {one.verdict}, {moment(one.created_at)}" for one in open_decisions}
    digests = list(names)
    return address.chosen(EVIDENCE, digests, label="Candidate", default=digests[0], words=names.__getitem__)


def _history(desk: Desk, entry: Entry) -> None:
    past: list[Taken] = desk.soon(taken, entry.name)
    if not past:
        return
    st.header("Decisions so far", anchor=False)
    st.dataframe(
        [
            {
                "time": one.created_at,
                "decision": one.kind,
                "version": one.version,
                "who": one.actor,
                "evidence": short(one.evidence_digest) if one.evidence_digest else None,
                "reason": one.reason,
            }
            for one in past
        ],
        hide_index=True,
        placeholder="–",
        column_config={"time": table_time("time"), "version": st.column_config.NumberColumn("version", width="small")},
    )
    by_id = {one.id: one for one in past}
    with st.expander("Receipt of a decision"):
        asked = address.chosen("decision", list(by_id), label="Decision", default=past[0].id, words=lambda one: _said(by_id[one]))
        entry_of(desk, asked, key="past")


def _said(one: Taken) -> str:
    version = f"version {one.version}, " if one.version is not None else ""
    return f"{one.kind}, {version}{one.actor}, {moment(one.created_at)}"


show()
