"""The one verdict object that every view draws: a signal with state, name and one sentence.

Four states, like a signal panel: PASS, WARN, FAIL, UNKNOWN. WARN never comes from a gate (gates have three answers); it marks
what should be looked at and stops nothing: a limit of a monitored window that only warns, or a failed gate that only observes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from interlock.rules.gates import GateResult, figure
from interlock.rules.monitoring import WindowState


class SignalState(StrEnum):
    """What a signal shows."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


SEVERITY = {SignalState.FAIL: 0, SignalState.UNKNOWN: 1, SignalState.WARN: 2, SignalState.PASS: 3}


@dataclass(frozen=True)
class Signal:
    """One answer about one question. `sample_size` are rows; `at` is the end of the window or the time of the evidence."""

    name: str
    state: SignalState
    sentence: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    sample_size: int = 0
    at: datetime | None = None


def worst(signals: Iterable[Signal]) -> SignalState:
    """The gravest state (FAIL before UNKNOWN before WARN before PASS); UNKNOWN where there is no signal at all."""
    return min((signal.state for signal in signals), key=SEVERITY.__getitem__, default=SignalState.UNKNOWN)


def from_gate(result: GateResult, at: datetime | None = None) -> Signal:
    """The signal of a gate's answer: a FAIL of a rule that only observes warns."""
    state = SignalState(result.verdict.value)
    if state is SignalState.FAIL and result.mode == "observe":
        state = SignalState.WARN
    said = result.sentence.removeprefix(f"{result.title}: {result.verdict.value.upper()}")
    place, dash, rest = said.partition(" — ")
    sentence = f"{place.removeprefix(' for ')}: {rest}" if dash and place.startswith(" for ") else said.removeprefix(" — ")
    return Signal(name=result.title, state=state, sentence=_for_people(sentence, result), value=result.value, limit=result.threshold,
                  unit=result.unit, sample_size=result.sample_size, at=at)


def _for_people(sentence: str, result: GateResult) -> str:
    """The sentence that was sealed, with its segment in words (`column=hour`: `column hour`) and an upper limit as what is allowed."""
    said = sentence.replace("column=", "column ", 1) if result.segment.startswith("column=") else sentence
    asked, allowed = f"at most {figure(result.threshold)}", " needed"
    before, found, after = said.partition(asked)
    return f"{before}{found}{after.replace(allowed, ' allowed', 1)}" if found else said


def from_window(name: str, state: WindowState, sentence: str, sample_size: int, at: datetime | None) -> Signal:
    """The signal of what a monitored window says."""
    states = {WindowState.OK: SignalState.PASS, WindowState.WARN: SignalState.WARN, WindowState.BREACH: SignalState.FAIL}
    text = sentence.replace(f": {state.value} — ", ": ", 1).replace("(column=", "(")
    return Signal(name=name, state=states.get(state, SignalState.UNKNOWN), sentence=text, sample_size=sample_size, at=at)
