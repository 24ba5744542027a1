"""Versions of a use-case file and what changed between two of them."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.states import empty
from dashboard.components.words import moment, plain, short
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.file_history import Version, changed, versions


def history(desk: Desk, entry: Entry) -> None:
    """All versions as a table, then two of them side by side as a diff."""
    known = desk.soon(versions, entry.name, entry.path)
    if len(known) < 2:
        empty(
            "Only the present text is known.",
            "The first validation keeps the file that it judged by; a folder in a git repository shows its commits too.",
            f"interlock validate {entry.name}",
        )
        return
    st.table(
        {
            "when": [moment(one.at) if one.at else "now" for one in known],
            "what": [plain(one.words) for one in known],
            "text": [_named(one) for one in known],
        },
        border="horizontal",
        hide_index=True,
    )
    readable = [one for one in known if one.readable]
    if len(readable) < 2 or entry.path is None:
        st.caption("The texts of the other versions are not on record, so they cannot be compared.")
        return
    by_name = {one.name: one for one in readable}
    other = next((one for one in readable[1:] if one.digest != readable[0].digest), readable[1])
    before, after = st.columns(2)
    with before:
        old = address.chosen("before", list(by_name), label="From", default=other.name, words=lambda name: _label(by_name[name]))
    with after:
        new = address.chosen("after", list(by_name), label="To", default=readable[0].name, words=lambda name: _label(by_name[name]))
    told = desk.soon(changed, entry.path, old, new)
    if told:
        st.code(told, language="diff")
    else:
        st.markdown("They say the same, letter by letter.")


def _named(one: Version) -> str:
    return f"`{short(one.digest)}`" if one.digest else f"`{one.name[:12]}`" if one.name.isalnum() else "–"


def _label(one: Version) -> str:
    when = f"{one.at:%Y-%m-%d %H:%M}" if one.at else "now"
    return f"{when}: {one.words}"[:90]
