"""Fire drills as people see them: the signal of a use case, and what its last drills measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.control.drills.drill_schedule import DrillState, drill_states_of
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.signals import Signal, SignalState
from interlock.records import drills
from interlock.records.store import Store, utc_now
from interlock.records.tables import DrillRow

NAME = "Drill"
SHOWN = 10


@dataclass(frozen=True)
class DrillView:
    """One drill. Seconds and milliseconds are None where the drill did not come so far."""

    verdict: SignalState
    sentence: str
    finished_at: datetime
    started_by: str
    detect_s: float | None
    canary_ms: float | None
    live_ms: float | None
    failed: int
    requests: int
    source: str


def drill_signals(store: Store, entries: Sequence[Entry]) -> dict[str, Signal]:
    """The signal of each use case that has a schedule and something live, or was ever drilled; none for the others."""
    known = {entry.name: entry.facts.get("schedules", {}).get("drill") for entry in entries if not entry.problem}
    with store.reading() as session:
        return {name: _signal(state) for name, state in drill_states_of(session, known, utc_now()).items()}


def drills_of(store: Store, use_case: str) -> list[DrillView]:
    """The newest drills of a use case, newest first."""
    with store.reading() as session:
        return [_view(row) for row in drills.newest(session, use_case, SHOWN)]


def _signal(state: DrillState) -> Signal:
    """A failed drill before a missing one: that the way back is broken is worse than that nobody looked."""
    last = state.last
    at = last.finished_at if last is not None else None
    if last is not None and last.verdict == "fail":
        return Signal(NAME, SignalState.FAIL, last.sentence, at=at)
    if state.missing:
        return Signal(NAME, SignalState.WARN, state.missing, at=at)
    if last is None:
        return Signal(NAME, SignalState.UNKNOWN, "scheduled, but none was due yet")
    return Signal(NAME, SignalState.PASS, last.sentence, at=at)


def _view(row: DrillRow) -> DrillView:
    facts: dict[str, Any] = row.body.get("facts", {})
    return DrillView(SignalState(row.verdict), row.sentence, row.finished_at, row.started_by, facts.get("detect_s"), facts.get("canary_ms"),
                     facts.get("live_ms"), int(facts.get("failed", 0)), int(facts.get("requests", 0)), str(facts.get("source", "")))
