"""A closer look at a candidate, below the signature: each question in a tab of its own."""

from __future__ import annotations

import streamlit as st

from dashboard.components.approvals.changes import what_changed
from dashboard.components.approvals.replays import drops, replay
from dashboard.components.approvals.versus import calibration_of_both, fairness_of_both, reasons_of_both
from dashboard.components.embed import attachments
from dashboard.components.sidebyside import side_by_side
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.waiting import plan

TABS = (
    "What changed",
    "Performance",
    "Calibration",
    "Fairness",
    "Reasons (SHAP)",
    "Decision replay",
    "Plan",
    "Features that could go",
    "Model card and reports",
)


def closer(desk: Desk, entry: Entry, candidate: Proof, champion: Proof | None) -> None:
    """Everything that the first screen sums up."""
    st.header("A closer look", anchor=False)
    changes, figures, calibrated, fair, reasons, replayed, planned, features, files = st.tabs(TABS)
    with changes:
        _snapshots(candidate, champion)
        what_changed(candidate)
    with figures:
        side_by_side(candidate, champion, entry.spec.fairness.metric if entry.spec else "")
    with calibrated:
        calibration_of_both(candidate, champion)
    with fair:
        fairness_of_both(candidate, champion)
    with reasons:
        reasons_of_both(candidate)
    with replayed:
        replay(candidate)
    with planned:
        _plan(entry, champion)
    with features:
        drops(candidate)
    with files:
        attachments(desk.settings, candidate.digest, candidate.evidence.attachments)
        if not candidate.evidence.attachments:
            st.markdown("No file is attached to this evidence.")


def _snapshots(candidate: Proof, champion: Proof | None) -> None:
    """Whether data and use-case file are the champion's, in one line."""
    if champion is None:
        st.markdown("No champion yet: everything is new.")
        return
    data = "the same data" if candidate.evidence.snapshots == champion.evidence.snapshots else "other data (another snapshot)"
    policy = "the same use-case file" if candidate.evidence.policy_digest == champion.evidence.policy_digest else "another use-case file"
    st.markdown(plain(f"Against version {champion.version}: {data}, {policy}."))


def _plan(entry: Entry, champion: Proof | None) -> None:
    steps = plan(entry.spec, champion.version if champion else None)
    st.markdown("\n".join(f"{n}. {plain(step)}" for n, step in enumerate(steps.steps, 1)))
    if steps.rules:
        st.markdown(plain(f"It is taken off by itself when {'; or '.join(steps.rules)}."))
        st.markdown("A person can pause it at its step, resume it or abort it on the Releases page at any time.")
    st.markdown(f"**The way back:** {plain(steps.way_back)}")
