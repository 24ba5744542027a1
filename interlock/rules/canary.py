"""The analysis of a step of a release: all arms over the same period in, one verdict out. Pure.

A step passes only when it lasted long enough, answered enough requests and every judged measure is known and in bounds. It fails as
soon as a breach is certain. In between it waits; where it has all it asked for and still does not decide, it is inconclusive: that
never promotes. No traffic is a verdict of its own: silence is not health.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from interlock.rules import analysis_measures as measure_of
from interlock.rules.arms import ArmStats, Measure, Outcomes
from interlock.rules.sequential import AbCounts, AbResult, AbState, judge_ab
from interlock.rules.strategies import Step, StepKind
from interlock.spec.rollout import Rollout


class StepVerdict(StrEnum):
    """What to do with the step."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    WAITING = "waiting"             # it still lasts, or needs more answers, labels or looks of the A/B test
    INCONCLUSIVE = "inconclusive"   # it has what it asked for, and a measure does not decide: for a person, never a promotion
    NO_TRAFFIC = "no_traffic"       # the candidate was not asked at all


@dataclass(frozen=True)
class StepJudgement:
    """The verdict with everything that it rests on. `final`: waiting longer cannot decide it (an A/B test that ended for futility)."""

    verdict: StepVerdict
    sentence: str
    measures: tuple[Measure, ...]
    champion: ArmStats
    candidate: ArmStats
    elapsed_s: float
    step: Step
    ab: AbResult | None = None
    final: bool = False

    def plain(self) -> dict[str, Any]:
        """Plain JSON values, for the release's analysis, the ledger and the screen."""
        body = {"verdict": self.verdict.value, "sentence": self.sentence, "elapsed_s": round(self.elapsed_s, 3),
                "kind": self.step.kind.value, "percent": self.step.percent, "bake_s": self.step.bake_s,
                "requests_min": self.step.requests_min, "measures": [vars(measure) for measure in self.measures],
                "arms": {"champion": self.champion.plain(), "candidate": self.candidate.plain()}}
        return body if self.ab is None else body | {"ab": {"state": self.ab.state.value, "difference": self.ab.difference,
                                                           "low": self.ab.low, "high": self.ab.high, **vars(self.ab.counts)}}

    def pauses(self, rollout: Rollout) -> bool:
        """Whether it is time to hand the step to a person."""
        if self.verdict is StepVerdict.INCONCLUSIVE and (self.final or self.elapsed_s >= self.step.bake_s + rollout.inconclusive_s):
            return True
        return self.verdict is not StepVerdict.PASS and self.elapsed_s > rollout.wait_max_s


def judge_step(rollout: Rollout, step: Step, champion: ArmStats, candidate: ArmStats, elapsed_s: float, *,
               outcomes: Outcomes | None = None, ab: AbCounts | None = None) -> StepJudgement:
    """Judge one step after `elapsed_s` seconds of it, on what both arms did since it began.

    In the shadow `candidate` is what it would have answered, and `champion` what was answered to the same requests. `outcomes`: labels
    that came in for this step's answers. `ab`: the test's counts; without them an A/B step waits.
    """
    needed = max(1, step.requests_min)
    over = candidate.requests >= needed and elapsed_s >= step.bake_s
    if step.kind is StepKind.PREVIEW:
        return _preview(rollout, step, champion, candidate, elapsed_s)
    found = [measure_of.errors(rollout, candidate, champion, over=over), measure_of.refusals(rollout, champion, candidate, over=over),
             measure_of.latency(rollout, champion, candidate, needed), measure_of.scores(rollout, champion, candidate, needed),
             measure_of.flips(rollout, candidate) if step.kind is StepKind.SHADOW
             else measure_of.decisions(rollout, champion, candidate, needed),
             measure_of.abstentions(champion, candidate), measure_of.labels(rollout, outcomes) if over else None]
    measures = tuple(measure for measure in found if measure is not None)
    tested = None if step.kind is not StepKind.AB or ab is None else judge_ab(
        ab, better=rollout.ab.better, effect_min=rollout.ab.effect_min, samples_max=rollout.ab.samples_max, alpha=rollout.ab.alpha)
    verdict, sentence = _verdict(measures, candidate, needed, over, max(0.0, step.bake_s - elapsed_s))
    if step.kind is StepKind.AB:
        verdict, sentence = _tested(verdict, sentence, tested)
    final = verdict is StepVerdict.INCONCLUSIVE and tested is not None and tested.state is AbState.FUTILITY
    return StepJudgement(verdict, sentence, measures, champion, candidate, elapsed_s, step, tested, final)


