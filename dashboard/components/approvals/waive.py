"""The two signatures under an exception: one person waives gates for a time, another one approves."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.deciding.decide import signed
from dashboard.components.words import moment, plain
from dashboard.desk import Desk
from interlock.control.decisions import actions
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.waivers import Exceptions, exceptions, waivers
from interlock.records.store import utc_now
from interlock.rules.gates import GateResult

DAYS, DAYS_MAX = 7, 90
ENDINGS = {"rollback": "take the version off again", "ask": "leave it live and ask people again"}


def exceptions_of(desk: Desk, candidate: Proof) -> Exceptions:
    """What still stops an approval by the person at the keyboard."""
    signatures = desk.live(waivers, candidate.digest)
    return exceptions(candidate.gates, signatures, desk.actor, utc_now(), single_person=desk.settings.single_person)


def may_waive(found: Exceptions) -> bool:
    """Whether a waiver would help: gates are left to waive, and none of the others makes it pointless."""
    return bool(found.unsigned) and not found.final


def explain_exceptions(found: Exceptions) -> None:
    """Who waived what until when, and why Approve would be refused as it stands; nothing where every gate passed."""
    for one in found.held:
        names = ", ".join(one.gates)
        end = ENDINGS.get(one.on_expiry, one.on_expiry)
        st.info(plain(f"{one.actor} waived {names} until {moment(one.expires_at)} (then: {end}): {one.reason}"))
    if found.final:
        text = "rests on an error, or on missing or stale evidence, and can never be waived: validate again, or reject."
        st.warning(plain(f"Approve will be refused: {_names(found.final)} {text}"))
    elif found.unsigned:
        text = "can be waived by one person, for a time and in writing; then somebody else has to approve."
        st.warning(plain(f"Approve will be refused as it stands: {_names(found.unsigned)} {text}"))
    elif found.own:
        st.warning(plain(f"You waived {_names(found.own)}, so somebody else has to approve."))


def waive_form(desk: Desk, entry: Entry, candidate: Proof, found: Exceptions) -> None:
    """The first signature."""
    titles = {gate.gate: gate.title for gate in found.unsigned}

    def fields() -> dict[str, Any]:
        chosen = st.multiselect(
            "Gates that need not pass",
            list(titles),
            default=list(titles),
            format_func=titles.__getitem__,
            key=f"gates {candidate.digest}",
            help="Every gate that stops this version has to be waived before somebody else can approve it.",
        )
        days = st.number_input("For how many days", 1, DAYS_MAX, DAYS, key=f"days {candidate.digest}")
        ending = st.radio("When they are over", list(ENDINGS), format_func=ENDINGS.__getitem__, key=f"ending {candidate.digest}")
        return {"gates": chosen, "hours": days * 24.0, "on_expiry": ending}

    st.markdown("A waiver lets nothing through by itself: it is the first of two signatures, and the ledger keeps both.")
    signed(
        desk,
        key=f"waive {candidate.digest} {' '.join(titles)}",
        button=f"Waive for version {candidate.version}",
        word=entry.name,
        act=actions.waive,
        arguments={"evidence_digest": candidate.digest},
        hint="Why it may answer customers all the same, and what limits the harm",
        main=False,
        fields=fields,
        border=False,
    )


def _names(gates: tuple[GateResult, ...]) -> str:
    return ", ".join(f"'{gate.title}'" for gate in gates)
