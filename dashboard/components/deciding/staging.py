"""What staging found about a candidate before any customer saw it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.components.signal import mark
from dashboard.components.words import moment, plain
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.control.readmodel.signals import SignalState


def of_staging(judgement: dict[str, Any]) -> bool:
    """Whether this judgement is that of staging, not of a step."""
    return bool(judgement.get("stage") == "staging")


def staged(release: ReleaseView) -> None:
    """The verdict and every measure of it; plainly nothing where it was not staged yet."""
    found = next((one for one in reversed(release.analysis) if of_staging(one)), None)
    if found is None:
        st.markdown("Not staged. A candidate first answers smoke requests and the declared load on a server of its own.")
        return
    with st.container(gap=None):
        for measure in found.get("measures", []):
            st.markdown(f"{mark(_state(measure.get('verdict')))} {plain(measure.get('sentence', measure.get('name', '')))}")
    st.caption(plain(_told(found)))


def _told(found: dict[str, Any]) -> str:
    facts = found.get("facts", {})
    said = [f"Staged at {moment(datetime.fromisoformat(found['at']))}"] if found.get("at") else []
    if facts.get("attempt", 1) > 1:
        said.append("asked twice: the first time gave no verdict")
    return " · ".join(said)


def _state(verdict: object) -> SignalState:
    return SignalState(verdict) if verdict in {"pass", "fail"} else SignalState.UNKNOWN
