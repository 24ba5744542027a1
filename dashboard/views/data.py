"""Data: snapshots and what was trained on them, refused rows with their reasons, freshness, quality of the rows, requests."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.frame import use_case_page
from dashboard.components.plots import bars
from dashboard.components.signal import line
from dashboard.components.soundness import requests, sound_rows
from dashboard.components.states import empty
from dashboard.components.words import age, moment, plain, short
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.intake import Intake, intake, quarantine
from interlock.records.store import utc_now

ABOUT = """A **snapshot** is an immutable set of rows that passed every check; its digest names exactly these rows. **Quarantine** holds
the rows that were refused, each with its reasons; nothing is dropped silently. Times are event times in UTC."""


@use_case_page("Data", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Freshness, reasons, snapshots, refused rows, quality, requests."""
    taken = desk.soon(intake, entry.name)
    if not taken.snapshots and not taken.batches:
        empty(
            "No rows have been taken in yet.",
            "Start the ingest flow for this use case, from Prefect or with:",
            f"prefect deployment run ingest/ingest -p use_case={entry.name}",
        )
        return
    line(taken.signal)
    newest = taken.snapshots[0] if taken.snapshots else None
    with st.container(horizontal=True):
        st.metric("rows taken in", f"{taken.rows:,}", width="content")
        st.metric("rows refused", f"{taken.quarantined:,}", width="content")
        st.metric("last intake", age(taken.last_batch, utc_now()), width="content", help=moment(taken.last_batch))
        st.metric("newest row (UTC)", f"{newest.time_to:%Y-%m-%d}" if newest and newest.time_to else "unknown", width="content")
    _reasons(taken)
    _snapshots(taken)
    _refused(desk, entry, taken)
    sound_rows(desk, entry)
    requests(desk, entry)


def _reasons(taken: Intake) -> None:
    if not taken.reasons:
        st.markdown("No row was refused.")
        return
    draw(
        bars(list(taken.reasons), {"rows": list(taken.reasons.values())}, hover="%{y}: %{x:,} rows"),
        title="Why rows were refused",
        unit="rows",
        n=taken.quarantined,
        height=90 + 30 * len(taken.reasons),
        legend=False,
        about="One bar per reason. A row can have several reasons, so the bars can add up to more than n, the number of refused rows.",
    )


def _snapshots(taken: Intake) -> None:
    st.markdown("**Snapshots**")
    st.caption(f"n = {len(taken.snapshots):,}, newest first; unit: rows")
    st.dataframe(
        [
            {
                "digest": short(one.digest),
                "rows": one.rows,
                "refused": one.quarantined,
                "from (UTC)": f"{one.time_from:%Y-%m-%d %H:%M}" if one.time_from else "",
                "to (UTC)": f"{one.time_to:%Y-%m-%d %H:%M}" if one.time_to else "",
                "made (UTC)": f"{one.created_at:%Y-%m-%d %H:%M}",
                "versions trained on it": ", ".join(map(str, one.versions)) or "none",
            }
            for one in taken.snapshots
        ],
        hide_index=True,
        column_config={
            "rows": st.column_config.NumberColumn(format="localized"),
            "refused": st.column_config.NumberColumn(format="localized"),
        },
    )


def _refused(desk: Desk, entry: Entry, taken: Intake) -> None:
    if not taken.quarantined:
        return
    st.markdown("**Refused rows**")
    if not st.toggle("Show refused rows", key=f"refused {entry.name}"):
        st.caption("They are read from the lake on demand, because they may hold what the checks kept out.")
        return
    rows = desk.soon(quarantine, entry.name, 200)
    st.caption(plain(f"n = {len(rows):,} of {taken.quarantined:,}, as they were read"))
    st.dataframe([{key.removeprefix("_"): str(value) for key, value in row.items() if value is not None} for row in rows], hide_index=True)


show()
