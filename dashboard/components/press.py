"""A button of a form whose press outlives a redraw.

Streamlit forgets a press when the page is drawn anew (`st.rerun`, a second request of the browser) before its run has come to the button: a
live part of the page sees the release move, and the signature of a moment ago is lost without a word. A callback runs before all that, so
the press is noted there and taken by the first run that comes to the button.
"""

from __future__ import annotations

import time

import streamlit as st

NOTED = "press noted"  # in the session: the button's key and when it was pressed
COUNTS_S = 10.0  # a press that no run took by then belongs to a page that is gone


def submitted(button: str, *, key: str, main: bool) -> bool:
    """Draw the submit button of the form around it; True once for each press, also where redraws came in between.

    `key` names the effect: a press never counts for a form with another key.
    """
    st.form_submit_button(button, type="primary" if main else "secondary", key=key, on_click=_note, args=(key,))
    return _take(key)


def _note(key: str) -> None:
    st.session_state[NOTED] = (key, time.monotonic())


def _take(key: str) -> bool:
    noted, at = st.session_state.get(NOTED, ("", 0.0))
    if noted != key:
        return False
    del st.session_state[NOTED]
    return bool(time.monotonic() - at <= COUNTS_S)
