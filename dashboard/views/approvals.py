"""Approvals: the candidate beside the champion, every gate in one sentence, what a yes starts, and the signature."""

from __future__ import annotations

import streamlit as st

from dashboard.components.casefile import case_file
from dashboard.components.decide import receipt
from dashboard.components.frame import use_case_page
from dashboard.components.live import live_of, live_strip
from dashboard.components.progress import follow, standing
from dashboard.components.standing import standing as standing_approval
from dashboard.components.states import empty
from dashboard.components.words import moment, short
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.rollouts import releases
from interlock.control.readmodel.waiting import taken, waiting
from interlock.control.undecided import Waiting

ABOUT = """A **candidate** is a trained and packaged version that is not live. Its **evidence** was measured on rows it never saw and
sealed by one digest; your decision is bound to that digest. A gate says pass, fail or unknown, and only pass lets through.
Whoever wrote the use case or started the training cannot approve."""


@use_case_page("Approvals", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """The first waiting decision in full, the others by choice, the history below."""
    receipt(entry.name)
    found = desk.live(releases, entry.name, 1)
    followed = found[0] if found and found[0].open else None
    if followed is not None:
        st.subheader("On its way", anchor=False)
        follow(entry.name, standing(desk, entry.name))
    open_decisions = desk.soon(waiting, entry.name)
    if open_decisions:
        case_file(desk, entry, _choose(open_decisions), followed)
    else:
        if followed is None:
            live_strip(live_of(desk, entry.name))
        empty(
            "No decision is waiting.",
            "A candidate appears here when it was trained and validated, on schedule or by hand:",
            f"prefect deployment run lifecycle/lifecycle -p use_case={entry.name}",
        )
    standing_approval(desk, entry, open_decisions)
    _history(desk, entry)


def _choose(open_decisions: list[Waiting]) -> Waiting:
    if len(open_decisions) == 1:
        return open_decisions[0]
    names = {one.evidence_digest: f"version {one.version}, {one.verdict}, {moment(one.created_at)}" for one in open_decisions}
    digest = st.selectbox("Candidate", list(names), format_func=names.__getitem__)
    return next(one for one in open_decisions if one.evidence_digest == digest)


def _history(desk: Desk, entry: Entry) -> None:
    past = desk.soon(taken, entry.name)
    if not past:
        return
    st.subheader("Decisions so far", anchor=False)
    st.dataframe(
        [
            {
                "time (UTC)": f"{one.created_at:%Y-%m-%d %H:%M:%S}",
                "decision": one.kind,
                "version": one.version,
                "who": one.actor,
                "reason": one.reason,
                "evidence": short(one.evidence_digest) if one.evidence_digest else None,
            }
            for one in past
        ],
        hide_index=True,
        placeholder="–",
    )


show()
