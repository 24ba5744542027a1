"""The verdicts about a version that is live: operational, estimated without labels, on real labels. Open is neither pass nor fail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.components.signal import mark
from dashboard.components.words import moment, plain
from dashboard.theme import LOOKS
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.control.readmodel.signals import SignalState

NAMES = {
    "operational": "Operational (minutes)",
    "estimated": "Estimated, without labels (hours)",
    "labels": "On real labels (days)",
    "confirmed": "Confirmed",
}
STATES = {"pass": SignalState.PASS, "fail": SignalState.FAIL}


def of_probation(judgement: dict[str, Any]) -> bool:
    """Whether this judgement is about what is live, not about a step."""
    return "probation" in judgement


def probation(release: ReleaseView) -> None:
    """One row per verdict, newest facts; plainly nothing where it has not been live."""
    found = [one for one in release.analysis if of_probation(one)]
    if not found:
        st.markdown("It was not on probation yet: verdicts begin when it answers everything.")
        return
    order = list(NAMES)
    for one in sorted(found, key=lambda item: order.index(item["probation"]) if item["probation"] in order else len(order)):
        state = STATES.get(str(one.get("verdict")), SignalState.UNKNOWN)
        word = "" if state is not SignalState.UNKNOWN else " open:"
        st.markdown(f"{mark(state)} **{plain(NAMES.get(one['probation'], one['probation']))}**:{word} {plain(one.get('sentence', ''))}")
        windows = f", {one['windows']:,} windows" if one.get("windows") else ""
        at = moment(datetime.fromisoformat(one["at"]))
        st.caption(plain(f"n = {one.get('n', 0):,} answers{windows} · {LOOKS[state].word} since {at}"))
