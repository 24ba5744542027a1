"""The verdict on a staged candidate: smoke requests and an open-loop load test in, pass, fail or unknown out. Pure.

    identity   every reply named the version and the digest that were approved
    golden     the golden rows over HTTP had the answers that were recorded when the model was made
    rows       real rows over HTTP had the answers that the package itself gives
    latency    99th percentile at the declared rate, counted from the moment each request was due
    errors     share of requests at that rate that failed, were refused or timed out

A measure fails only when its value is over the limit and chance does not explain it (the favourable end of the 95 % interval is over it
too); a value over the limit that chance may explain is unknown. Unknown never promotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, lgamma, log
from typing import Any, Literal

from interlock.rules.analysis_bounds import wilson
from interlock.spec.staging import Staging

Verdict = Literal["pass", "fail", "unknown"]
Answer = Literal["pass", "fail", "unknown", "observed"]  # of one measure; observed: not asked for, it decides nothing
SAMPLES_MIN = 100   # a 99th percentile needs at least one answer above it
TOLERANCE = 1e-5    # float32 sums may differ in the last digits between processors; as in interlock.modeling.probe
TAIL = 0.025        # one side of a 95 % interval
PROBLEMS_TOLD = 3


@dataclass(frozen=True)
class Measure:
    """One measured thing. `low`, `high`: 95 % interval; None where the sample is too small for that end."""

    name: str
    verdict: Answer
    sentence: str
    value: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    sample_size: int = 0


@dataclass(frozen=True)
class Smoke:
    """What came back over HTTP. `problems` are sentences, one for each reply that was wrong; `skipped` says what was not asked."""

    asked: int = 0
    compared: int = 0
    worst: float = 0.0
    problems: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()   # replies that named another version or digest
    source: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Load:
    """One load test. `latencies_ms`: of the answered requests, from the moment each was due. `lag_ms`: how late the sender was (p99)."""

    rate_per_s: float
    seconds: float
    latencies_ms: tuple[float, ...] = ()
    errors: int = 0
    refusals: int = 0
    lag_ms: float = 0.0
    rows_per_request: int = 1
    reasons: tuple[str, ...] = ()

    @property
    def asked(self) -> int:
        return len(self.latencies_ms) + self.errors + self.refusals


@dataclass(frozen=True)
class StagingJudgement:
    """The verdict with everything that it rests on."""

    verdict: Verdict
    sentence: str
    measures: tuple[Measure, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Plain JSON values, for the release's analysis, the ledger and the screen. `stage` tells it from the judgement of a step."""
        return {"stage": "staging", "verdict": self.verdict, "sentence": self.sentence,
                "measures": [vars(measure) for measure in self.measures], "facts": self.facts}


def judge(measures: Sequence[Measure], facts: dict[str, Any]) -> StagingJudgement:
    """All measures together: one fail fails, one unknown leaves the whole unknown; nothing that passed is unknown as well."""
    for verdict in ("fail", "unknown"):
        found = [measure.sentence for measure in measures if measure.verdict == verdict]
        if found:
            lead = "staging stopped it" if verdict == "fail" else "staging has no verdict"
            return StagingJudgement(verdict, f"{lead}: {'; '.join(found)}", tuple(measures), facts)
    if not any(measure.verdict == "pass" for measure in measures):
        return StagingJudgement("unknown", "staging has no verdict: nothing was measured", tuple(measures), facts)
    return StagingJudgement("pass", "staged: " + "; ".join(measure.sentence for measure in measures), tuple(measures), facts)


def judge_smoke(golden: Smoke, rows: Smoke) -> list[Measure]:
    """Identity of every reply, golden rows, real rows. Golden rows or real rows must have been compared; else there is no verdict."""
    strangers = (*golden.strangers, *rows.strangers)
    asked = golden.asked + rows.asked
    found = [Measure("identity", "fail", _told("identity", strangers), sample_size=asked) if strangers else
             Measure("identity", "pass" if asked else "unknown", f"identity: {asked:,} replies, each from the approved bytes",
                     sample_size=asked)]
    for name, one in (("golden", golden), ("rows", rows)):
        if one.asked or one.problems:
            found.append(_compared(name, one))
        elif one.skipped:
            found.append(Measure(name, "observed", f"{name}: none, {one.skipped}"))
    if not strangers and golden.compared + rows.compared == 0 and not any(measure.verdict == "fail" for measure in found):
        found.append(Measure("answers", "unknown", "answers: not one row could be compared with what the package answers"))
    return found


