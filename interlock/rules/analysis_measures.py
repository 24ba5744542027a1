"""The measures of a step: the candidate against what the champion did in the same period. Pure.

    errors       share of failed answers; where both arms fail alike it is not the candidate's doing, and does not decide
    refusals     candidate's share of refused requests minus the champion's (Newcombe interval)
    latency      candidate's 99th percentile over the champion's (bootstrap interval)
    scores       population stability index between the arms' scores
    decisions    largest distance between the arms' shares of one decision (Newcombe interval)
    flips        shadow: share of mirrored requests with another decision than the champion's (Wilson interval)
    abstentions  candidate's share of abstentions minus the champion's; shown, not judged
    labels       loss on labelled answers over the champion's, where labels mature in time
"""

from __future__ import annotations

from interlock.rules.analysis_bounds import Z95, latency_at, latency_ratio, newcombe, score_psi, wilson
from interlock.rules.arms import ArmStats, Measure, Outcomes
from interlock.spec.rollout import Rollout

LATENCY_FLOOR_MS = 25.0   # a ratio between times this short says more about the machine than about the model
CHAMPION_MIN = 30         # answers of the champion that a comparison needs at most
LABELS_ENOUGH = 100       # labels of each arm from which they are judged where none are waited for


def errors(rollout: Rollout, arm: ArmStats, champion: ArmStats | None, *, over: bool) -> Measure:
    """Before the end of the step the unfavourable luck is taken out: the Wilson bound must breach."""
    limit, other = rollout.error_rate_max, champion.requests if champion else 0
    if arm.requests == 0:
        return Measure("errors", None, limit, "unknown", "errors: no answers")
    rate = arm.errors / arm.requests
    low, high = wilson(arm.errors, arm.requests)
    verdict = "fail" if (rate > limit if over else low > limit) else "pass"
    sentence = f"errors: {rate:.2%} of {arm.requests:,} answers, at most {limit:.2%} allowed"
    alike = champion is not None and other and champion.errors / other > limit and newcombe(
        arm.errors, arm.requests, champion.errors, other)[0] <= 0
    if verdict == "fail" and alike and champion is not None:
        verdict, sentence = "unknown", f"{sentence}; the champion fails alike ({champion.errors / other:.2%})"
    return Measure("errors", rate, limit, verdict, sentence, low, high, arm.requests, other)


def refusals(rollout: Rollout, champion: ArmStats, candidate: ArmStats, *, over: bool) -> Measure:
    """Judged like errors: only what is certain before the end of the step."""
    limit = rollout.refusal_rate_difference_max
    asked, asked_champion = candidate.requests + candidate.refusals, champion.requests + champion.refusals
    if asked == 0 or asked_champion == 0:
        return Measure("refusals", None, limit, "unknown", "refusals: one arm was not asked")
    share, own = candidate.refusals / asked, champion.refusals / asked_champion
    low, high = newcombe(candidate.refusals, asked, champion.refusals, asked_champion)
    verdict = "fail" if (share - own > limit if over else low > limit) else "pass"
    return Measure("refusals", share - own, limit, verdict, f"refusals: {share:.2%} against the champion's {own:.2%}, at most "
                   f"{limit:.2%} more allowed", low, high, asked, asked_champion)


def latency(rollout: Rollout, champion: ArmStats, candidate: ArmStats, needed: int) -> Measure:
    """The interval decides: all of it within the limit passes, all of it beyond fails. Short times pass (`LATENCY_FLOOR_MS`)."""
    limit, n, other = rollout.latency_p99_ratio_max, sum(candidate.latency), sum(champion.latency)
    few = n < needed or other < min(needed, CHAMPION_MIN)
    found = None if few else latency_ratio(candidate.latency, champion.latency, 0.99)
    ours, its = latency_at(candidate.latency, 0.99), latency_at(champion.latency, 0.99)
    if found is None or ours is None or its is None:
        return Measure("latency", None, limit, "unknown", "latency: too few answers of both arms to compare", n=n, n_champion=other)
    ratio, low, high = found
    verdict = "pass" if high <= limit or ours <= LATENCY_FLOOR_MS else "fail" if low > limit else "unknown"
    return Measure("latency", ratio, limit, verdict, f"latency: p99 {ours:.1f} ms against the champion's {its:.1f} ms, {ratio:.2f} times "
                   f"(95 % interval {low:.2f} to {high:.2f}), at most {limit:g} times allowed (never below {LATENCY_FLOOR_MS:g} ms)",
                   low, high, n, other)


