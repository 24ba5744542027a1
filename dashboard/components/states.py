"""What a page says when it has nothing to show or cannot show it: what is missing, why, and what to do."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import plain
from interlock.errors import InterlockError, StoreError


def empty(what: str, do: str, command: str = "") -> None:
    """Nothing to show yet: says what would stand here and how it comes about."""
    with st.container(border=True):
        st.markdown(f"**{plain(what)}**")
        st.markdown(plain(do))
        if command:
            st.code(command, language=None)


def trouble(error: InterlockError) -> None:
    """A failed load, never shown as an empty page or a zero."""
    if isinstance(error, StoreError):
        no_store(error)
        return
    st.error(plain(error.what))
    details = [
        f"Got: {error.value}" if error.value is not None else "",
        f"Allowed: {error.allowed}" if error.allowed else "",
        f"Next: {error.next_step}" if error.next_step else "",
    ]
    for line in filter(None, details):
        st.markdown(plain(line))


def failed(what: str) -> None:
    """A fault of our own: what it does not mean, and where to look."""
    st.error(plain(f"{what} could not be drawn to its end: a fault here, not in a model. What is missing below is not zero."))
    st.markdown("What the endpoint answers with is not touched by it. The time and the cause stand in the dashboard's log:")
    st.code("interlock status\ninterlock rollback --help   # works without this page", language=None)


def no_store(error: StoreError) -> None:
    """The store is not there, or of another version: the one command that mends it."""
    st.error(plain(error.what))
    st.markdown(plain(f"Found: {error.value}. This version needs: {error.allowed}. Nothing is lost. Run this, then reload the page:"))
    st.code(error.next_step or "interlock migrate", language=None)
