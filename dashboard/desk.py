"""What a page works with: settings, the open store, the actor, and cached reads with a stated time to live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import streamlit as st

from dashboard.entrance import viewer
from interlock.control.access.people import Person, local_mode
from interlock.control.access.sign_ins import why_ended
from interlock.errors import DecisionRefused
from interlock.records.store import Store, open_store
from interlock.rules.approval import may
from interlock.settings import Settings, load_settings

LIVE_S = 2  # what the endpoint answers
SOON_S = 8  # decisions, releases, windows
SEALED_S = 600  # what never changes once written
T = TypeVar("T")


@dataclass(frozen=True)
class Desk:
    """One viewer's desk."""

    settings: Settings
    store: Store
    person: Person  # who acts: the actions take it and check it again

    @property
    def actor(self) -> str:
        """The name that decisions are signed with."""
        return self.person.name

    @property
    def local(self) -> bool:
        """Whether this is local development mode: nobody signs in."""
        return local_mode(self.settings)

    @property
    def roles(self) -> list[str]:
        """The roles of the viewer, sorted."""
        return sorted(self.person.roles or ())

    def may(self, action: str) -> bool:
        """Whether to offer an action (of `interlock.rules.approval.ALLOWED`): what is offered; the action itself decides."""
        return may(self.roles, action)

    def live(self, read: Callable[..., T], *arguments: Any) -> T:
        """A read that may be two seconds old."""
        self.still_here()
        return _live(self._key, f"{read.__module__}.{read.__qualname__}", arguments, lambda: read(*self._with(read), *arguments))

    def shared(self, read: Callable[..., T], *arguments: Any) -> T:
        """A read that may be two seconds old and is long: all sessions look at the same object, which nobody may change."""
        self.still_here()
        return _shared(self._key, f"{read.__module__}.{read.__qualname__}", arguments, lambda: read(*self._with(read), *arguments))

    def soon(self, read: Callable[..., T], *arguments: Any) -> T:
        """A read that may be eight seconds old."""
        self.still_here()
        return _soon(self._key, f"{read.__module__}.{read.__qualname__}", arguments, lambda: read(*self._with(read), *arguments))

    def sealed(self, read: Callable[..., T], *arguments: Any) -> T:
        """A read of something that never changes."""
        self.still_here()
        return _sealed(self._key, f"{read.__module__}.{read.__qualname__}", arguments, lambda: read(*self._with(read), *arguments))

    def still_here(self) -> None:
        """Draw the page anew, which then asks to sign in, where the sign-in ended meanwhile: fragments live longer than the page's run."""
        if self.person.signed_in is not None and why_ended(self.settings, self.person.signed_in, datetime.now(UTC)):
            st.rerun()

    @property
    def _key(self) -> str:
        return f"{self.settings.home.resolve()} {self.settings.control_port}"

    def _with(self, read: Callable[..., Any]) -> list[Any]:
        """Read models take settings, store, or both, first and by these names."""
        names = read.__code__.co_varnames[: read.__code__.co_argcount]
        return [{"settings": self.settings, "store": self.store}[name] for name in names[:2] if name in {"settings", "store"}]


def open_desk() -> Desk:
    """The desk of this session; raises the store's own error where there is no usable store.

    A sign-in that ended while the page was open (a fragment asks again and again): the app is drawn anew, and shows its entrance.
    """
    settings = load_settings()
    try:
        person = viewer(settings)
    except DecisionRefused:
        st.rerun()
    return Desk(settings, store_of(settings), person)


def store_of(settings: Settings) -> Store:
    """The open store, one for all sessions. Raises `StoreError`, `Unavailable`."""
    return _store(str(settings.home.resolve()), settings)


def forget() -> None:
    """Drop what was cached, so that the next read shows what an action has just done."""
    for cached in (_live, _shared, _soon):
        cached.clear()


@st.cache_resource(show_spinner=False, max_entries=8)
def _store(home: str, _settings: Settings) -> Store:
    return open_store(_settings)


@st.cache_data(ttl=LIVE_S, max_entries=256, show_spinner=False)
def _live(key: str, name: str, arguments: tuple[Any, ...], _call: Callable[[], Any]) -> Any:
    return _call()


@st.cache_resource(ttl=LIVE_S, max_entries=8, show_spinner=False)
def _shared(key: str, name: str, arguments: tuple[Any, ...], _call: Callable[[], Any]) -> Any:
    return _call()


@st.cache_data(ttl=SOON_S, max_entries=512, show_spinner=False)
def _soon(key: str, name: str, arguments: tuple[Any, ...], _call: Callable[[], Any]) -> Any:
    return _call()


@st.cache_data(ttl=SEALED_S, max_entries=64, show_spinner=False)
def _sealed(key: str, name: str, arguments: tuple[Any, ...], _call: Callable[[], Any]) -> Any:
    return _call()
