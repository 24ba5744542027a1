"""Who acts, and what they may do. Roles come from the settings; without any, this is a local machine where everybody may everything."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

from interlock.errors import DecisionRefused
from interlock.rules.approval import ALLOWED, NOBODY, ROLES, may
from interlock.settings import Settings

SCHEDULER = "scheduler"  # who started what a schedule or a breach asked for: nobody
AUTOMATIC = "interlock"  # the actor of what no person decided
NAME_MAX = 200
REASON_MAX = 2_000
LOCAL = "local mode: nobody is listed, everybody has every role"


@dataclass(frozen=True)
class Person:
    """Somebody who acts: the name, the roles that a sign-in gave (None: the settings say them), and where the roles come from."""

    name: str
    roles: tuple[str, ...] | None = None
    roles_from: str = "settings"


def actor_name(settings: Settings) -> str:
    """The person at this keyboard: the setting `actor`, else the login name."""
    return settings.actor or getpass.getuser()


def local_mode(settings: Settings) -> bool:
    """Whether nobody is listed, so that everybody has every role."""
    return not settings.people


def at_keyboard(settings: Settings) -> Person:
    """The person at this machine's keyboard, with the roles that the settings give the name."""
    return person_of(settings, actor_name(settings))


def person_of(settings: Settings, actor: str | Person) -> Person:
    """A name as a person with roles; a person stays who they are. In local mode everybody has every role, else a stranger has none."""
    known = actor if isinstance(actor, Person) else Person(actor)
    if known.roles is not None:
        return known
    if local_mode(settings):
        return Person(known.name, tuple(sorted(ROLES)), LOCAL)
    return Person(known.name, tuple(sorted(set(settings.people.get(known.name.strip(), [])) & set(ROLES))), "settings")


def name_of(actor: str | Person) -> str:
    """The name that decisions are signed with."""
    return actor.name if isinstance(actor, Person) else actor


def roles_of(settings: Settings, actor: str | Person) -> list[str]:
    """The roles of a person; every role in local mode, none for a stranger."""
    return sorted(person_of(settings, actor).roles or ())


def permit(settings: Settings, actor: str | Person, action: str) -> dict[str, object]:
    """Refuse unless `actor` is a person with a role for `action`; the answer is what the ledger says about the right.

    For what needs no reason, like looking at one row; decisions go through `require`. Raises `DecisionRefused`.
    """
    person = person_of(settings, actor)
    name = person.name.strip()
    if name.casefold() in NOBODY or len(name) > NAME_MAX or not name.isprintable():
        raise DecisionRefused("a decision needs a person's name", value=person.name, allowed="anybody but the scheduler and the keeper")
    roles = sorted(person.roles or ())
    if not may(roles, action):
        raise DecisionRefused(f"{name} may not {action}", value=", ".join(roles) or "no role", allowed=", ".join(sorted(ALLOWED[action])),
                              next_step="ask an admin for the role: [people] in interlock.toml")
    return {"roles": roles, "roles_from": person.roles_from, "single_person": settings.single_person}


def require(settings: Settings, actor: str | Person, action: str, reason: str) -> dict[str, object]:
    """Refuse unless `actor` is a person with a role for `action` and a reason; the answer is what the ledger says about it."""
    right = permit(settings, actor, action)
    if not reason.strip() or len(reason) > REASON_MAX or any(0xD800 <= ord(letter) <= 0xDFFF for letter in reason):
        raise DecisionRefused(f"to {action} needs a reason", value=reason or "nothing", allowed=f"1 to {REASON_MAX:,} characters")
    return right
