"""An admin ends somebody else's sessions: who left, or whose laptop was stolen, is out of every tab at the next redraw and may do nothing
more. It does not keep anybody from signing in again: that is the provider's to refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from interlock.control.access.people import Person, name_of, require
from interlock.control.access.sign_ins import Seen, end_everywhere, seen_here, why_ended
from interlock.errors import DecisionRefused
from interlock.records.store import Store, utc_now
from interlock.settings import Settings

NAMES_TOLD = 20


@dataclass(frozen=True)
class Ended:
    """Whose sessions ended, how many sign-ins still counted before, and what the ledger does not know."""

    name: str
    sign_ins: int
    warning: str = ""


def end_sessions(settings: Settings, store: Store | None, *, actor: str | Person, reason: str, name: str,
                 clock: Callable[[], datetime] = utc_now) -> Ended:
    """End every session of one person now, in all tabs and browsers; safe to repeat. `store` None: it cannot be used now, and need not.

    `name`: as decisions are signed, or its address alone, or the provider's subject; capitals do not matter. Raises `DecisionRefused` for a
    role other than admin, no reason, nobody or more than one person of this name, an installation in which nobody signs in.
    """
    standing, by, now = require(settings, actor, "end sessions", reason), name_of(actor), clock()
    if settings.sign_in is None:
        raise DecisionRefused("nobody signs in to this installation: there is no session to end",
                              next_step="set [sign_in] in interlock.toml")
    own = _of(name, seen_here(settings))
    counting = [one for one in own if not why_ended(settings, one, now)]
    warning = end_everywhere(settings, store, own[-1], by, now, f"{by} ended the sessions of {own[-1].name} ({reason})",
                             actor=by, reason=reason, standing=standing, sign_ins=len(counting))
    return Ended(own[-1].name, len(counting), warning)


def _of(name: str, seen: list[Seen]) -> list[Seen]:
    """The lines of the one person of this name, oldest first."""
    wanted = name.strip().casefold()
    own = sorted((one for one in seen if wanted in _names(one)), key=lambda one: one.at)
    people = {(one.issuer, one.subject): one.name for one in own}
    if len(people) == 1:
        return own
    known = sorted({one.name for one in seen})
    if not people:
        told = ", ".join(known[:NAMES_TOLD]) + (f" and {len(known) - NAMES_TOLD} more" if len(known) > NAMES_TOLD else "")
        raise DecisionRefused("nobody of this name signed in within the last day", value=name, allowed=told or "nobody signed in",
                              next_step="interlock sign-out, with one of these names")
    raise DecisionRefused("several people have this name", value=name, next_step="interlock sign-out, with the subject for the name",
                          allowed=", ".join(f"{subject} ({one})" for (_, subject), one in sorted(people.items())[:NAMES_TOLD]))


def _names(one: Seen) -> set[str]:
    """The ways to name a person here: `ann lee <ann@x.org>`, `ann@x.org`, the subject."""
    whole = one.name.casefold()
    return {whole, whole.rpartition("<")[2].removesuffix(">"), one.subject.casefold()}
