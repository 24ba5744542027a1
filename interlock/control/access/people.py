"""Who acts, and what they may do.

Roles of a person who signed in come from the claims, and from them alone; of anybody else (the command line) from `[people]`. Without
either this is a local machine where everybody may everything.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from interlock.control.access.sign_ins import SignedIn, check
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
    """Somebody who acts: the name, the roles to show and where they come from. The actions never trust `roles`: they look again."""

    name: str
    roles: tuple[str, ...] | None = None
    roles_from: str = "settings"
    signed_in: SignedIn | None = None


def actor_name(settings: Settings) -> str:
    """The person at this keyboard: the setting `actor`, else the login name."""
    return settings.actor or getpass.getuser()


def local_mode(settings: Settings) -> bool:
    """Whether nobody signs in and nobody is listed, so that everybody has every role."""
    return not settings.people and settings.sign_in is None


def at_keyboard(settings: Settings) -> Person:
    """The person at this machine's keyboard, with the roles that the settings give the name."""
    return person_of(settings, actor_name(settings))


def person_of(settings: Settings, actor: str | Person) -> Person:
    """The person with the roles of this moment: by the groups of the sign-in, else by the name. A stranger has none."""
    known = actor if isinstance(actor, Person) else Person(actor)
    if known.signed_in is not None:
        one = known.signed_in
        return replace(known, roles=mapped_roles(settings, one.groups), roles_from=f"claims of {one.issuer}, subject {one.subject}")
    if local_mode(settings):
        return Person(known.name, tuple(sorted(ROLES)), LOCAL)
    return Person(known.name, tuple(sorted(set(settings.people.get(known.name.strip(), [])) & set(ROLES))), "settings")


def mapped_roles(settings: Settings, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The roles that these groups of the provider give here, sorted; none where nobody signs in."""
    mapping = settings.sign_in.roles if settings.sign_in is not None else {}
    return tuple(sorted({str(mapping[group]) for group in groups if group in mapping}))


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
    if person.signed_in is not None:
        check(settings, person.signed_in, datetime.now(UTC))  # sessions end by the real clock
    roles = sorted(person.roles or ())
    if not may(roles, action):
        raise DecisionRefused(f"{name} may not {action}", value=", ".join(roles) or "no role", allowed=", ".join(sorted(ALLOWED[action])),
                              next_step=ask_for_role(settings))
    return {"roles": roles, "roles_from": person.roles_from, "single_person": settings.single_person}


def ask_for_role(settings: Settings) -> str:
    """Whom to ask for a role that is missing, and where it is given."""
    if settings.sign_in is None:
        return "ask an admin for the role: [people] in interlock.toml"
    return f"ask {settings.sign_in.contact or 'an admin'} for a group that [sign_in] roles in interlock.toml names"


def require(settings: Settings, actor: str | Person, action: str, reason: str) -> dict[str, object]:
    """Refuse unless `actor` is a person with a role for `action` and a reason; the answer is what the ledger says about it."""
    right = permit(settings, actor, action)
    if not reason.strip() or len(reason) > REASON_MAX or any(0xD800 <= ord(letter) <= 0xDFFF for letter in reason):
        raise DecisionRefused(f"to {action} needs a reason", value=reason or "nothing", allowed=f"1 to {REASON_MAX:,} characters")
    return right
