"""The change list of a candidate: how far it goes, and every change with before and after."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import plain
from interlock.control.readmodel.differences import change_list
from interlock.control.readmodel.proof import Proof


def change_level(candidate: Proof) -> None:
    """How far the changes go, in one line; nothing for evidence without a change list."""
    found = change_list(candidate)
    if found is not None:
        count = f", {len(found.changes):,} changes" if found.changes else ""
        st.markdown(f"**Against the champion:** {plain(found.words)}{count}")


def what_changed(candidate: Proof) -> None:
    """One line and a table; evidence from before there were change lists says so."""
    found = change_list(candidate)
    if found is None:
        st.markdown("This evidence has no change list. Validate again to get one.")
        return
    st.markdown(f"**{plain(found.words.capitalize())}**")
    if found.changes:
        st.dataframe(
            [
                {"level": one.level, "area": one.area, "what": one.what, "champion": one.before, "candidate": one.after}
                for one in found.changes
            ],
            hide_index=True,
        )
