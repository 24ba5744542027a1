"""The signature: what stands in the way is said before anything is filled in; then approve, reject or waive."""

from __future__ import annotations

import streamlit as st

from dashboard.components.approvals.waive import exceptions_of, explain_exceptions, may_waive, waive_form
from dashboard.components.deciding.decide import signed
from dashboard.components.deciding.rights import offered
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.decisions import actions
from interlock.control.readmodel.bound import Bound
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.endpoint import Live
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.waiting import duties


def sign(desk: Desk, entry: Entry, candidate: Proof, live: Live, now: Bound) -> None:
    """Separation of duties, open gates and roles first. Who can only be refused gets no form to fill in for nothing."""
    objection = duties(desk.settings, entry.spec, candidate, desk.actor)
    if objection:
        (st.info if desk.settings.single_person else st.warning)(plain(objection))
    open_gates = exceptions_of(desk, candidate)
    explain_exceptions(open_gates)
    choices = ["Approve", "Reject", *(["Waive"] if may_waive(open_gates) else [])]
    yes, no, *more = st.tabs(choices)
    arguments = {"evidence_digest": candidate.digest, "expected_generation": live.route.generation if live.route else 0}
    with yes:
        if offered(desk, "approve") and _could_succeed(objection and not desk.settings.single_person, not open_gates.clear, now):
            signed(
                desk,
                key=f"approve {candidate.digest}",
                button=f"Approve version {candidate.version}",
                word=entry.name,
                act=actions.approve,
                arguments=arguments,
                hint="Why this version should answer customers",
                border=False,
            )
    with no:
        signed(
            desk,
            key=f"reject {candidate.digest}",
            button=f"Reject version {candidate.version}",
            word=entry.name,
            act=actions.reject,
            arguments=arguments,
            hint="Why it should not",
            main=False,
            border=False,
        )
    for place in more:
        with place:
            if offered(desk, "waive"):
                waive_form(desk, entry, candidate, open_gates)


def _could_succeed(not_this_person: object, stopped_by_gates: bool, now: Bound) -> bool:
    """Whether an approval by this person could succeed as it stands; else what to do instead."""
    if not_this_person:
        st.markdown("You cannot approve this version. Send somebody else the address of this page: it shows them the same.")
    elif stopped_by_gates:
        st.markdown("Not yet: see above what stops it.")
    elif now.refused:
        st.markdown(plain(f"Not now: {'; '.join(now.refused)}."))
    else:
        return True
    return False
