"""Alerts that were sent, newest first."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import moment, plain
from interlock.control.readmodel.work import AlertView


def told(sent: list[AlertView]) -> None:
    """One line per alert."""
    st.markdown("**Alerts**")
    if not sent:
        st.markdown("No alert was sent for this use case.")
    for alert in sent:
        st.markdown(f"{moment(alert.created_at)} · {plain(alert.severity)} · **{plain(alert.title)}** — {plain(alert.body)}")
