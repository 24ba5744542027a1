"""Who looks at the pages: without a valid sign-in there is only the sign-in page; on a machine of one's own there is no sign-in at all."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard.asked import keep_asked
from dashboard.components.states import trouble
from dashboard.components.words import plain
from interlock.control.access.claims import person_from
from interlock.control.access.people import Person, at_keyboard
from interlock.control.access.sign_ins import arrive, check, sign_out
from interlock.errors import DecisionRefused, InterlockError
from interlock.records.store import Store
from interlock.settings import Settings, is_loopback

FAILS = (
    "If it does not work: allow cookies for this address, sign out at your provider, and try once more. "
    "If it still fails, tell whoever runs Interlock here what time it was: the log of the control room has the reason."
)
LEAVING, AGAIN_S = "leaving", 10.0


def claims() -> dict[str, Any]:
    """What the signed cookie of this browser says; empty where nobody signed in, or the cookie is not sound.

    Streamlit could also take parts of it from headers that anybody may send: with such a setting nobody counts as signed in.
    """
    if st.get_option("server.trustedUserHeaders"):
        return {}
    user = dict(st.user.to_dict())
    return user if user.pop("is_logged_in", False) is True else {}


def viewer(settings: Settings) -> Person:
    """The person who looks. Raises `DecisionRefused` where nobody signed in, or the sign-in counts no longer."""
    if settings.sign_in is None:
        return at_keyboard(settings)
    own = claims()
    if not own:
        raise DecisionRefused("nobody signed in", next_step="sign in")
    person = person_from(settings, own, datetime.now(UTC))
    if person.signed_in is not None:
        check(settings, person.signed_in, datetime.now(UTC))
    return person


def admitted(settings: Settings, store: Store | None) -> bool:
    """Whether pages may be shown; where not, the one page that may be is drawn."""
    if settings.sign_in is None:
        return _this_machine_alone()
    if LEAVING in st.session_state:
        _on_the_way_out()
        return False
    if not claims():
        _sign_in_page(settings, "")
        return False
    try:
        person = viewer(settings)
    except DecisionRefused as refused:
        _sign_in_page(settings, refused.what.removeprefix("nothing was done: "))
        return False
    if person.signed_in is not None and (warning := arrive(settings, store, person.signed_in, person.name, list(person.roles or ()))):
        st.warning(plain(warning))
    if not person.roles:
        _no_role_page(settings, store, person)
        return False
    return True


def leave(settings: Settings, store: Store | None, person: Person) -> None:
    """A button that signs the person out of every tab, here and at the provider."""
    if not st.button("Sign out", key="sign out", width="stretch") or person.signed_in is None:
        return
    st.session_state[LEAVING] = time.monotonic()
    try:
        sign_out(settings, store, person.signed_in, person.name)
    except InterlockError as error:  # the cookie goes all the same
        trouble(error)
    st.logout()


@st.fragment(run_every=AGAIN_S)
def _on_the_way_out() -> None:
    """Until the browser is gone. A redraw may have dropped the message that sends it away; sent twice, the second journey, which has no
    cookie any more, would break off the first, to the provider. So it is sent again, but not soon.
    """
    st.markdown("Signing out. If this page stays, reload it.")
    if time.monotonic() - st.session_state[LEAVING] >= AGAIN_S:
        st.session_state[LEAVING] = time.monotonic()
        st.logout()


def _this_machine_alone() -> bool:
    """Where nobody signs in, the control room must not listen to other machines, however it was started."""
    address = str(st.get_option("server.address") or "")
    if is_loopback(address):
        return True
    st.title("Interlock", anchor=False)
    st.error("Nobody signs in here, so the control room answers this machine alone; it was started to listen to others.")
    st.markdown("Start it so; or set up sign-in as docs/sign-in.md describes:")
    st.code("streamlit run dashboard/app.py --server.address 127.0.0.1", language=None)
    return False


def _sign_in_page(settings: Settings, why: str) -> None:
    _, middle, _ = st.columns([1, 2, 1])
    with middle, st.container(border=True):
        st.title("Interlock", anchor=False)
        if why:
            st.warning(plain(f"{why[0].upper()}{why[1:]}."))
        else:
            st.markdown("The control room of this installation. What you may see and do follows your role.")
        if st.get_option("secrets.files") and "auth" in _sections():
            st.button("Sign in again" if why else "Sign in", type="primary", key="sign in", on_click=_to_provider, width="stretch")
        else:
            st.error("Sign-in is set, but this process was started without its secrets.")
            st.code("interlock up", language=None)
        st.caption(FAILS)


def _to_provider() -> None:
    """Off to the provider, which sends everybody back to `/`: the page asked for is kept meanwhile."""
    keep_asked()
    st.login()


def _sections() -> set[str]:
    return set(st.secrets) if st.secrets.load_if_toml_exists() else set()


def _no_role_page(settings: Settings, store: Store | None, person: Person) -> None:
    """Signed in, but nothing is permitted: why, and whom to ask."""
    rules = settings.sign_in
    _, middle, _ = st.columns([1, 2, 1])
    with middle, st.container(border=True):
        st.title("Interlock", anchor=False)
        st.markdown(f"You are signed in as **{plain(person.name)}**, and have no role here.")
        if rules is not None:
            source = f"the claim '{rules.roles_claim}' of {rules.expected_issuer}"
            st.markdown(plain(f"Roles come from {source}; none of its values for you gives a role in this installation."))
            st.markdown(f"Ask {plain(rules.contact or 'whoever runs Interlock here')} for one, then sign out and in again.")
        leave(settings, store, person)
