"""Fire drills of a use case: whether the way back was walked lately, and how long it took."""

from __future__ import annotations

import streamlit as st

from dashboard.components.signal import line
from dashboard.components.words import number
from dashboard.desk import Desk
from dashboard.theme import LOOKS
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.drills import drill_signals, drills_of


def drills(desk: Desk, entry: Entry) -> None:
    """The signal with its sentence, and the last drills."""
    st.header("Fire drills", anchor=False)
    signal, found = drill_signals(desk.store, [entry]).get(entry.name), desk.live(drills_of, entry.name)
    if signal is not None:
        line(signal)
    if not found:
        st.markdown(
            "No drill so far. A drill rehearses deploy, breach and rollback on a shadow server with captured requests; "
            "`[schedules] drill` in the use-case file plans them. By hand:"
        )
        st.code(f"interlock drill {entry.name}", language=None)
        return
    st.dataframe(
        [
            {
                "ended (UTC)": f"{one.finished_at:%Y-%m-%d %H:%M:%S}",
                "verdict": f"{LOOKS[one.verdict].shape} {LOOKS[one.verdict].word}",
                "breach seen after": number(one.detect_s, "s"),
                "candidate's last answer": number(one.canary_ms, "ms"),
                "live version's last answer": number(one.live_ms, "ms"),
                "failed": f"{one.failed:,} of {one.requests:,}",
                "requests": one.source,
                "started by": one.started_by,
                "what": one.sentence,
            }
            for one in found
        ],
        hide_index=True,
    )
