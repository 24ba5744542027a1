"""The release state machine: which steps a candidate's way may take.

    planned → staged → shadow → canary (step 1 … n) → probation → live → superseded → retired
       └────────┴────────┴────────┴── paused ──┘          │         └→ rolled_back
       └→ failed         └→ rolled_back ──────────────────┘

A run makes one transition and ends; waiting is a state that the keeper advances.
"""

from __future__ import annotations

from enum import StrEnum

from interlock.errors import StaleState


class ReleaseState(StrEnum):
    """Where a release stands."""

    PLANNED = "planned"          # approved; nothing has happened yet
    STAGED = "staged"            # verified, loaded by a probe child, golden rows agree
    SHADOW = "shadow"            # loaded and verified; scores mirrored requests or waits to be looked at; no customer sees its answers
    CANARY = "canary"            # answers a share of the requests
    PAUSED = "paused"            # waits for a person: inconclusive, or too little traffic for too long
    PROBATION = "probation"      # live, the verdict is open
    LIVE = "live"                # live, confirmed
    ROLLED_BACK = "rolled_back"  # taken off after a breach or by a person
    FAILED = "failed"            # never answered a customer: verification or probe failed, or the decision was void
    SUPERSEDED = "superseded"    # another release became live
    RETIRED = "retired"          # archived; cannot come back by accident


S = ReleaseState
TRANSITIONS: dict[ReleaseState, frozenset[ReleaseState]] = {
    S.PLANNED: frozenset({S.STAGED, S.FAILED}),
    S.STAGED: frozenset({S.SHADOW, S.CANARY, S.PROBATION, S.FAILED}),
    S.SHADOW: frozenset({S.SHADOW, S.CANARY, S.PAUSED, S.PROBATION, S.ROLLED_BACK}),
    S.CANARY: frozenset({S.CANARY, S.PAUSED, S.PROBATION, S.ROLLED_BACK}),
    S.PAUSED: frozenset({S.SHADOW, S.CANARY, S.PROBATION, S.ROLLED_BACK}),
    S.PROBATION: frozenset({S.LIVE, S.ROLLED_BACK, S.SUPERSEDED}),
    S.LIVE: frozenset({S.ROLLED_BACK, S.SUPERSEDED}),
    S.SUPERSEDED: frozenset({S.LIVE, S.RETIRED}),
    S.ROLLED_BACK: frozenset({S.LIVE, S.RETIRED}),  # live again only by a person who goes back to exactly this version
    S.FAILED: frozenset({S.RETIRED}),
    S.RETIRED: frozenset({S.LIVE}),  # only what the server itself had gone back to in the moment when it was retired
}
ENDED = frozenset({S.ROLLED_BACK, S.FAILED, S.SUPERSEDED, S.RETIRED})
OPEN = frozenset({S.PLANNED, S.STAGED, S.SHADOW, S.CANARY, S.PAUSED})


def check_transition(old: ReleaseState, new: ReleaseState) -> None:
    """Raise `StaleState` unless the step is one that the state machine has."""
    if new not in TRANSITIONS[old]:
        allowed = ", ".join(sorted(TRANSITIONS[old])) or "none: this is an end"
        raise StaleState(f"a release that is {old} cannot become {new}", value=new.value, allowed=allowed, next_step="interlock status")
