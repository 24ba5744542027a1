"""The analysis of a canary step: both arms over the same period in, one verdict out. Pure.

    errors    share of failed candidate answers
    refusals  candidate's share of refused requests minus the champion's
    latency   candidate's 99th percentile over the champion's
    scores    population stability index between the arms' scores

A step passes only when it baked long enough, answered enough requests and every measure is known and in bounds. It fails as soon as a
breach is certain: before the end of the step the unfavourable luck is taken out (95 % Wilson and Newcombe bounds).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log, sqrt
from typing import Any

from interlock.spec.rollout import CanaryStep, Rollout

Z95 = 1.959964
LATENCY_FLOOR_MS = 25.0   # a ratio between times this short says more about the machine than about the model
CHAMPION_MIN = 30         # answers of the champion that a comparison needs at most
BINS = 10


class StepVerdict(StrEnum):
    """What to do with the step."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"   # wait: it still bakes, or too few answers to judge
    NO_TRAFFIC = "no_traffic"       # wait: the candidate was not asked at all


@dataclass(frozen=True)
class ArmStats:
    """One arm of the endpoint since the step began. `histogram`: counts of scores in bins that both arms share."""

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    latency_p99_ms: float | None = None
    histogram: tuple[int, ...] = ()


@dataclass(frozen=True)
class Measure:
    """One measured comparison; `verdict` is "pass", "fail" or "unknown"."""

    name: str
    value: float | None
    threshold: float
    verdict: str
    sentence: str


@dataclass(frozen=True)
class StepJudgement:
    """The verdict with everything that it rests on."""

    verdict: StepVerdict
    sentence: str
    measures: tuple[Measure, ...]
    champion: ArmStats
    candidate: ArmStats
    elapsed_s: float

    def plain(self) -> dict[str, Any]:
        """Plain JSON values, for the release's analysis, the ledger and the screen."""
        return {"verdict": self.verdict.value, "sentence": self.sentence, "elapsed_s": round(self.elapsed_s, 3),
                "measures": [vars(measure) for measure in self.measures],
                "arms": {"champion": _plain_arm(self.champion), "candidate": _plain_arm(self.candidate)}}


def judge_step(rollout: Rollout, step: CanaryStep, champion: ArmStats, candidate: ArmStats, elapsed_s: float) -> StepJudgement:
    """Judge one canary step after `elapsed_s` seconds of it."""
    needed = max(1, step.requests_min)
    enough = candidate.requests >= needed
    over = enough and elapsed_s >= step.bake_s
    measures = (_errors(rollout, candidate, over), _refusals(rollout, champion, candidate, over),
                _latency(rollout, champion, candidate, needed), _scores(rollout, champion, candidate, needed))
    verdict, sentence = _verdict(measures, candidate, needed, over, max(0.0, step.bake_s - elapsed_s))
    return StepJudgement(verdict, sentence, measures, champion, candidate, elapsed_s)


def judge_errors(rollout: Rollout, arm: ArmStats) -> str:
    """What breaches in the only arm of an endpoint on probation, in words; empty: nothing that is certain."""
    measure = _errors(rollout, arm, over=False)
    return measure.sentence if measure.verdict == "fail" else ""


def _verdict(measures: tuple[Measure, ...], candidate: ArmStats, needed: int, over: bool, left_s: float) -> tuple[StepVerdict, str]:
    broken = [measure.sentence for measure in measures if measure.verdict == "fail"]
    if broken:
        return StepVerdict.FAIL, "; ".join(broken)
    if candidate.requests == 0:
        return StepVerdict.NO_TRAFFIC, "the candidate has answered no request yet"
    if not over:
        return StepVerdict.INCONCLUSIVE, f"{candidate.requests:,} of {needed:,} answers needed, {left_s:,.0f} s left to bake"
    unknown = [measure.sentence for measure in measures if measure.verdict == "unknown"]
    if unknown:
        return StepVerdict.INCONCLUSIVE, "; ".join(unknown)
    return StepVerdict.PASS, f"errors, refusals, latency and scores are in bounds over {candidate.requests:,} answers"


def _errors(rollout: Rollout, arm: ArmStats, over: bool) -> Measure:
    limit = rollout.error_rate_max
    if arm.requests == 0:
        return Measure("errors", None, limit, "unknown", "errors: no answers")
    rate = arm.errors / arm.requests
    low, _ = wilson(arm.errors, arm.requests)
    verdict = "fail" if (rate > limit if over else low > limit) else "pass"
    return Measure("errors", rate, limit, verdict, f"errors: {rate:.2%} of {arm.requests:,} answers, at most {limit:.2%} allowed")


