"""The way of one release as the ledger has it: each stage with its beginning, its end and how it ended; and the stages still to come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.readmodel.signals import SignalState
from interlock.records import ledger
from interlock.records.store import Store
from interlock.records.tables import LedgerEntry, Release
from interlock.rules.releases import OPEN, ReleaseState
from interlock.rules.strategies import Step, StepKind, steps_of
from interlock.spec.usecase import UseCase

S = ReleaseState
ENTRIES_MAX = 400
ENDED = {S.ROLLED_BACK: "rolled back", S.FAILED: "ended before any customer saw it", S.SUPERSEDED: "replaced by a newer version",
         S.RETIRED: "retired"}
NAMES = {S.PLANNED: "Approval", S.STAGED: "Staged", S.PAUSED: "Paused", S.PROBATION: "Probation", S.LIVE: "Live"}


@dataclass(frozen=True)
class Phase:
    """One stage. `end` None: it lasts, or (with `planned`) it has not begun; `least_s`: how long a planned one lasts at least."""

    name: str
    start: datetime | None
    end: datetime | None
    state: SignalState
    sentence: str
    by: str = ""
    planned: bool = False
    least_s: float = 0.0

    def seconds(self, now: datetime) -> float:
        """How long it lasted, lasts by now, or (planned) is to last at least."""
        return self.least_s if self.start is None else ((self.end or now) - self.start).total_seconds()


def phases_of(store: Store, release_id: str) -> tuple[Phase, ...]:
    """Every stage that has begun, oldest first; none where the ledger has no entry about the release (older installations)."""
    with store.reading() as session:
        release = session.get(Release, release_id)
        if release is None:
            return ()
        query = (select(LedgerEntry).where(LedgerEntry.use_case == release.use_case, LedgerEntry.created_at >= release.created_at,
                                           LedgerEntry.kind.in_(("release.planned", "release.changed", "release.judged")),
                                           LedgerEntry.body.contains(release_id)).order_by(LedgerEntry.seq).limit(ENTRIES_MAX))
        told = [(entry.kind, entry.created_at, ledger.body_of(entry)) for entry in session.scalars(query)]
    return _phases([one for one in told if one[2].get("release_id") == release_id])


def ahead_of(case: UseCase | None, state: ReleaseState, step: int, *, first: bool) -> tuple[Phase, ...]:
    """The stages that are still to come for a release that is not live; `first`: nothing answers yet, so there are no steps."""
    if case is None or state not in OPEN:
        return ()
    steps = () if first else steps_of(case.rollout)
    coming = [_planned(_step_name(n, one), one.bake_s) for n, one in enumerate(steps, 1) if n > step]
    return (*coming, _planned(NAMES[S.PROBATION], case.rollout.probation_s))


def _planned(name: str, least_s: float) -> Phase:
    return Phase(name, None, None, SignalState.UNKNOWN, "to come", planned=True, least_s=least_s)


def _phases(told: list[tuple[str, datetime, dict[str, Any]]]) -> tuple[Phase, ...]:
    found: list[Phase] = []
    state, step, since, said, by, judged = S.PLANNED, 0, None, "approved; verification and staging", "", ""
    for kind, at, body in told:
        if kind == "release.judged":
            judged = str(body.get("judgement", {}).get("sentence", ""))
            continue
        if kind == "release.changed":
            new = S(body["after"]["state"])
            if since is not None:
                why = str(body["reason"]) if new in {*ENDED, S.PAUSED} else judged or said
                found.append(Phase(_name(state, step, said), since, at, _verdict(new), why, by))
            state, step, said, by, judged = new, int(body["after"]["step"]), str(body["reason"]), str(body["actor"]), ""
            since = None if new in ENDED else at
            if new in ENDED:
                found.append(Phase(ENDED[new].capitalize(), at, at, _verdict(new), said, by))
            continue
        since = at
    if since is not None:
        lasting = SignalState.PASS if state is S.LIVE else SignalState.UNKNOWN if state is S.PAUSED else SignalState.WARN
        found.append(Phase(_name(state, step, said), since, None, lasting, said, by))
    return tuple(found)


def _name(state: ReleaseState, step: int, said: str) -> str:
    if state in {S.SHADOW, S.CANARY}:
        share = said.partition(": ")[2].partition(" of the")[0] if ": " in said else ""
        return f"Step {step}" + (f", {share}" if share and len(share) < 24 else "")
    return NAMES[state]


def _step_name(number: int, step: Step) -> str:
    kinds = {StepKind.SHADOW: "shadow", StepKind.PREVIEW: "preview", StepKind.SHARE: f"{step.percent:g} %", StepKind.AB: "A/B test"}
    return f"Step {number}, {kinds[step.kind]}"


def _verdict(new: ReleaseState) -> SignalState:
    """How a stage ended, by what came after it."""
    if new in {S.ROLLED_BACK, S.FAILED}:
        return SignalState.FAIL
    return SignalState.UNKNOWN if new in {S.PAUSED, S.RETIRED} else SignalState.PASS
