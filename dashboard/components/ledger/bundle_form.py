"""The compliance bundle of a period: asked for with a reason, made on the spot, downloaded."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import streamlit as st

from dashboard.components.press import submitted
from dashboard.components.states import trouble
from dashboard.components.words import plain, short, size
from dashboard.desk import Desk
from interlock.errors import InterlockError
from interlock.records.store import utc_now

MADE = "bundle made"
ABOUT = """Everything an auditor needs about a period as one archive: a stretch of the ledger, every decision, the sealed evidence they and
the live models rest on, model cards, use-case files, who may do what. It is signed with this installation's key (Ed25519) and can be
checked without Interlock; `README.txt` inside says how."""


def bundle_form(desk: Desk, titles: dict[str, str]) -> None:
    """For auditors and admins; nothing for anybody else."""
    if not desk.may("export bundle"):
        return
    with st.expander("Compliance bundle"):
        st.markdown(ABOUT)
        today = utc_now().date()
        with st.form("bundle", enter_to_submit=False):
            first, last, which = st.columns(3)
            since = first.date_input("From (UTC)", value=today - timedelta(days=30), max_value=today, format="YYYY-MM-DD")
            until = last.date_input("To and with (UTC)", value=today, format="YYYY-MM-DD")
            use_case = which.selectbox("Use case", [None, *titles], format_func=lambda name: titles.get(name, "all use cases"))
            reason = st.text_input("Reason", max_chars=2000, placeholder="for example: yearly audit")
            pressed = submitted("Make the bundle", key="press bundle", main=False)
        if pressed and isinstance(since, date) and isinstance(until, date):
            _make(desk, since, until, use_case, reason.strip())
        _download()


def _make(desk: Desk, since: date, until: date, use_case: str | None, reason: str) -> None:
    from interlock.control.bundle.making import make_bundle

    start, end = (datetime.combine(day, time(0), UTC) for day in (since, until + timedelta(days=1)))
    st.session_state.pop(MADE, None)
    try:
        with st.spinner("Gathering records and signing"):
            st.session_state[MADE] = make_bundle(
                desk.settings, desk.store, actor=desk.person, reason=reason, since=start, until=end, use_case=use_case
            )
    except InterlockError as error:
        st.markdown("**Nothing was made.**")
        trouble(error)


def _download() -> None:
    """What was made in this session, until another one is."""
    made = st.session_state.get(MADE)
    if made is None:
        return
    st.success(
        plain(f"{made.path.name}: {made.files} files, {size(made.bytes)}, ledger entry {made.ledger_seq}. Key {short(made.fingerprint)}.")
    )
    for one in made.missing:
        st.warning(plain(f"Not in it: {one}"))
    path = Path(made.path)
    if path.is_file():
        st.download_button("Download", path.read_bytes, path.name, "application/zip", on_click="ignore")
    st.caption(plain(f"Check it with: interlock verify-bundle {made.path.name} --key PUBLIC_KEY.pem"))
