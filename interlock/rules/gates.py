"""Gates: named rules over findings with three answers. Only PASS lets through."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.rules.findings import Finding, State


class Verdict(StrEnum):
    """PASS, FAIL, or UNKNOWN: too few rows, missing, stale or an error."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Gate(BaseModel):
    """A rule: the finding `metric` must be at least / at most `threshold`.

    `judge_by` says what must clear the threshold: `value` ignores the interval; `interval` asks its unfavourable end too, so that luck
    does not pass: FAIL where the value itself does not clear it, UNKNOWN where only the interval's end does not (more rows can tell).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name, as used in `[gates.NAME]`.")
    title: str = Field(description="Name for people.")
    metric: str = Field(description="The finding it judges.")
    direction: Literal["at_least", "at_most"]
    threshold: float
    unit: str = ""
    judge_by: Literal["value", "interval"] = "value"
    rows_min: int = Field(default=0, description="Sample size below which it says UNKNOWN.")
    mode: Literal["block", "observe"] = "block"
    question: str = Field(description="What a person asks: 'Is it better than doing nothing clever?'")
    source: str = Field(description="Where rule and threshold come from.")
    segment: str | None = Field(default=None, description="Judge only findings of this segment; None: all of the metric.")
    absent: Literal["unknown", "pass"] = Field(
        default="unknown", description="`pass` only where nothing to compare with is a state (no champion yet) and a finding says so.")


class GateResult(BaseModel):
    """A gate's answer with everything it rests on, in one sentence and in figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: str
    title: str
    verdict: Verdict
    sentence: str
    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float
    direction: str
    unit: str = ""
    sample_size: int = 0
    segment: str = "all"
    mode: Literal["block", "observe"] = "block"
    waivable: bool = Field(default=False, description="A FAIL or a too-few-rows UNKNOWN; never an error, missing or stale one.")
    question: str = ""
    source: str = ""


def judge(gate: Gate, findings: list[Finding]) -> GateResult:
    """The gate's answer: of all findings of its metric the worst counts (FAIL before UNKNOWN before PASS).

    It can be waived only if every finding that does not pass can: a FAIL does not hide an error beside it.
    """
    own = [finding for finding in findings if finding.metric == gate.metric and gate.segment in (None, finding.segment)]
    if not own:
        return _result(gate, Verdict.UNKNOWN, None, "nothing was measured", waivable=False)
    answers = [_judge_one(gate, finding) for finding in own]
    order = {Verdict.FAIL: 0, Verdict.UNKNOWN: 1, Verdict.PASS: 2}
    worst = min(answers, key=lambda answer: (order[answer.verdict], answer.waivable, _margin(gate, answer)))
    waivable = worst.waivable and all(answer.waivable for answer in answers if answer.verdict is not Verdict.PASS)
    return worst.model_copy(update={"waivable": waivable})


def blocking(results: list[GateResult]) -> list[GateResult]:
    """The results that stop a release: every blocking gate that does not PASS."""
    return [result for result in results if result.mode == "block" and result.verdict is not Verdict.PASS]


def _judge_one(gate: Gate, finding: Finding) -> GateResult:
    if finding.state is State.MISSING and gate.absent == "pass" and finding.note:
        return _result(gate, Verdict.PASS, finding, finding.note)
    if finding.state in {State.ERROR, State.STALE, State.MISSING}:
        return _result(gate, Verdict.UNKNOWN, finding, finding.note or finding.state.value, waivable=False)
    if finding.state is State.TOO_FEW or finding.sample_size < gate.rows_min:
        needed = max(finding.needed or 0, gate.rows_min)
        why = f"not enough evidence: n = {finding.sample_size:,}, at least {needed:,} needed"
        why = finding.note if finding.state is State.TOO_FEW and finding.note else why
        return _result(gate, Verdict.UNKNOWN, finding, why, waivable=True)
    if finding.value is None or not math.isfinite(finding.value):
        return _result(gate, Verdict.UNKNOWN, finding, finding.note or "no value", waivable=False)
    if not _clears(gate, finding.value):
        return _result(gate, Verdict.FAIL, finding, finding.note, waivable=True)
    if gate.judge_by == "interval":
        end = finding.low if gate.direction == "at_least" else finding.high
        if end is None or not math.isfinite(end):
            return _result(gate, Verdict.UNKNOWN, finding, "there is no interval, so luck cannot be excluded", waivable=True)
        if not _clears(gate, end):
            why = "The interval reaches beyond the threshold: more rows are needed to tell"
            return _result(gate, Verdict.UNKNOWN, finding, f"{why}. {finding.note}".strip(), waivable=True)
    return _result(gate, Verdict.PASS, finding, finding.note)


def _clears(gate: Gate, value: float) -> bool:
    return value >= gate.threshold if gate.direction == "at_least" else value <= gate.threshold


def _margin(gate: Gate, result: GateResult) -> float:
    value = result.value if result.value is not None else float("inf")
    return value - gate.threshold if gate.direction == "at_least" else gate.threshold - value


def _result(gate: Gate, verdict: Verdict, finding: Finding | None, why: str, *, waivable: bool = False) -> GateResult:
    return GateResult(
        gate=gate.name, title=gate.title, verdict=verdict, sentence=_sentence(gate, verdict, finding, why), metric=gate.metric,
        value=finding.value if finding else None, low=finding.low if finding else None, high=finding.high if finding else None,
        threshold=gate.threshold, direction=gate.direction, unit=gate.unit, sample_size=finding.sample_size if finding else 0,
        segment=finding.segment if finding else "all", mode=gate.mode, waivable=waivable, question=gate.question, source=gate.source,
    )


def _sentence(gate: Gate, verdict: Verdict, finding: Finding | None, why: str) -> str:
    """Finding, interval, threshold and n in one sentence; where nothing was measured, why, and what would be asked."""
    where = "" if finding is None or finding.segment == "all" else f" for {finding.segment}"
    unit = f" {gate.unit}" if gate.unit else ""
    asked = f"{'at least' if gate.direction == 'at_least' else 'at most'} {figure(gate.threshold)}{unit} needed"
    if gate.judge_by == "interval":
        asked += " from the whole interval"
    if finding is None or finding.value is None or finding.state is not State.OK:
        ask = "" if verdict is Verdict.PASS else f" ({asked})"
        return f"{gate.title}: {verdict.value.upper()}{where} — {why.rstrip('.')}{ask}."
    bounded = finding.low is not None and finding.high is not None
    span = f" ({figure(finding.low)} to {figure(finding.high)})" if bounded else ""
    said = f"{figure(finding.value)}{unit}{span}{where}, {asked}, n = {finding.sample_size:,}."
    return f"{gate.title}: {verdict.value.upper()} — {said} {why}".rstrip()


def figure(value: float | None) -> str:
    """Four significant digits, whole numbers with separators from 1,000 on, a dash for None: how figures are written for people."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e15 else f"{value:.4g}"
