"""Choosing the evidence a page shows: the newest first, the version that is live marked."""

from __future__ import annotations

import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.live import live_of
from dashboard.components.states import empty
from dashboard.components.words import moment, short
from dashboard.desk import Desk
from interlock.control.readmodel.proof import Proof, proof, proof_of_package, proofs


def pick_evidence(desk: Desk, use_case: str) -> Proof | None:
    """The evidence that the viewer picked, None (and a written empty state) where there is none."""
    st.header("In the evidence", anchor=False)
    known = desk.soon(proofs, use_case)
    if not known:
        empty(
            "No version was validated yet.",
            "The validate flow measures a candidate on held-out rows and seals the evidence:",
            f"prefect deployment run lifecycle/lifecycle -p use_case={use_case}",
        )
        return None
    words = {short(digest): f"version {version}, {verdict}, {moment(at)}, {short(digest)}" for digest, version, at, verdict in known}
    full = {short(digest): digest for digest, *_ in known}
    name = chosen("evidence", list(words), label="Evidence", default=next(iter(words)), words=words.__getitem__)
    return desk.sealed(proof, full[name])


def champion_beside(desk: Desk, chosen: Proof) -> Proof | None:
    """Evidence of what is live, None where that is the chosen one, or nothing, or was never validated."""
    live = live_of(desk, chosen.use_case)
    slot = live.answering or (live.route.champion if live.route else None)
    if slot is None or slot.digest == chosen.package_digest:
        return None
    return desk.sealed(proof_of_package, chosen.use_case, slot.digest)