def _refusals(rollout: Rollout, champion: ArmStats, candidate: ArmStats, over: bool) -> Measure:
    limit = rollout.refusal_rate_difference_max
    asked, asked_champion = candidate.requests + candidate.refusals, champion.requests + champion.refusals
    if asked == 0 or asked_champion == 0:
        return Measure("refusals", None, limit, "unknown", "refusals: one arm was not asked")
    share, own = candidate.refusals / asked, champion.refusals / asked_champion
    low_candidate, _ = wilson(candidate.refusals, asked)
    _, high_champion = wilson(champion.refusals, asked_champion)
    certain = (share - own) - sqrt((share - low_candidate) ** 2 + (high_champion - own) ** 2)  # Newcombe 1998, method 10
    verdict = "fail" if (share - own > limit if over else certain > limit) else "pass"
    return Measure("refusals", share - own, limit, verdict,
                   f"refusals: {share:.2%} against the champion's {own:.2%}, at most {limit:.2%} more allowed")


def _latency(rollout: Rollout, champion: ArmStats, candidate: ArmStats, needed: int) -> Measure:
    limit = rollout.latency_p99_ratio_max
    few = candidate.requests < needed or champion.requests < min(needed, CHAMPION_MIN)
    if few or candidate.latency_p99_ms is None or not champion.latency_p99_ms:
        return Measure("latency", None, limit, "unknown", "latency: too few answers of both arms to compare")
    ratio = candidate.latency_p99_ms / champion.latency_p99_ms
    verdict = "fail" if ratio > limit and candidate.latency_p99_ms > LATENCY_FLOOR_MS else "pass"
    return Measure("latency", ratio, limit, verdict, f"latency: p99 {candidate.latency_p99_ms:.1f} ms against the champion's "
                   f"{champion.latency_p99_ms:.1f} ms, at most {limit:g} times allowed (never below {LATENCY_FLOOR_MS:g} ms)")


def _scores(rollout: Rollout, champion: ArmStats, candidate: ArmStats, needed: int) -> Measure:
    limit = rollout.score_shift_max
    few = sum(candidate.histogram) < needed or sum(champion.histogram) < min(needed, CHAMPION_MIN)
    if few or len(champion.histogram) != len(candidate.histogram):
        return Measure("scores", None, limit, "unknown", "scores: too few answers of both arms to compare")
    shift, chance = score_psi(champion.histogram, candidate.histogram)
    verdict = "fail" if shift - chance > limit else "pass"
    return Measure("scores", shift, limit, verdict,
                   f"scores: PSI {shift:.3f} between the arms ({chance:.3f} of it expected by chance), at most {limit:g} allowed")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share; (0, 1) where n is 0. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def score_psi(champion: tuple[int, ...], candidate: tuple[int, ...]) -> tuple[float, float]:
    """Population stability index and the part of it that chance alone makes.

    PSI = Σ (q − p) ln(q / p) over at most 10 bins, joined from the given ones so that each holds about a tenth of both arms together;
    half a count is added to each bin. 0: the same; both counts must be above 0. By chance: (bins − 1)(1/n + 1/m), the mean of PSI
    where nothing shifted (Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14:4).
    """
    joined = _join(champion, candidate)
    n, m = sum(p for p, _ in joined), sum(q for _, q in joined)
    total = 0.0
    for p, q in joined:
        share_p, share_q = (p + 0.5) / (n + 0.5 * len(joined)), (q + 0.5) / (m + 0.5 * len(joined))
        total += (share_q - share_p) * log(share_q / share_p)
    return total, (len(joined) - 1) * (1 / n + 1 / m)


def _join(champion: tuple[int, ...], candidate: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring bins joined until each holds a tenth of the whole; a rest goes to the last."""
    whole = (sum(champion) + sum(candidate)) / BINS
    joined: list[tuple[int, int]] = []
    p = q = 0
    for left, right in zip(champion, candidate, strict=True):
        p, q = p + left, q + right
        if p + q >= whole:
            joined.append((p, q))
            p = q = 0
    if p + q and joined:
        joined[-1] = (joined[-1][0] + p, joined[-1][1] + q)
    return joined or [(p, q)]


def _plain_arm(arm: ArmStats) -> dict[str, Any]:
    return {"requests": arm.requests, "errors": arm.errors, "refusals": arm.refusals, "latency_p99_ms": arm.latency_p99_ms,
            "histogram": list(arm.histogram)}
