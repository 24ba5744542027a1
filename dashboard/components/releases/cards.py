"""The model card of what answers now, to look at and to download."""

from __future__ import annotations

import streamlit as st

from dashboard.components.embed import attachments
from dashboard.components.live import live_of
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.proof import proof_of_package


def card_of(desk: Desk, entry: Entry) -> None:
    """The cards that were sealed with the evidence of the live version; nothing where nothing is live or it has none."""
    live = live_of(desk, entry.name)
    slot = live.answering or (live.route.champion if live.route else None)
    found = desk.sealed(proof_of_package, entry.name, slot.digest) if slot else None
    files = {name: digest for name, digest in found.evidence.attachments.items() if name.startswith("model-card.")} if found else {}
    if found is None:
        return
    st.link_button("Print view", f"paper?evidence={found.digest}", type="tertiary")
    if not files:
        return
    with st.expander(f"Model card of version {found.version}"):
        attachments(desk.settings, found.digest, files)
