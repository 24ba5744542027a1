"""Signing out sends the browser away once: a second journey would break off the first, to the provider, and leave its session open."""

from __future__ import annotations

import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.entrance import AGAIN_S, LEAVING
from interlock.identity import SignIn
from interlock.settings import Settings

RULES = SignIn(metadata_url="https://login.example.org/.well-known/openid-configuration", client_id="interlock",
               roles={"deciders": "approver"})


def redrawn(settings: object) -> None:
    """A script of the control room, as far as the entrance."""
    import streamlit as st

    from dashboard.entrance import admitted

    st.session_state["inside"] = admitted(settings, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds_ago", "sent"), [(0.0, 0), (AGAIN_S / 2, 0), (AGAIN_S + 1, 1)])
def test_a_redraw_on_the_way_out_sends_nobody_twice(settings: Settings, monkeypatch: pytest.MonkeyPatch, seconds_ago: float,
                                                    sent: int) -> None:
    journeys: list[float] = []
    monkeypatch.setattr(st, "logout", lambda: journeys.append(time.monotonic()))
    app = AppTest.from_function(redrawn, args=(settings.model_copy(update={"sign_in": RULES}),))
    app.session_state[LEAVING] = time.monotonic() - seconds_ago
    app.run()
    assert not app.exception
    assert (len(journeys), app.session_state["inside"]) == (sent, False)
    assert app.markdown[0].value == "Signing out. If this page stays, reload it."
    app.run()
    assert len(journeys) == sent  # and not again at once