def judge_load(limits: Staging, load: Load | None) -> list[Measure]:
    """Latency and errors at the declared rate; None: the use case asks for no load test."""
    if load is None:
        return [Measure("load", "observed", "load: none, the use case asks for none ([staging] load_seconds = 0)")]
    return [_latency(limits, load), _errors(limits, load)]


def percentile_interval(values: Sequence[float], share: float) -> tuple[float, float | None, float | None]:
    """The `share` quantile of the sorted values by nearest rank, and its 95 % interval from order statistics.

    The number of values above the true quantile is binomial, so two of the values themselves bound it whatever the distribution (David and
    Nagaraja 2003, "Order Statistics", 7.1). An end is None where the sample is too small to have one: the upper end of a 99th percentile
    needs 368 values. Raises `ValueError` for no values.
    """
    ordered, n = sorted(values), len(values)
    if n == 0:
        raise ValueError("a percentile of nothing")
    value = ordered[min(n - 1, max(0, -int(-share * n // 1) - 1))]
    low = high = None
    below = 0.0                        # P(A < k), where A values lie above the true quantile
    for k in range(n + 1):
        if 1 - below <= TAIL:          # P(A ≥ k) is small: the k-largest value lies below the quantile
            low = ordered[n - k]
            break
        below += _binomial(n, k, 1 - share)
        if below <= TAIL and k < n:    # P(A ≤ k) is small: the (k + 1)-largest value lies above it
            high = ordered[n - k - 1]
    return value, low, high


def _latency(limits: Staging, load: Load) -> Measure:
    limit, n = limits.load_p99_ms_max, len(load.latencies_ms)
    if n < SAMPLES_MIN:
        return Measure("latency", "unknown", f"latency: {n:,} answers, at least {SAMPLES_MIN} needed", threshold=limit, sample_size=n)
    value, low, high = percentile_interval(load.latencies_ms, 0.99)
    over, surely = value > limit, low is not None and low > limit
    verdict: Verdict = "pass" if not over else "fail" if surely else "unknown"
    interval = f"{'?' if low is None else f'{low:.1f}'} to {'?' if high is None else f'{high:.1f}'}"
    said = f"latency: p99 {value:.1f} ms ({interval}) at {load.rate_per_s:g} requests/s, at most {limit:g} ms allowed"
    if over and load.lag_ms > limit / 2:  # the sender had no processor itself: this says nothing about the model
        return Measure("latency", "unknown", f"{said}, but the sender itself was {load.lag_ms:.0f} ms late", value, limit, low, high, n)
    return Measure("latency", verdict, said if verdict != "unknown" else f"{said}; chance may explain it", value, limit, low, high, n)


def _errors(limits: Staging, load: Load) -> Measure:
    limit, n = limits.load_error_rate_max, load.asked
    failed = load.errors + load.refusals
    if n < SAMPLES_MIN:
        return Measure("errors", "unknown", f"errors: {n:,} requests, at least {SAMPLES_MIN} needed", threshold=limit, sample_size=n)
    rate = failed / n
    low, high = wilson(failed, n)
    verdict: Verdict = "pass" if rate <= limit else "fail" if low > limit else "unknown"
    why = f" ({'; '.join(load.reasons[:PROBLEMS_TOLD])})" if load.reasons else ""
    said = f"errors: {load.errors:,} failed and {load.refusals:,} refused of {n:,} requests, at most {limit:.2%} allowed{why}"
    return Measure("errors", verdict, said if verdict != "unknown" else f"{said}; chance may explain it", rate, limit, low, high, n)


def _compared(name: str, one: Smoke) -> Measure:
    if one.problems:
        return Measure(name, "fail", _told(name, one.problems), one.worst, TOLERANCE, sample_size=one.asked)
    source = f" ({one.source})" if one.source else ""
    if one.compared + len(one.strangers) < one.asked:
        return Measure(name, "unknown", f"{name}: only {one.compared:,} of {one.asked:,} rows{source} were answered", one.worst, TOLERANCE,
                       sample_size=one.asked)
    return Measure(name, "pass", f"{name}: {one.compared:,} of {one.asked:,} rows{source} answered as the package answers",
                   one.worst, TOLERANCE, sample_size=one.asked)


def _told(name: str, problems: Sequence[str]) -> str:
    more = f" and {len(problems) - PROBLEMS_TOLD} more" if len(problems) > PROBLEMS_TOLD else ""
    return f"{name}: {'; '.join(problems[:PROBLEMS_TOLD])}{more}"


def _binomial(n: int, k: int, share: float) -> float:
    """P(exactly k of n), each with chance `share`."""
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(share) + (n - k) * log(1 - share))
