"""The frame of every page: title, explanation a tap away, the chosen use case in the address, written error states."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import streamlit as st

from dashboard.components.states import empty, failed, trouble
from dashboard.components.words import plain
from dashboard.desk import Desk, open_desk
from dashboard.skin import tab_title
from interlock.control.access.people import local_mode
from interlock.control.readmodel.directory import Entry, entries
from interlock.errors import InterlockError
from interlock.settings import load_settings

CHOSEN = "use_case"  # in the address and in the session


def page(title: str, about: str) -> Callable[[Callable[[Desk], None]], Callable[[], None]]:
    """A page over everything: `about` answers 'What am I looking at?'."""

    def wrap(body: Callable[[Desk], None]) -> Callable[[], None]:
        @wraps(body)
        def show() -> None:
            _head(title, about)
            try:
                body(open_desk())
            except InterlockError as error:
                trouble(error)
            except Exception:
                failed(title)
                raise  # Streamlit logs it whole, and shows that the page ends here

        return show

    return wrap


def use_case_page(title: str, about: str) -> Callable[[Callable[[Desk, Entry], None]], Callable[[], None]]:
    """A page about one use case, which the viewer picks and the address remembers."""

    def wrap(body: Callable[[Desk, Entry], None]) -> Callable[[], None]:
        @page(title, about)
        def show(desk: Desk) -> None:
            known = desk.soon(entries)
            if not known:
                empty(
                    "There is no use case yet.",
                    f"Put a use-case file into {desk.settings.usecases_dir}, or draft one from your data:",
                    "interlock new my_case --from data.csv",
                )
                return
            entry = _pick(known, title)
            st.set_page_config(page_title=tab_title(title, entry.title))
            if entry.problem:
                st.warning(plain(entry.problem))
            body(desk, entry)

        return show

    return wrap


def note(text: str, *, label: str = "What am I looking at?") -> None:
    """A small explanation a tap away."""
    with st.popover(label, type="tertiary"):
        st.markdown(text)


def _head(title: str, about: str) -> None:
    st.set_page_config(page_title=tab_title(title))
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(title, anchor=False, width="content")
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            if local_mode(load_settings()):  # here, because a phone folds the sidebar away
                st.badge("Local development mode", color="gray", help="Nobody signs in; this control room answers this machine alone.")
            note(about)


def _pick(known: list[Entry], title: str) -> Entry:
    """The use case from the address, else the one chosen before, else the first that has any state."""
    by_name = {entry.name: entry for entry in known}
    asked = st.query_params.get(CHOSEN)
    if asked in by_name:
        st.session_state[CHOSEN] = asked
    elif asked is not None:
        st.warning(plain(f"There is no use case named '{asked}'. Another one is shown."))
    if st.session_state.get(CHOSEN) not in by_name:
        st.session_state[CHOSEN] = known[0].name
    key = f"pick {title}"
    st.session_state[key] = st.session_state[CHOSEN]
    name = st.selectbox("Use case", list(by_name), key=key, format_func=lambda one: by_name[one].title, on_change=_remember, args=(key,))
    if asked != name:
        st.query_params[CHOSEN] = name
    return by_name[name]


def _remember(key: str) -> None:
    st.session_state[CHOSEN] = st.session_state[key]
    st.query_params[CHOSEN] = st.session_state[key]
