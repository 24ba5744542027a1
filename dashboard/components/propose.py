"""A changed value of the use-case file, shown as a diff and given to take along: the file in version control stays the truth."""

from __future__ import annotations

import streamlit as st

from dashboard.components.states import trouble
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.proposals import proposal
from interlock.errors import InterlockError


def may_propose(desk: Desk) -> bool:
    """Whether to offer a change of the use-case file; else who may."""
    if not desk.may("propose"):
        st.caption("Proposing a change of the use-case file needs the role analyst, approver, operator or admin.")
        return False
    return True


def propose(desk: Desk, use_case: str, section: str, key: str, value: float, *, why: str = "") -> None:
    """The diff with a button to download it; in words where the role does not allow it, or the file would not accept it."""
    if not may_propose(desk):
        return
    try:
        found = desk.soon(proposal, use_case, section, key, value)
    except InterlockError as error:
        trouble(error)
        return
    if not found.diff:
        st.caption(plain(f"The use-case file already says [{section}] {key} = {value:g}."))
        return
    st.markdown(f"**Proposed change of** {plain(found.file)}")
    st.code(found.diff, language="diff")
    st.download_button(
        "Download the change",
        found.diff,
        file_name=f"{use_case}-{key}.diff",
        mime="text/x-diff",
        on_click="ignore",
        key=f"propose {use_case} {key}",
    )
    st.caption(f"Nothing is changed here. Apply it with `git apply {use_case}-{key}.diff` and have it reviewed. {plain(why)}")
