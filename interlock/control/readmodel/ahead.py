"""How far to trust an estimate of performance that was made without outcomes, in words."""

from __future__ import annotations

from interlock.rules.findings import Finding, State

OUTSIDE_MAX = 0.1  # share of unseen inputs from which on the estimate leans on cases it knows nothing about


def trust(found: list[Finding]) -> str:
    """How far to trust estimates, in words, from `performance.estimate_coverage` and `estimate_range` among the findings of one window or
    one evidence; empty where neither was measured.

    Not to be leaned on: the whole interval of the share of windows whose truth lay inside is below the 95 % that were promised, or more
    than 10 % of the answers have an input that the held-out rows never had. As promised: the interval reaches 95 %. Else not known yet.
    """
    coverage = next((one for one in found if one.metric == "performance.estimate_coverage"), None)
    ranged = next((one for one in found if one.metric == "performance.estimate_range" and one.value is not None), None)
    if coverage is None:
        return ""
    said = [coverage.note, ranged.note if ranged else ""]
    promised = float(coverage.detail.get("promised", 0.95))
    if coverage.value is None or coverage.state is not State.OK:
        head = "Not known yet how far to trust the estimate."
    elif coverage.high is not None and coverage.high < promised:
        head = f"Do not lean on the estimate: its intervals should hold the truth in {promised:.0%} of cases and hold it less often."
    elif ranged is not None and ranged.value is not None and ranged.value > OUTSIDE_MAX:
        head = "The estimate has held so far, but leans now on cases it knows nothing about."
    else:
        head = f"The estimate has held about as often as it promises ({promised:.0%})."
    return " ".join([head, *filter(None, said)])
