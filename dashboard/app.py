"""The control room: navigation, who is at the keyboard, and nothing else. Start: `interlock up`, or `streamlit run dashboard/app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.components.states import trouble
from dashboard.components.words import plain
from dashboard.components.zone import sentence
from dashboard.desk import open_desk
from interlock.errors import InterlockError
from interlock.records.store import utc_now

HOME = "overview"
VIEWS = Path(__file__).parent / "views"
PAGES = {
    "Now": (("overview", "Overview"), ("approvals", "Approvals"), ("releases", "Releases"), ("time_machine", "Time machine")),
    "Models": (("performance", "Performance"), ("drift", "Drift"), ("fairness", "Fairness"), ("explainability", "Explainability")),
    "House": (("data", "Data"), ("costs", "Costs"), ("runs", "Runs"), ("ledger", "Ledger")),
}


def main() -> None:
    """Draw the chosen page beside the navigation."""
    st.set_page_config(page_title="Interlock", layout="wide", initial_sidebar_state="auto")
    pages = {section: [_page(name, title) for name, title in own] for section, own in PAGES.items()}
    pages["Now"].append(st.Page(_home, title="Overview", url_path=HOME, visibility="hidden"))
    chosen = st.navigation(pages, expanded=True)
    with st.sidebar:
        _person()
        st.caption(plain(sentence(utc_now())))
    chosen.run()


def _page(name: str, title: str) -> Any:
    """One page; the home page keeps its own address free, see `_home`."""
    return st.Page(VIEWS / f"{name}.py", title=title, url_path="home" if name == HOME else name, default=name == HOME)


def _home() -> None:
    """Streamlit serves the default page at `/` alone: `/overview`, which somebody may type or keep, leads there."""
    st.switch_page("views/overview.py")


def _person() -> None:
    """Whose name actions are signed with; this is information, the actions check again."""
    try:
        desk = open_desk()
    except InterlockError as error:
        st.caption("The control room has no store to read from.")
        if not error.next_step:
            trouble(error)
        return
    st.caption("You act as")
    st.markdown(f"**{plain(desk.actor)}**")
    if desk.local:
        st.caption("Local development mode: nobody signs in, the name is this machine's login or the setting `actor`.")
    else:
        st.caption(f"Roles: {plain(', '.join(desk.roles) or 'none')}")


main()
