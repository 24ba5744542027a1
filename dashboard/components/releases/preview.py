"""Before somebody goes back to a version: what that changes, in a table and four sentences."""

from __future__ import annotations

import streamlit as st

from dashboard.components.sidebyside import numbers_of
from dashboard.components.words import age, moment, plain
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.returning import Returning, returning
from interlock.records.store import utc_now
from interlock.rules.routes import Slot


def preview(desk: Desk, entry: Entry, now: Slot | None, then: Slot) -> None:
    """Numbers of both versions, the age of the evidence, what customers notice, what drifted since."""
    if now is None:
        return
    gated = entry.spec.fairness.metric if entry.spec else ""
    found: Returning = desk.soon(returning, entry.name, now.digest, then.digest, then.version, gated)
    numbers_of(list(found.numbers), f"version {then.version}", f"now {now.version}")
    with st.container(gap="xsmall"):
        st.markdown(f"**Evidence:** {plain(_evidence(found))}")
        st.markdown(f"**Customers would notice:** {plain(found.noticed)}")
        st.markdown(f"**Drifted since:** {plain(found.drifted)} {plain(found.last_seen)}")


def _evidence(found: Returning) -> str:
    if found.evidence_at is None:
        return f"version {found.version} was never validated here."
    data = f", learned from data until {moment(found.data_until)}" if found.data_until else ""
    return f"of version {found.version} {age(found.evidence_at, utc_now())} old ({found.verdict}){data}."
