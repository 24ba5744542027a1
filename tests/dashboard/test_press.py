"""A press on a form counts once, also where the page is drawn anew before its run comes to the button."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components import press


def page(redraws: int) -> None:
    """A form below something that draws the whole page anew, as live progress does when the release moved."""
    import streamlit as st

    from dashboard.components.press import submitted

    if st.session_state.get("redraws left", redraws) and st.session_state.get("typed"):
        st.session_state["redraws left"] = st.session_state.get("redraws left", redraws) - 1
        st.rerun()
    with st.form("abort"):
        reason = st.text_input("Reason", key="typed")
        pressed = submitted("Abort", key="press abort", main=True)
    if pressed:
        st.session_state["done"] = [*st.session_state.get("done", []), reason]


def opened(**arguments: Any) -> AppTest:
    return AppTest.from_function(page, kwargs=arguments).run()


def done(app: AppTest) -> list[str]:
    assert not app.exception
    return list(app.session_state["done"]) if "done" in app.session_state else []


@pytest.mark.parametrize("redraws", [0, 1, 3])
def test_a_press_survives_redraws_and_counts_once(redraws: int) -> None:
    app = opened(redraws=redraws)
    app.text_input[0].set_value("errors at one airline")
    app.button[0].click().run()
    assert done(app) == ["errors at one airline"]
    app.run()
    assert done(app) == ["errors at one airline"]
    app.button[0].click().run()
    assert done(app) == ["errors at one airline"] * 2


def test_a_press_counts_for_no_other_form_and_not_for_long() -> None:
    app = opened(redraws=0)
    app.session_state[press.NOTED] = ("press approve", press.time.monotonic())
    app.run()
    assert done(app) == []
    app.session_state[press.NOTED] = ("press abort", press.time.monotonic() - press.COUNTS_S - 1)
    app.run()
    assert done(app) == []
    assert press.NOTED not in app.session_state


def test_the_toolkit_alone_loses_a_press_when_the_page_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant, and the reason for this module: once it no longer loses it, the module can go."""
    import streamlit as st

    monkeypatch.setattr(press, "submitted", lambda button, *, key, main: st.form_submit_button(button, key=key))
    app = opened(redraws=1)
    app.text_input[0].set_value("errors at one airline")
    app.button[0].click().run()
    assert done(app) == []
