"""Refused rows: why, which, and taking them in again once the source or the file is mended."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.chart import draw
from dashboard.components.plots import bars
from dashboard.components.press import submitted
from dashboard.components.states import trouble
from dashboard.components.words import plain
from dashboard.desk import Desk, forget
from interlock.control.intake_again import judged_by_present_file, take_in_again
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.intake import Intake, quarantine
from interlock.errors import InterlockError

ALL = "all reasons"
SHOWN = 200


def refused(desk: Desk, entry: Entry, taken: Intake) -> None:
    """Reasons, rows, and the way back."""
    st.header("Refused rows", anchor=False)
    if not taken.quarantined:
        st.markdown("No row was refused.")
    else:
        _reasons(taken)
        _rows(desk, entry, taken)
    _again(desk, entry, taken)


def _reasons(taken: Intake) -> None:
    draw(
        bars(list(taken.reasons), {"rows": list(taken.reasons.values())}, hover="%{y}: %{x:,} rows"),
        title="Why rows were refused",
        unit="rows",
        n=taken.quarantined,
        height=90 + 30 * len(taken.reasons),
        legend=False,
        about="One bar per reason. A row can have several reasons, so the bars can add up to more than n, the number of refused rows.",
    )


def _rows(desk: Desk, entry: Entry, taken: Intake) -> None:
    """Read from the lake on demand, by who may see rows."""
    if not desk.may("see rows"):
        st.caption("Single rows are shown to analysts, approvers, operators, auditors and admins.")
        return
    if not st.toggle("Show refused rows", key=f"refused {entry.name}"):
        st.caption("They are read from the lake on demand, because they may hold what the checks kept out.")
        return
    reason = chosen("reason", [ALL, *taken.reasons], label="Reason", default=ALL)
    rows = desk.soon(quarantine, desk.person, entry.name, None if reason == ALL else reason, SHOWN)
    total = taken.quarantined if reason == ALL else taken.reasons[reason]
    st.caption(plain(f"n = {len(rows):,} of {total:,}, newest first, as they were read"))
    st.dataframe([_line(row) for row in rows], hide_index=True, placeholder="")


def _line(row: dict[str, Any]) -> dict[str, str]:
    """Reasons first, then where it stood, then what it held."""
    known = {"_reasons": "reasons", "_row_number": "row", "_source": "source", "_event_time": "event time (UTC)", "_raw": "as read"}
    told = {"reasons": "; ".join(row.get("_reasons") or [])}
    told |= {known[key]: str(row[key]) for key in ("_row_number", "_source", "_event_time") if row.get(key) is not None}
    return told | {
        known.get(key, key): str(value) for key, value in row.items() if value is not None and (not key.startswith("_") or key == "_raw")
    }


def _again(desk: Desk, entry: Entry, taken: Intake) -> None:
    """What taking in again would do, and the form that asks for it."""
    if entry.spec is None or not desk.may("re-ingest"):
        return
    same = desk.soon(judged_by_present_file, entry.spec)
    with st.expander("Take rows in again"):
        st.markdown(
            "The file's columns, checks and source are those that the rows were judged by: rows that were refused stay refused, only rows "
            "that are new in the source come in. Correct the source or the file first."
            if same
            else "The file's columns, checks or source changed since the rows were judged: the whole source is judged anew, and a new "
            "snapshot is made. Nothing that was taken in before is lost."
        )
        nonces = st.session_state.setdefault("nonces", {})
        key = f"again {entry.name} {taken.last_batch}"
        nonce = nonces.setdefault(key, str(uuid4()))
        with st.form(f"again {entry.name}", enter_to_submit=False):
            reason = st.text_input("Reason", max_chars=2000, placeholder="for example: the supplier corrected the file")
            pressed = submitted("Ask for it", key=f"press {key}", main=False)
        if pressed:
            _ask(desk, entry, reason, nonce)


def _ask(desk: Desk, entry: Entry, reason: str, nonce: str) -> None:
    try:
        asked = take_in_again(desk.settings, desk.store, actor=desk.person, use_case=entry.name, reason=reason.strip(), nonce=nonce)
    except InterlockError as error:
        st.markdown("**Nothing was done.**")
        trouble(error)
        return
    forget()
    told = f"ledger entry {asked.ledger_seq}" if asked.ledger_seq else "it had been asked for already"
    st.success(plain(f"The keeper starts the ingest flow ({told}). See Runs for how it goes."))
