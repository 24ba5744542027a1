"""The page that somebody asked for before signing in: a link in an alert leads there, although the provider sends everybody to `/`.

Kept in this process for the minutes that signing in takes, under the browser's own random token: Streamlit's cookie against forged
requests, which other sites can neither read nor set. Kept are the name of a page of this control room and its query, never an address:
nobody can be led elsewhere. What is lost (a restart, another browser, too late) leads to the Overview.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

KEPT_S = 900.0  # a password, a second factor, a choice of account
BROWSERS_MAX = 1_000  # anybody may ask without signing in: the oldest makes room
QUERY_MAX = 2_000  # characters of all names and values; a longer query is left out
COOKIE = "_streamlit_xsrf"
PAGE = "page asked for"  # in the session of somebody who has not signed in
Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asked:
    """A page by its name in the navigation (empty: the Overview), and its query as pairs; a name may come more than once."""

    page: str
    query: Query = ()

    @property
    def plain(self) -> bool:
        """Whether it is where everybody lands anyway."""
        return not self.page and not self.query


class Remembered:
    """What each browser asked for last; each is told once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Asked]] = OrderedDict()

    def keep(self, browser: str, asked: Asked) -> None:
        """Remember it. The plain Overview replaces nothing: who cancels at the provider comes back there, and tries once more."""
        if not browser or asked.plain:
            return
        with self._lock:
            self._kept.pop(browser, None)
            self._kept[browser] = (self._clock() + KEPT_S, asked)
            while len(self._kept) > BROWSERS_MAX:
                self._kept.popitem(last=False)

    def take(self, browser: str) -> Asked | None:
        """What this browser asked for, forgotten from now on; None: nothing, or too long ago."""
        with self._lock:
            until, asked = self._kept.pop(browser, (0.0, None))
            return asked if until > self._clock() else None


def note_page(name: str) -> None:
    """Whose sign-in page this is: the page that `keep_asked` will remember."""
    st.session_state[PAGE] = name


def keep_asked() -> None:
    """Remember what this browser's address asks for; called when somebody presses Sign in."""
    _remembered().keep(browser_of(st.context.cookies), Asked(st.session_state.get(PAGE, ""), _query()))


def asked_before(landed_on: str) -> Asked | None:
    """Where to lead a person who has just come back from the provider; None for anybody else.

    `landed_on`: the page of the address. Whoever asks for a page or a query now gets that.
    """
    return _remembered().take(browser_of(st.context.cookies)) if Asked(landed_on, _query()).plain else None


def browser_of(cookies: Mapping[str, str]) -> str:
    """The browser's random token: `2|mask|token under the mask|time`, in hexadecimals; the mask is another one at each request.

    Empty for anything else: then nothing is remembered.
    """
    try:
        version, mask, masked, _ = cookies.get(COOKIE, "").strip("\"'").split("|")
        key, token = bytes.fromhex(mask), bytes.fromhex(masked)
    except ValueError:
        return ""
    if version != "2" or len(key) != 4 or len(token) < 16:
        return ""
    return bytes(letter ^ key[place % 4] for place, letter in enumerate(token)).hex()


def _query() -> Query:
    pairs = tuple((name, value) for name in st.query_params for value in st.query_params.get_all(name))
    return pairs if sum(len(name) + len(value) for name, value in pairs) <= QUERY_MAX else ()


@st.cache_resource(show_spinner=False)
def _remembered() -> Remembered:
    return Remembered()
