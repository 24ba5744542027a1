"""What the steps of a release measured, newest first."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.signal import mark
from dashboard.components.staging import of_staging
from dashboard.components.words import number, plain
from dashboard.theme import LOOKS
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.control.readmodel.signals import SignalState


def analysis(release: ReleaseView) -> None:
    """Every judgement with its measures and both arms."""
    st.subheader(f"Analysis of version {release.version}", anchor=False)
    judged = [judgement for judgement in release.analysis if not of_staging(judgement)]
    if not judged:
        st.markdown("No step was judged yet. A step is judged when it has lasted long enough and answered enough requests.")
        return
    for n, judgement in reversed(list(enumerate(judged, 1))):
        verdict = str(judgement.get("verdict", "unknown"))
        state = SignalState(verdict) if verdict in {"pass", "fail"} else SignalState.UNKNOWN
        with st.expander(
            f"{LOOKS[state].shape} {_name(judgement, n)}: {plain(judgement.get('sentence', ''))}", expanded=n == len(judged)
        ):
            _judgement(judgement)


def _name(judgement: dict[str, Any], n: int) -> str:
    """Steps are numbered; the verdicts of probation have names and say how many answers they rest on."""
    part = {"operational": "errors", "estimated": "estimate without labels", "labels": "real labels", "confirmed": "confirmed"}
    if judgement.get("probation") not in part:
        return f"Judgement {n}"
    verdict = "open so far" if judgement.get("verdict") == "open" else judgement.get("verdict", "unknown")
    return f"Probation, {part[judgement['probation']]} ({verdict}, n = {judgement.get('n', 0):,})"


def _judgement(judgement: dict[str, Any]) -> None:
    for measure in judgement.get("measures", []):
        state = SignalState(measure["verdict"]) if measure.get("verdict") in {"pass", "fail"} else SignalState.UNKNOWN
        st.markdown(f"{mark(state)} {plain(measure.get('sentence', measure.get('name', '')))}")
    arms = judgement.get("arms", {})
    if arms:
        st.table(
            [
                {
                    "arm": name,
                    "answers": f"{arm.get('requests', 0):,}",
                    "errors": f"{arm.get('errors', 0):,}",
                    "refused": f"{arm.get('refusals', 0):,}",
                    "slowest 1 %": number(arm.get("latency_p99_ms"), "ms"),
                }
                for name, arm in arms.items()
            ],
            border="horizontal",
            hide_index=True,
        )
