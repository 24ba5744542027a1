"""What a person may do who is not here now: a standing approval acts in the name of whoever granted it, while that person may approve.

Roles of people who sign in are known from their tokens alone. So the newest sign-in that the ledger holds counts, for a bounded time:
who left, or lost the group, lets nothing more through.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from interlock.control.access.people import Person, mapped_roles, person_of
from interlock.records import ledger
from interlock.settings import Settings

KNOWN_DAYS = 30  # a standing approval lasts 30 days unless told otherwise
LOOKED_AT = 5_000  # newest sign-ins; a thousand people signing in daily for a week


def granted_by(settings: Settings, session: Session, grantor: str, right: dict[str, Any], now: datetime) -> Person:
    """The grantor with the roles of today; `right` is what the grant's decision says about roles and where they came from.

    Granted after a sign-in: by the groups of the newest sign-in of the same issuer and subject within `KNOWN_DAYS`, through today's
    mapping; none where there is none. Granted at the command line or in local mode: by the settings.
    """
    source = str(right.get("roles_from", ""))
    if not source.startswith("claims of "):
        return person_of(settings, grantor)
    for entry in ledger.entries(session, kinds=["person.signed_in"], limit=LOOKED_AT):
        body = ledger.body_of(entry)
        if entry.created_at < now - timedelta(days=KNOWN_DAYS):
            break
        if source == f"claims of {body['issuer']}, subject {body['subject']}":
            return Person(grantor, mapped_roles(settings, tuple(body["groups"])), source)
    return Person(grantor, (), f"{source}: no sign-in within {KNOWN_DAYS} days")
