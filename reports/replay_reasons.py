"""Why decisions flip, and what that is worth: differences of SHAP contributions, and money per decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding
from reports.intervals import NORMAL_95

Floats = NDArray[np.float64]
REASONS_MAX = 10


def flip_reasons(champion: Floats, champion_names: Sequence[str], candidate: Floats, candidate_names: Sequence[str], towards: Floats
                 ) -> list[dict[str, Any]]:
    """Features behind the flips, the strongest first, at most ten: [{"feature", "push", "size", "share"}].

    `champion` (n, f + 1), `candidate` (n, g + 1): contributions of n flipped requests in units of the margin, bias last; `towards` (n,):
    +1 where the candidate says yes (or more), -1 where it says no (or less). For each feature of both (absent: 0) the difference
    candidate - champion per request; push = mean of difference x towards, above 0 = it drives the flips; size = mean absolute
    difference; share = push / sum of positive pushes, range [0, 1]. The bias counts as "starting point". No flip: empty. The
    candidate's and the champion's contributions add up to their margins, so the pushes add up to the mean difference of the margins.
    """
    if champion.shape != (towards.size, len(champion_names) + 1) or candidate.shape != (towards.size, len(candidate_names) + 1):
        raise DataError("contributions and names do not fit together", value=f"{champion.shape}, {candidate.shape}, {towards.size} flips")
    if not towards.size:
        return []
    before = dict(zip((*champion_names, "starting point"), champion.T, strict=True))
    after = dict(zip((*candidate_names, "starting point"), candidate.T, strict=True))
    nothing = np.zeros(towards.size)
    differences = {name: after.get(name, nothing) - before.get(name, nothing) for name in dict.fromkeys((*before, *after))}
    pushes = {name: float((difference * towards).mean()) for name, difference in differences.items()}
    total = sum(push for push in pushes.values() if push > 0)
    ordered = sorted(pushes.items(), key=lambda item: (-item[1], item[0]))[:REASONS_MAX]
    return [{"feature": name, "push": push, "size": float(np.abs(differences[name]).mean()), "share": push / total if total > 0 else 0.0}
            for name, push in ordered if push > 0]


def money_finding(champion: Floats, candidate: Floats, champion_p: Floats, candidate_p: Floats, amounts: Mapping[str, float],
                  currency: str, scale: Floats | None = None) -> Finding:
    """`replay.money_change`: what the candidate's decisions are worth beyond the champion's on n requests, in `currency`, in all.

    `champion`, `candidate` (n,) 0/1; `*_p` (n,) P(1) as each model says; `amounts`: true_positive … per case; `scale` (n,) multiplies a
    row's amounts, missing = 0 (the row counts nothing). Outcomes are not known yet, so a decision is worth its expected value under
    the candidate's own probabilities; `detail` has the same under the champion's, and what is at stake on the flipped requests (sum of
    |worth of yes - worth of no|). 95 % interval: normal, over requests. A model that flatters itself flatters this figure:
    where the two beliefs disagree in sign, the note says so.
    """
    weight = np.ones(champion.size) if scale is None else np.nan_to_num(scale, nan=0.0)
    yes_is = {"candidate": _worth(candidate_p, amounts) * weight, "champion": _worth(champion_p, amounts) * weight}
    changes = {belief: (candidate - champion) * gain for belief, gain in yes_is.items()}
    own = changes["candidate"]
    total, half = float(own.sum()), NORMAL_95 * float(own.std(ddof=1)) * own.size**0.5 if own.size > 1 else float("nan")
    other, stake = float(changes["champion"].sum()), float(np.abs(yes_is["candidate"][champion != candidate]).sum())
    doubt = " The two models' probabilities disagree on whether that is a gain." if total * other < 0 else ""
    return Finding(metric="replay.money_change", value=total, low=total - half if half == half else None,
                   high=total + half if half == half else None, confidence=0.95, sample_size=int(own.size), unit=currency,
                   detail={"by_candidate": total, "by_champion": other, "at_stake": stake},
                   note=f"Expected over {own.size:,} requests: {total:+,.0f} {currency} by the candidate's probabilities, {other:+,.0f} by "
                        f"the champion's; {stake:,.0f} at stake on the decisions that differ.{doubt}")


def _worth(p: Floats, amounts: Mapping[str, float]) -> Floats:
    """Expected worth of a yes beyond a no for each request."""
    yes = p * amounts["true_positive"] + (1 - p) * amounts["false_positive"]
    no = p * amounts["false_negative"] + (1 - p) * amounts["true_negative"]
    return np.asarray(yes - no)