def judge_errors(rollout: Rollout, arm: ArmStats) -> str:
    """What breaches in the only arm of an endpoint on probation, in words; empty: nothing that is certain."""
    measure = measure_of.errors(rollout, arm, None, over=False)
    return measure.sentence if measure.verdict == "fail" else ""


def _verdict(measures: tuple[Measure, ...], candidate: ArmStats, needed: int, over: bool, left_s: float) -> tuple[StepVerdict, str]:
    broken = [measure.sentence for measure in measures if measure.verdict == "fail"]
    if broken:
        return StepVerdict.FAIL, "; ".join(broken)
    if candidate.requests == 0:
        said = f", {candidate.refusals:,} were refused" if candidate.refusals else ""
        return StepVerdict.NO_TRAFFIC, f"no traffic: the candidate has answered no request{said}"
    if not over:
        return StepVerdict.WAITING, f"{candidate.requests:,} answers of at least {needed:,}, {left_s:,.0f} s left to bake"
    unknown = [measure for measure in measures if measure.verdict == "unknown"]
    if unknown:
        waits = all(measure.name == "labels" and measure.value is None for measure in unknown)
        return StepVerdict.WAITING if waits else StepVerdict.INCONCLUSIVE, "; ".join(measure.sentence for measure in unknown)
    judged = [measure.name for measure in measures if measure.verdict == "pass"]
    return StepVerdict.PASS, f"{', '.join(judged[:-1])} and {judged[-1]} are in bounds over {candidate.requests:,} answers"


def _preview(rollout: Rollout, step: Step, champion: ArmStats, candidate: ArmStats, elapsed_s: float) -> StepJudgement:
    """Only certain errors of those who asked for the version can fail a preview; nobody has to ask."""
    errors = measure_of.errors(rollout, candidate, None, over=False)
    asked = f"{candidate.requests:,} requests asked for the version by its address"
    if errors.verdict == "fail":
        verdict, sentence = StepVerdict.FAIL, errors.sentence
    elif elapsed_s < step.bake_s:
        verdict, sentence = StepVerdict.WAITING, f"{asked}, {step.bake_s - elapsed_s:,.0f} s of the preview are left"
    else:
        verdict, sentence = StepVerdict.PASS, f"the preview is over: {asked}"
    return StepJudgement(verdict, sentence, (errors,) if candidate.requests else (), champion, candidate, elapsed_s, step)


def _tested(verdict: StepVerdict, sentence: str, tested: AbResult | None) -> tuple[StepVerdict, str]:
    """The A/B test on top of the measures: it alone can end the step well, never against a measure."""
    if tested is None:
        return (StepVerdict.WAITING, "the A/B test has no counts yet") if verdict is StepVerdict.PASS else (verdict, sentence)
    said = _ab_words(tested)
    if verdict is StepVerdict.FAIL or tested.state is AbState.HARM:
        return StepVerdict.FAIL, sentence if verdict is StepVerdict.FAIL else said
    if verdict is not StepVerdict.PASS:
        return verdict, f"{sentence}; {said}"
    states = {AbState.BENEFIT: StepVerdict.PASS, AbState.FUTILITY: StepVerdict.INCONCLUSIVE, AbState.GOES_ON: StepVerdict.WAITING}
    return states[tested.state], said


def _ab_words(tested: AbResult) -> str:
    word = {AbState.BENEFIT: "the candidate is better", AbState.HARM: "the candidate is worse", AbState.GOES_ON: "goes on",
            AbState.FUTILITY: "stopped for futility: no difference that matters was found"}[tested.state]
    counts = tested.counts
    return (f"A/B test: {word}; {counts.hits:,} of {counts.n:,} against {counts.hits_champion:,} of {counts.n_champion:,}, difference "
            f"between {tested.low:+.2%} and {tested.high:+.2%} at every look")
