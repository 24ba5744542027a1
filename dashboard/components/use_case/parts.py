"""A use-case file on the screen: its sections in words, and what the check says."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.signal import mark
from dashboard.components.words import plain
from interlock.control.readmodel.case_file import CaseFile, Part
from interlock.control.readmodel.signals import SignalState

HEADS = ("setting", "value", "meaning")


def checked(file: CaseFile) -> None:
    """What `interlock check` says, with line numbers."""
    if not file.problems:
        st.markdown(f"{mark(SignalState.PASS)} **In order**: `interlock check` has nothing to say about it.")
        return
    count = len(file.problems)
    st.markdown(f"{mark(SignalState.FAIL)} **{count} problem{'' if count == 1 else 's'}**, as `interlock check` tells them:")
    st.table(
        {
            "line": [one.line for one in file.problems],
            "key": [plain(one.key or "file") for one in file.problems],
            "problem": [plain(one.what) for one in file.problems],
            "got": [plain(one.value or "–") for one in file.problems],
            "allowed": [plain(one.allowed or "–") for one in file.problems],
            "hint": [plain(one.hint or "–") for one in file.problems],
        },
        border="horizontal",
        hide_index=True,
    )


def in_words(file: CaseFile) -> None:
    """Every section; what the file says stands out from what is a default."""
    everything = address.switch("defaults", label="Show defaults too", help="Settings that the file does not name keep their defaults.")
    shown = [part for part in file.parts if part.given or everything]
    rows = [row for part in shown for row in _rows(part, everything)]
    st.table({head: [row[place] for row in rows] for place, head in enumerate(HEADS)}, border="horizontal", hide_index=True)
    left = [part.name for part in file.parts if not part.given]
    if left and not everything:
        st.caption(plain(f"Sections that the file leaves at their defaults: {', '.join(left)}."))
    if file.columns:
        st.markdown(f"**Columns** ({len(file.columns)})")
        heads = ("column", "type", "role", "limits", "meaning")
        st.table({head: [plain(row[head] or "–") for row in file.columns] for head in heads}, border="horizontal", hide_index=True)


def _rows(part: Part, everything: bool) -> list[tuple[str, str, str]]:
    """The section's own line, then one line per setting."""
    told = [(f"**{plain(part.name)}**", "", f"**{_meaning(part.purpose)}**")]
    for one in part.settings:
        if one.given or everything:
            value = plain(one.value) if one.given else f":gray[{plain(one.value)} (default)]"
            told.append((plain(one.key), value, _meaning(one.meaning)))
    return told


def _meaning(text: str) -> str:
    return plain(text.replace("`", "") or "–")
