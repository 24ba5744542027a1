"""Who acts, and what they may do. Roles come from the settings; without any, this is a local machine where everybody may everything."""

from __future__ import annotations

import getpass

from interlock.errors import DecisionRefused
from interlock.rules.approval import ALLOWED, NOBODY, ROLES, may
from interlock.settings import Settings

SCHEDULER = "scheduler"  # who started what a schedule or a breach asked for: nobody
AUTOMATIC = "interlock"  # the actor of what no person decided
NAME_MAX = 200
REASON_MAX = 2_000


def actor_name(settings: Settings) -> str:
    """The person at this keyboard: the setting `actor`, else the login name."""
    return settings.actor or getpass.getuser()


def local_mode(settings: Settings) -> bool:
    """Whether nobody is listed, so that everybody has every role."""
    return not settings.people


def roles_of(settings: Settings, actor: str) -> list[str]:
    """The roles of a person; every role in local mode, none for a stranger."""
    return sorted(ROLES) if local_mode(settings) else sorted(set(settings.people.get(actor, [])) & set(ROLES))


def require(settings: Settings, actor: str, action: str, reason: str) -> dict[str, object]:
    """Refuse unless `actor` is a person with a role for `action` and a reason; the answer is what the ledger says about it."""
    name = actor.strip()
    if name.casefold() in NOBODY or len(name) > NAME_MAX or not name.isprintable():
        raise DecisionRefused("a decision needs a person's name", value=actor, allowed="anybody but the scheduler and the keeper")
    if not reason.strip() or len(reason) > REASON_MAX or any(0xD800 <= ord(letter) <= 0xDFFF for letter in reason):
        raise DecisionRefused(f"to {action} needs a reason", value=reason or "nothing", allowed=f"1 to {REASON_MAX:,} characters")
    roles = roles_of(settings, name)
    if not may(roles, action):
        raise DecisionRefused(f"{name} may not {action}", value=", ".join(roles) or "no role", allowed=", ".join(sorted(ALLOWED[action])),
                              next_step="ask an admin for the role: [people] in interlock.toml")
    return {"roles": roles, "roles_from": "local mode: nobody is listed, everybody has every role" if local_mode(settings) else "settings",
            "single_person": settings.single_person}