def scores(rollout: Rollout, champion: ArmStats, candidate: ArmStats, needed: int) -> Measure:
    """Beyond the limit even without the part that chance makes."""
    limit, n, other = rollout.score_shift_max, sum(candidate.histogram), sum(champion.histogram)
    if n < needed or other < min(needed, CHAMPION_MIN) or len(champion.histogram) != len(candidate.histogram):
        return Measure("scores", None, limit, "unknown", "scores: too few answers of both arms to compare", n=n, n_champion=other)
    shift, chance = score_psi(champion.histogram, candidate.histogram)
    verdict = "fail" if shift - chance > limit else "pass"
    return Measure("scores", shift, limit, verdict, f"scores: PSI {shift:.3f} between the arms ({chance:.3f} of it expected by chance), "
                   f"at most {limit:g} allowed", n=n, n_champion=other)


def decisions(rollout: Rollout, champion: ArmStats, candidate: ArmStats, needed: int) -> Measure | None:
    """None for a regression, which decides nothing."""
    ours, its, limit = dict(candidate.predictions), dict(champion.predictions), rollout.decision_rate_difference_max
    n, other = sum(ours.values()), sum(its.values())
    if n < needed or other < min(needed, CHAMPION_MIN):
        return None if limit is None or not (ours or its) else Measure(
            "decisions", None, limit, "unknown", "decisions: too few answers of both arms to compare", n=n, n_champion=other)
    name = max(sorted(ours | its), key=lambda label: abs(ours.get(label, 0) / n - its.get(label, 0) / other))
    share, own = ours.get(name, 0) / n, its.get(name, 0) / other
    low, high = newcombe(ours.get(name, 0), n, its.get(name, 0), other)
    return Measure("decisions", share - own, limit, _within(low, high, limit), f"decisions: {share:.2%} '{name}' against the champion's "
                   f"{own:.2%} (95 % interval of the difference {low:+.2%} to {high:+.2%}){_allowed(limit)}", low, high, n, other)


def flips(rollout: Rollout, candidate: ArmStats) -> Measure | None:
    """None where no decision was compared (a regression)."""
    limit, n = rollout.flip_rate_max, candidate.compared
    if n == 0:
        return None if limit is None else Measure("flips", None, limit, "unknown", "decision flips: no mirrored request was compared")
    low, high = wilson(candidate.flips, n)
    return Measure("flips", candidate.flips / n, limit, _within(low, high, limit), f"decision flips: {candidate.flips:,} of {n:,} mirrored "
                   f"requests ({candidate.flips / n:.2%}, 95 % interval {low:.2%} to {high:.2%}){_allowed(limit)}", low, high, n, n)


def abstentions(champion: ArmStats, candidate: ArmStats) -> Measure | None:
    """None where neither arm abstained."""
    if not candidate.requests or not champion.requests or not candidate.abstentions + champion.abstentions:
        return None
    n, other = max(candidate.requests, candidate.abstentions), max(champion.requests, champion.abstentions)
    share, own = candidate.abstentions / n, champion.abstentions / other
    low, high = newcombe(candidate.abstentions, n, champion.abstentions, other)
    return Measure("abstentions", share - own, None, "observed", f"abstentions: {share:.2%} against the champion's {own:.2%}", low, high,
                   n, other)


def labels(rollout: Rollout, found: Outcomes | None) -> Measure | None:
    """Only a rise that is certain fails. Too few, or an interval on both sides of the limit, hold a step up only where `labels_min`
    asks for labels. None where there are none and none are asked for."""
    limit, needed = rollout.label_loss_increase_max, rollout.labels_min or LABELS_ENOUGH
    waits = "unknown" if rollout.labels_min else "observed"
    n, other = (found.n, found.n_champion) if found is not None else (0, 0)
    if found is None or min(n, other) < needed:
        if not rollout.labels_min and not n + other:
            return None
        return Measure("labels", None, limit, waits, f"labels: {n:,} of the candidate's and {other:,} of the champion's answers have one, "
                       f"{needed:,} of each needed", n=n, n_champion=other)
    base = found.mean_champion or 1.0
    rise, half = found.difference / base, Z95 * found.se / base
    low, high = rise - half, rise + half
    verdict = "fail" if low > limit else "pass" if high <= limit else waits
    kind = "the same requests" if found.paired else "each arm's own"
    sentence = (f"labels: {found.loss} {found.mean:.4f} against the champion's {found.mean_champion:.4f} on {n:,} labelled answers "
                f"({kind}), a rise of {rise:+.1%} (95 % interval {low:+.1%} to {high:+.1%}), at most {limit:.0%} allowed")
    return Measure("labels", rise, limit, verdict, sentence, low, high, n, other)


def _within(low: float, high: float, limit: float | None) -> str:
    if limit is None:
        return "observed"
    if low > limit or high < -limit:
        return "fail"
    return "pass" if -limit <= low and high <= limit else "unknown"


def _allowed(limit: float | None) -> str:
    return "" if limit is None else f", at most {limit:.2%} allowed"
