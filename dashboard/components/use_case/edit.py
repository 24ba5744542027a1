"""A form for the settings that people change most; what comes out is a diff to take along, never a changed file."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components import address
from dashboard.components.propose import may_propose
from dashboard.components.states import trouble
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.levers import Lever, edited, levers
from interlock.errors import InterlockError


def edit(desk: Desk, entry: Entry) -> None:
    """Choose settings, give them new values, download the diff."""
    if not may_propose(desk):
        return
    if entry.spec is None:
        st.markdown("The file has problems: mend those first, under Check.")
        return
    known = {lever.name: lever for lever in levers(entry.spec)}
    names = address.several("change", list(known), label="What should change?", help="Any other key is changed in the file by hand.")
    if not names:
        st.caption("Choose one or more settings. The file itself stays as it is: you get a diff for version control.")
        return
    changes: list[tuple[tuple[str | int, ...], Any]] = []
    for name in names:
        changes += _asked(entry.name, known[name])
    _offer(desk, entry, tuple(changes))


def _asked(use_case: str, lever: Lever) -> list[tuple[tuple[str | int, ...], Any]]:
    """The new value of one setting, and the reason where the file wants one."""
    value, why = st.columns([1, 2], vertical_alignment="bottom")
    with value:
        new = _field(f"edit {use_case} {lever.name}", lever)
    found: list[tuple[tuple[str | int, ...], Any]] = [(lever.path, new)] if new is not None and new != lever.value else []
    with why:
        if lever.needs_reason:
            reason = st.text_input(f"Why {lever.name}", key=f"why {use_case} {lever.name}", placeholder="why this use case differs")
            if found and reason.strip():
                found.append(((*lever.path[:-1], "reason"), reason.strip()))
        else:
            st.caption(plain(lever.meaning))
    return found


def _field(key: str, lever: Lever) -> Any:
    now = "not set" if lever.value is None else f"{lever.value:g}" if isinstance(lever.value, float) else str(lever.value)
    label = f"{lever.name} (now {now})"
    if isinstance(lever.value, str):
        return st.text_input(label, value=lever.value, key=key).strip() or None
    if isinstance(lever.value, int):
        return st.number_input(label, value=lever.value, step=1, key=key)
    return st.number_input(label, value=lever.value, format="%g", key=key)


def _offer(desk: Desk, entry: Entry, changes: tuple[tuple[tuple[str | int, ...], Any], ...]) -> None:
    if not changes:
        st.caption("Nothing differs from the file yet.")
        return
    try:
        diff = edited(desk.settings, entry, changes)
    except InterlockError as error:
        trouble(error)
        return
    if not diff:
        st.caption("The file says so already.")
        return
    name = f"{entry.name}.diff"
    st.code(diff, language="diff")
    st.download_button("Download the change", diff, file_name=name, mime="text/x-diff", on_click="ignore", key=f"download {name}")
    st.caption(
        plain(
            f"Checked: the file with this change is in order. Apply it with `git apply {name}` and have it reviewed; "
            "it counts from the next validation on."
        )
    )
