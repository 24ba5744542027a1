"""Alerts that were sent, newest first."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import moment, plain
from interlock.control.readmodel.work import AlertView


def told(sent: list[AlertView]) -> None:
    """One line per alert; what was measured, which an alert lists with dashes, a tap away."""
    st.header("Alerts", anchor=False)
    if not sent:
        st.markdown("No alert was sent for this use case.")
    for alert in sent:
        lines = [line.strip() for line in alert.body.splitlines() if line.strip()]
        said = " ".join(line for line in lines if not line.startswith("- "))
        st.markdown(f"{moment(alert.created_at)} · {plain(alert.severity)} · **{plain(alert.title)}** — {plain(said)}")
        if listed := [line.removeprefix("- ") for line in lines if line.startswith("- ")]:
            with st.expander(f"What was measured ({len(listed)})"):
                st.markdown("\n".join(f"- {plain(one)}" for one in listed))
