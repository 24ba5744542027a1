"""What a decision left behind: its entry in the ledger, to read, to keep as a file, to find again on the Ledger page."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboard.components.frame import CHOSEN
from dashboard.components.words import moment, plain, short
from dashboard.desk import Desk, open_desk
from interlock.control.readmodel.ledgered import Ledgered, ledgered

ENTRY = "entry"  # in the address of the Ledger page


def receipt(use_case: str) -> None:
    """What the last action of this session did, and its receipt."""
    last = st.session_state.get("receipt")
    if last is None or last.use_case != use_case:
        return
    entry = f" Ledger entry {last.ledger_seq}." if last.ledger_seq else ""
    st.success(plain(f"Recorded: {last.sentence}. Signed by {last.actor}.{entry}"))
    for warning in last.warnings:
        st.warning(plain(warning))
    if last.observed is not None and last.observed.champion is not None:
        slot = last.observed.champion
        st.markdown(f"Right after it the endpoint itself answered with version {slot.version}, digest `{short(slot.digest)}`.")
    if last.decision_id is not None:
        entry_of(open_desk(), last.decision_id, key="last")


def entry_of(desk: Desk, decision_id: str, *, key: str) -> None:
    """Sequence, hash, time, who; the file; the way to the Ledger page."""
    found = desk.sealed(ledgered, decision_id)
    if found is None:
        st.caption("The ledger has no entry for this decision yet.")
        return
    _facts(found)
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Receipt (JSON)",
            found.as_json,
            f"interlock-receipt-{found.seq}.json",
            "application/json",
            key=f"receipt {key} {found.seq}",
            on_click="ignore",
        )
        st.link_button(f"Ledger entry {found.seq}", f"ledger?{urlencode({CHOSEN: found.use_case, ENTRY: found.seq})}")


def _facts(found: Ledgered) -> None:
    who = plain(f"{moment(found.at)} · {found.kind} by {found.actor}")
    st.caption(f"Ledger entry {found.seq} · `{short(found.hash)}` · {who}")
    if not found.genuine:
        st.error(plain(f"Ledger entry {found.seq} is not what was written. Run interlock verify."))
