"""The three verdicts about what is live: operational (minutes), estimated without labels (hours), on real labels (days). Pure.

Each is pass, fail or open, with the number of answers it rests on. Open is neither: too few answers, no window yet, labels still missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from interlock.rules.arms import ArmStats
from interlock.rules.canary import judge_errors
from interlock.rules.findings import Finding, State
from interlock.spec.operation import Monitoring
from interlock.spec.probation import Part
from interlock.spec.rollout import Rollout

METRICS: dict[Part, str] = {"estimated": "performance.estimated_drop", "labels": "performance.drop"}
WHAT: dict[Part, str] = {"operational": "errors", "estimated": "estimated fall of the primary metric, before labels",
                         "labels": "fall of the primary metric on real outcomes"}


@dataclass(frozen=True)
class Seen:
    """A monitored window of the live version, as it is on record."""

    start: datetime
    end: datetime
    findings: tuple[Finding, ...]
    breached: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartVerdict:
    """One verdict. `n`: answers (labels: outcomes) it rests on; `windows`: how many windows of them."""

    part: Part
    verdict: Literal["pass", "fail", "open"]
    n: int
    sentence: str
    windows: int = 0

    def plain(self, at: datetime, since: datetime) -> dict[str, Any]:
        """Plain JSON values for the release's analysis."""
        return {"probation": self.part, "verdict": self.verdict, "n": self.n, "windows": self.windows, "sentence": self.sentence,
                "at": at.isoformat(), "since": since.isoformat()}


def operational(rollout: Rollout, arm: ArmStats, elapsed_s: float, unproven: str) -> PartVerdict:
    """Errors of the only arm: a fail as soon as the breach is certain, a pass after `probation_s` where the endpoint is proven to have
    answered with it (`unproven` says what is missing)."""
    if broken := judge_errors(rollout, arm):
        return PartVerdict("operational", "fail", arm.requests, broken)
    left = rollout.probation_s - elapsed_s
    if left > 0:
        return PartVerdict("operational", "open", arm.requests, f"no breach so far, {left:,.0f} s left")
    if unproven:
        return PartVerdict("operational", "open", arm.requests, unproven)
    return PartVerdict("operational", "pass", arm.requests, f"no breach within {rollout.probation_s:g} s on probation")


def from_windows(part: Part, windows: Sequence[Seen], limits: Monitoring, needed: int) -> PartVerdict:
    """The estimated or the labels verdict from the windows since it went live, oldest first.

    A window fails where the fall is over `performance_drop_max` and its 95 % interval excludes no change, passes where the fall is within
    the limit, and is open between the two or without a finding that counts. The newest window that says anything decides a fail; a pass
    needs `needed` windows that passed. An estimate that real outcomes have replaced (STALE) may still pass, but fails nothing: the labels
    do.
    """
    judged = [(window, finding, _says(finding, limits)) for window in windows for finding in window.findings
              if finding.metric == METRICS[part] and finding.segment == "all" and finding.state in {State.OK, State.STALE}
              and finding.value is not None]
    n = sum(finding.sample_size for _, finding, _ in judged)
    passed = sum(said == "pass" for _, _, said in judged)
    if not judged:
        why = _why_nothing(part, windows)
        return PartVerdict(part, "open", n, f"{WHAT[part]}: {why}")
    _, newest, said = judged[-1]
    sentence = (f"{WHAT[part]}: {newest.value:.3g} in the newest window that tells, at most {limits.performance_drop_max:g} allowed; "
                f"{passed} of {len(judged)} windows passed")
    if said == "fail":
        return PartVerdict(part, "fail", n, sentence, len(judged))
    if said == "pass" and passed >= needed:
        return PartVerdict(part, "pass", n, sentence, len(judged))
    missing = f"; {needed} needed" if passed < needed else "; the interval of the newest holds no change"
    return PartVerdict(part, "open", n, sentence + missing, len(judged))


def breach_of(windows: Sequence[Seen], wanted: Iterable[str], *, breaches: int, of: int) -> str:
    """Which of the wanted limits monitored windows broke so that a rollback is due, in words; empty: none.

    Due where the newest window breached and at least `breaches` of the last `of` did (as for a retraining). "fairness" stands for every
    metric under it.
    """
    names = tuple(wanted)
    broken = [[metric for metric in window.breached if metric in names or (metric.startswith("fairness") and "fairness" in names)]
              for window in windows[-of:]]
    if not broken or not broken[-1] or sum(bool(metrics) for metrics in broken) < breaches:
        return ""
    metrics = sorted({metric for one in broken for metric in one})
    return f"{', '.join(metrics)} beyond the limit in {sum(bool(one) for one in broken)} of the last {len(broken)} monitored windows"


def guard_objection(automatic: Sequence[datetime], now: datetime, rollout: Rollout, *, target_taken_off: datetime | None,
                    from_windows: bool) -> str:
    """Why another automatic rollback must not happen now, in words; empty: it may. `automatic`: moments of the earlier ones."""
    period = timedelta(seconds=rollout.rollbacks_period_s)
    recent = sum(moment > now - period for moment in automatic)
    if recent >= rollout.rollbacks_max:
        return f"{recent} automatic rollbacks within {rollout.rollbacks_period_s:g} s, at most {rollout.rollbacks_max} are allowed"
    cooldown = timedelta(seconds=rollout.rollback_cooldown_s)
    if target_taken_off is not None and target_taken_off > now - cooldown:
        return f"the way back was itself taken off automatically within {rollout.rollback_cooldown_s:g} s"
    if from_windows and any(moment > now - cooldown for moment in automatic):
        return f"the last automatic rollback was within {rollout.rollback_cooldown_s:g} s"
    return ""


def _says(finding: Finding, limits: Monitoring) -> Literal["pass", "fail", "open"]:
    if finding.value is None or finding.value <= limits.performance_drop_max:
        return "open" if finding.value is None else "pass"
    certain = finding.state is State.OK and finding.low is not None and finding.low > 0
    return "fail" if certain else "open"


def _why_nothing(part: Part, windows: Sequence[Seen]) -> str:
    if not windows:
        return "no monitored window since it went live"
    notes = [finding.note for finding in windows[-1].findings if finding.metric == METRICS[part] and finding.note]
    return notes[0] if notes else "not measured in its windows"
