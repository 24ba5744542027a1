"""The way to one answer on the scale people know: probabilities beside margins.

Shapley values add up in margin (log odds for a yes-or-no answer). A probability is the logistic function of the margin, which is not
additive: what a step adds there depends on the steps before it, and is shown in the order of the waterfall. NumPy-free, so that the
prediction server and pages may use it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Steps = list[dict[str, Any]]


def probability(margin: float) -> float:
    """Logistic function of a margin in log odds: 0 → 0.5, range (0, 1); never overflows."""
    if margin >= 0:
        return 1 / (1 + math.exp(-min(margin, 700.0)))
    odds = math.exp(max(margin, -700.0))
    return odds / (1 + odds)


def with_probabilities(steps: Sequence[Mapping[str, Any]], task: str) -> Steps:
    """The steps of `reasons.waterfall` with `probability_after` and `probability_step`, both None where the task is not binary.

    The first step is the average answer's own probability; the steps add up to the probability of the margin, before any calibration.
    """
    told: Steps = []
    before = 0.0
    for step in steps:
        after = probability(float(step["after"])) if task == "binary" else None
        told.append({**step, "probability_after": after, "probability_step": None if after is None else after - before})
        before = after or 0.0
    return told
