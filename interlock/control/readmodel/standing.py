"""The standing approval of a use case, as a screen shows it."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.decisions.standing import why_not
from interlock.records.standing import standings
from interlock.records.store import Store, utc_now
from interlock.rules.standing import Standing
from interlock.settings import Settings


@dataclass(frozen=True)
class StandingView:
    """The newest one in words; `number` counts those that were ever granted."""

    standing: Standing
    active: bool
    sentence: str
    number: int


def standing_of(store: Store, use_case: str) -> StandingView | None:
    """The newest standing approval; None where none was ever granted."""
    with store.reading() as session:
        found = standings(session, use_case, limit=1_000)
    if not found:
        return None
    one, now = found[0], utc_now()
    state = one.state(now)
    said = f"Granted by {one.grantor} on {one.granted_at:%Y-%m-%d %H:%M} UTC until {one.expires_at:%Y-%m-%d %H:%M} UTC ({one.reason}). "
    used = (f"Used {len(one.used)} of {one.uses_max} times, {one.in_week(now)} of {one.per_week} in the last seven days. ")
    ends = {"active": "It counts now.", "expired": "It is over.", "used up": "It is used up."}
    end = f"It was {state} by {one.ended.actor} on {one.ended.at:%Y-%m-%d %H:%M} UTC: {one.ended.reason}" if one.ended else ends[state]
    return StandingView(one, state == "active", said + used + end, len(found))


def stands_in_the_way(settings: Settings, store: Store, standing: Standing, evidence_digest: str) -> list[str]:
    """Why it does not cover the candidate of this evidence; empty where it does, and the keeper decides within seconds."""
    return why_not(settings, store, standing, evidence_digest, utc_now())
