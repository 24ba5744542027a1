"""The control room: who looks, navigation, and nothing else. Start: `interlock up`, or `streamlit run dashboard/app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.asked import asked_before, note_page
from dashboard.components.states import trouble
from dashboard.components.words import moment, plain
from dashboard.components.zone import sentence
from dashboard.desk import store_of
from dashboard.entrance import admitted, leave, viewer
from dashboard.skin import MARK, wear
from dashboard.timing import Run, timed
from interlock.control.access.people import local_mode, person_of
from interlock.errors import InterlockError
from interlock.records.store import Store, utc_now
from interlock.settings import Settings, load_settings

HOME = "overview"
VIEWS = Path(__file__).parent / "views"
PAGES = {
    "Now": (("overview", "Overview"), ("approvals", "Approvals"), ("releases", "Releases"), ("time_machine", "Time machine")),
    "Models": (("performance", "Performance"), ("drift", "Drift"), ("fairness", "Fairness"), ("explainability", "Explainability")),
    "House": (("use_case", "Use case"), ("data", "Data"), ("costs", "Costs"), ("runs", "Runs"), ("ledger", "Ledger")),
}


def main() -> None:
    """One run of the script, timed from its first line."""
    with timed() as run:
        _show(run)


def _show(run: Run) -> None:
    """Draw the chosen page beside the navigation; without a valid sign-in the sign-in page alone, whatever was asked for."""
    st.set_page_config(page_title="Interlock", page_icon=MARK, layout="wide", initial_sidebar_state="auto")
    wear()
    pages = {section: [_page(name, title) for name, title in own] for section, own in PAGES.items()}
    pages["Now"].append(st.Page(_home, title="Overview", url_path=HOME, visibility="hidden"))
    pages["Now"].append(st.Page(VIEWS / "paper.py", title="Evidence", url_path="paper", visibility="hidden"))
    try:
        settings = load_settings()
    except InterlockError as error:
        trouble(error)
        return
    store = _store(settings)
    inside = admitted(settings, store)
    chosen = st.navigation(pages, expanded=True, position="sidebar" if inside else "hidden")
    run.page, run.every = chosen.url_path or HOME, settings.dashboard_log == "every"
    if not inside:
        note_page(chosen.url_path)
        return
    if settings.sign_in is not None:
        _lead_back(chosen.url_path, [page for section in pages.values() for page in section])
    with st.sidebar:
        _person(settings, store)
        st.caption(plain(sentence(utc_now())))
    chosen.run()


def _page(name: str, title: str) -> Any:
    """One page; the home page keeps its own address free, see `_home`."""
    return st.Page(VIEWS / f"{name}.py", title=title, url_path="home" if name == HOME else name, default=name == HOME)


def _lead_back(landed_on: str, pages: list[Any]) -> None:
    """Who has just signed in goes on to the page that the browser had asked for."""
    asked = asked_before(landed_on)
    for page in pages:
        if asked is not None and page.url_path == asked.page:
            st.switch_page(page, query_params=asked.query)


def _home() -> None:
    """Streamlit serves the default page at `/` alone: `/overview`, which somebody may type or keep, leads there."""
    st.switch_page("views/overview.py")


def _store(settings: Settings) -> Store | None:
    """The store, or None: each page then says what is wrong with it."""
    try:
        return store_of(settings)
    except InterlockError:
        return None


def _person(settings: Settings, store: Store | None) -> None:
    """Whose name actions are signed with; this is information, the actions check again."""
    if store is None:
        st.caption("The control room has no store to read from.")
    person = viewer(settings)
    st.markdown(f"You act as **{plain(person.name)}**")
    if local_mode(settings):
        st.caption("The name is this machine's login or the setting `actor`; it has every role.")
        return
    st.caption(f"Roles: {plain(', '.join(person_of(settings, person).roles or ()) or 'none')}")
    if person.signed_in is not None:
        st.caption(f"Signed in until {moment(person.signed_in.until)}")
        leave(settings, store, person)


main()
