"""What a role may not do is said in place of the form: which roles may, which one has. The action checks it again in any case."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.access.people import ask_for_role
from interlock.rules.approval import ALLOWED


def offered(desk: Desk, action: str, what: str = "") -> bool:
    """Whether to draw the form of an action; else one calm sentence stands there. `what`: the deed in words, else the action's name."""
    if desk.may(action):
        return True
    others = " or ".join(sorted(ALLOWED[action]))
    has = ", ".join(desk.roles) or "none"
    st.caption(plain(f"To {what or action} needs the role {others}. You have: {has}. To get it, {ask_for_role(desk.settings)}."))
    return False
