"""Candidate beside champion, one metric per row, with interval and n."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import interval, number, plain, short
from interlock.control.readmodel.compare import differences, pairs, titled, why_missing
from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding, State


def side_by_side(candidate: Proof, champion: Proof | None, gated: str) -> None:
    """One table; below it the paired differences, which are the fair comparison."""
    st.subheader("Candidate beside champion", anchor=False)
    left = f"candidate, version {candidate.version}"
    right = f"champion, version {champion.version}" if champion else "champion"
    rows = [
        {
            "metric": plain(pair.title),
            left: plain(shown(pair.candidate)),
            "interval": interval(pair.candidate.low, pair.candidate.high),
            "n": f"{pair.candidate.sample_size:,}",
            right: plain(shown(pair.champion)) if champion else "no champion yet",
            "better": pair.better,
        }
        for pair in pairs(candidate, champion, gated)
    ]
    if rows:
        st.table(rows, border="horizontal", hide_index=True)
        st.caption(
            "Each value is from that version's own evidence, on the rows held out then, so other rows where the data changed. "
            "The fair comparison is the difference on the same rows, below. Intervals cover 95 %."
        )
    for finding in differences(candidate):
        value = (
            f"{number(finding.value)} ({interval(finding.low, finding.high)}), n = {finding.sample_size:,}; positive is better"
            if finding.value is not None
            else why_missing(finding)
        )
        st.markdown(f"**{plain(titled(finding))}**, on the same rows: {plain(value)}")
    changed = [] if champion is None else _changed(candidate, champion)
    if changed:
        st.markdown(f"**What changed:** {plain('; '.join(changed))}")


def shown(finding: Finding | None) -> str:
    """A value with unit, or why there is none."""
    if finding is None or finding.value is None or finding.state is not State.OK:
        return why_missing(finding)
    return number(finding.value, finding.unit)


def _changed(candidate: Proof, champion: Proof) -> list[str]:
    found = []
    if candidate.evidence.snapshots != champion.evidence.snapshots:
        found.append(
            f"data: snapshot {short(next(iter(candidate.evidence.snapshots), None))} instead of "
            f"{short(next(iter(champion.evidence.snapshots), None))}"
        )
    if candidate.evidence.policy_digest != champion.evidence.policy_digest:
        found.append(f"use-case file: {short(candidate.evidence.policy_digest)} instead of {short(champion.evidence.policy_digest)}")
    if not found:
        found.append("same data and same use-case file")
    return found
