"""Law 2: one effect has one decision. A UNIQUE identity decides a double click, two approvers and a replay."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from interlock.control.decisions.receipts import Receipt, receipt_of
from interlock.errors import DecisionRefused
from interlock.records import decisions
from interlock.records.store import Store
from interlock.records.tables import Decision


def once(store: Store, identity: str, kind: str, actor: str, nonce: str, write: Callable[[Session], Decision]) -> Receipt:
    """Carry out `write` in one transaction unless this effect has its decision already (law 2)."""
    check_nonce(nonce)
    try:
        with store.writing() as session:
            first = decisions.known(session, identity)
            if first is None:
                return receipt_of(write(session))
            return replay(first, kind, actor, nonce)
    except IntegrityError:  # a database that lets two transactions read at once: the UNIQUE constraint decided
        with store.reading() as session:
            first = decisions.known(session, identity)
        if first is None:
            raise
        return replay(first, kind, actor, nonce)


def check_nonce(nonce: str) -> None:
    """Refuse a nonce that cannot tell one intended action from the next."""
    if not 8 <= len(nonce) <= 64 or not nonce.isascii() or not nonce.isprintable():
        raise DecisionRefused("an action needs a nonce", value=nonce, allowed="8 to 64 ASCII characters, new for each intended action")


def replay(first: Decision, kind: str, actor: str, nonce: str) -> Receipt:
    """The first receipt again for the same action of the same person; a refusal for everybody else."""
    if (first.kind, first.actor, first.detail.get("nonce")) != (kind, actor, nonce):
        raise decisions.refuse_second(first)
    return receipt_of(first, replayed=True)
