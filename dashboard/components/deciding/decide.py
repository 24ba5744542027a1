"""Forms that sign something: reason, typed confirmation, nonce.

They only call `interlock.control.decisions.actions`, which checks everything again. The nonce is made when the form is first drawn and
stays the same for as long as the session lives: a second click that interrupts the run of the first one asks for the same decision again
and gets the same receipt. `key` names the effect (evidence, generation), so another effect has another nonce.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import streamlit as st

from dashboard.components.deciding.rights import offered
from dashboard.components.press import submitted
from dashboard.components.states import trouble
from dashboard.components.words import plain
from dashboard.desk import Desk, forget
from interlock.errors import InterlockError
from interlock.rules.approval import ALLOWED

Act = Callable[..., Any]
Fields = Callable[[], dict[str, Any]]


def signed(
    desk: Desk,
    *,
    key: str,
    button: str,
    word: str,
    act: Act,
    arguments: dict[str, Any],
    hint: str,
    main: bool = True,
    fields: Fields | None = None,
    border: bool = True,
    action: str = "",
) -> None:
    """A form with reason and typed confirmation. `word` must be typed; `act` gets actor, reason, nonce and `arguments`.

    `fields` draws further fields at the top of the form and returns the arguments made of them. `action`: the right that it needs where
    that is not the name of `act`; without it, a sentence stands in place of the form.
    """
    needed = action or act.__name__
    if needed in ALLOWED and not offered(desk, needed):
        return
    nonces = st.session_state.setdefault("nonces", {})
    nonce = nonces.setdefault(key, str(uuid4()))
    with st.form(f"form {key}", enter_to_submit=False, border=border):
        filled = fields() if fields else {}
        reason = st.text_area("Reason", key=f"reason {key}", max_chars=2000, height=68, placeholder=hint)
        typed = st.text_input(f"Type {word} to confirm", key=f"typed {key}", autocomplete="off")
        st.caption(plain(f"Signed as {desk.actor}; checked again at the click; the ledger keeps it."))
        pressed = submitted(button, key=f"press {key}", main=main)
    if not pressed:
        return
    if typed.strip().casefold() != word.casefold():
        st.warning(plain(f"Nothing was done: type {word} to confirm."))
    elif not reason.strip():
        st.warning("Nothing was done: a reason is needed.")
    else:
        _do(desk, act, {"reason": reason.strip(), "nonce": nonce, **arguments, **filled})


def _do(desk: Desk, act: Act, arguments: dict[str, Any]) -> None:
    """Call the action and draw the page anew with its receipt, or say why it did nothing."""
    try:
        receipt = act(desk.settings, desk.store, actor=desk.person, **arguments)
    except InterlockError as error:
        st.markdown("**Nothing was done.**")
        trouble(error)
        return
    st.session_state["receipt"] = receipt
    forget()
    st.rerun()
