"""Data: how fresh and how sound, snapshots and their lineage, refused rows, columns over time, requests."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.data.column_history import columns_over_time
from dashboard.components.data.lineage import origin, snapshots
from dashboard.components.data.refused import refused
from dashboard.components.data.soundness import requests, sound_rows
from dashboard.components.frame import use_case_page
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.words import age, moment
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.intake import Intake, intake
from interlock.records.store import utc_now

ABOUT = """A **snapshot** is an immutable set of rows that passed every check; its digest names exactly these rows. **Quarantine** holds
the rows that were refused, each with its reasons; nothing is dropped silently."""
PARTS = ("Snapshots", "Refused rows", "Quality", "Columns over time", "Requests")


@use_case_page("Data", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Freshness first, then one part."""
    taken = desk.soon(intake, entry.name)
    if not taken.snapshots and not taken.batches:
        empty(
            "No rows have been taken in yet.",
            "Start the ingest flow for this use case, from Prefect or with:",
            f"prefect deployment run ingest/ingest -p use_case={entry.name}",
        )
        return
    line(taken.signal)
    _totals(taken)
    part = chosen("part", PARTS, label="Show", default=PARTS[0], kind="segments")
    if part == "Snapshots":
        snapshots(taken)
        origin(desk, entry, taken)
    elif part == "Refused rows":
        refused(desk, entry, taken)
    elif part == "Quality":
        sound_rows(desk, entry)
    elif part == "Columns over time":
        columns_over_time(desk, entry)
    else:
        requests(desk, entry)


def _totals(taken: Intake) -> None:
    newest = taken.snapshots[0] if taken.snapshots else None
    with st.container(horizontal=True):
        st.metric("rows taken in", f"{taken.rows:,}", width="content")
        st.metric("rows refused", f"{taken.quarantined:,}", width="content")
        st.metric("last intake", _ago(taken.last_batch), width="content", help=moment(taken.last_batch))
        st.metric("newest row (UTC)", f"{newest.time_to:%Y-%m-%d}" if newest and newest.time_to else "unknown", width="content")


def _ago(at: datetime | None) -> str:
    said = age(at, utc_now())
    return said if at is None or said == "just now" else f"{said} ago"


show()
