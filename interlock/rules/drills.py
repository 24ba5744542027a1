"""The verdict on a fire drill, and when one is missing. Pure.

    detect      seconds from the first spoiled request to the breach that the release analysis saw
    canary      milliseconds from the order to take the candidate off to its last answer
    live        milliseconds from the order to roll back the live version to its last answer
    failed      requests that failed although nothing was wrong with them

A drill passes only when all of it was done and measured and is within `[drill]`. What was not reached fails it: a way back that was not
walked is not one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from interlock.spec.staging import Drill

MISSED_AFTER = 1.5  # intervals of the schedule without a drill


@dataclass(frozen=True)
class DrillMeasure:
    """One measured thing; `value` None: it was not reached."""

    name: str
    verdict: Literal["pass", "fail"]
    sentence: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class DrillFacts:
    """What a drill measured; None: it did not come so far. `requests`: those that nothing was wrong with.

    `calls_ms`: how long each order to roll back took to be carried out and confirmed. `trouble`: what ended the drill early, in words.
    """

    detect_s: float | None = None
    canary_ms: float | None = None
    live_ms: float | None = None
    calls_ms: tuple[float, ...] = ()
    failed: int = 0
    requests: int = 0
    spoiled: int = 0
    total_s: float = 0.0
    breach: str = ""
    source: str = ""
    note: str = ""
    trouble: str = ""
    reasons: tuple[str, ...] = ()
    versions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DrillJudgement:
    """The verdict with everything that it rests on."""

    verdict: Literal["pass", "fail"]
    sentence: str
    measures: tuple[DrillMeasure, ...]

    def plain(self) -> dict[str, Any]:
        """Plain JSON values, for the store and the screen."""
        return {"verdict": self.verdict, "sentence": self.sentence, "measures": [vars(measure) for measure in self.measures]}


def judge_drill(limits: Drill, facts: DrillFacts) -> DrillJudgement:
    """Pass or fail; a drill has no third answer."""
    measures = (_within("detect", facts.detect_s, limits.detect_s_max, "s", "the breach was seen after", "the breach was not seen"),
                _within("canary", facts.canary_ms, limits.rollback_ms_max, "ms", "the candidate's last answer came after",
                        "the candidate was not taken off"),
                _within("live", facts.live_ms, limits.rollback_ms_max, "ms", "the live version's last answer came after",
                        "the live version was not rolled back"), _failed(limits, facts))
    bad = [measure.sentence for measure in measures if measure.verdict == "fail"]
    if bad or facts.trouble:
        said = [*([facts.trouble] if facts.trouble else []), *bad]
        return DrillJudgement("fail", f"failed: {'; '.join(said)}"[:2_000], measures)
    return DrillJudgement("pass", f"rehearsed in {facts.total_s:.1f} s on {facts.requests:,} requests ({facts.source}): breach seen after "
                          f"{facts.detect_s:.1f} s; last answer of the candidate {facts.canary_ms:.0f} ms, of the live version "
                          f"{facts.live_ms:.0f} ms after the order to roll back; {facts.failed} failed", measures)


def missed(last: datetime, interval: timedelta, now: datetime) -> str:
    """The sentence that says that a drill is missing; empty: it is not.

    `last`: the end of the last drill or, without one, since when the schedule is known. Missing after 1.5 intervals of the schedule.
    """
    bound = interval * MISSED_AFTER
    if now - last <= bound:
        return ""
    return f"no drill since {last:%Y-%m-%d %H:%M} UTC; the schedule allows {_words(bound)} ({MISSED_AFTER:g} times its interval)"


def _within(name: str, value: float | None, limit: float, unit: str, said: str, absent: str) -> DrillMeasure:
    if value is None:
        return DrillMeasure(name, "fail", absent, None, limit)
    shown = f"{value:.1f}" if unit == "s" else f"{value:.0f}"
    return DrillMeasure(name, "pass" if value <= limit else "fail", f"{said} {shown} {unit}, at most {limit:g} {unit} allowed", value,
                        limit)


def _failed(limits: Drill, facts: DrillFacts) -> DrillMeasure:
    why = f" ({'; '.join(facts.reasons[:3])})" if facts.reasons else ""
    good = facts.failed <= limits.failed_max and facts.requests > 0
    said = f"{facts.failed} of {facts.requests:,} good requests failed, at most {limits.failed_max} allowed{why}"
    return DrillMeasure("failed", "pass" if good else "fail", said, float(facts.failed), float(limits.failed_max))


def _words(span: timedelta) -> str:
    hours = span.total_seconds() / 3_600
    return f"{hours:.1f} hours" if hours < 72 else f"{hours / 24:.1f} days"
