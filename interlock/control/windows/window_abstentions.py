"""How often the model left the answer to a fallback: a window's share, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from interlock.rules.findings import Finding, State
from reports.fairness_intervals import shares

if TYPE_CHECKING:
    import polars as pl

METRIC = "serving.abstained_share"
ABSTAINED, BY_CHAMPION = "abstained:", "answered_by:champion"


def abstentions_of(rows: pl.DataFrame, rows_min: int) -> Finding:
    """Share of the answers from which the version itself abstained, 0 to 1, with Wilson's 95 % interval; too few rows: TOO_FEW.

    Rows that the champion answered in a candidate's place are answers of the champion, not abstentions.
    """
    if rows.height < rows_min:
        return Finding(metric=METRIC, sample_size=rows.height, needed=rows_min, state=State.TOO_FEW,
                       note=f"not enough evidence: n = {rows.height:,}, at least {rows_min:,} needed")
    why: Counter[str] = Counter()
    for flags in rows["_flags"].to_list():
        found = [flag for flag in flags or [] if flag.startswith(ABSTAINED)]
        if found and BY_CHAMPION not in flags:
            why[found[0].removeprefix(ABSTAINED)] += 1
    ends = shares(np.array([float(why.total())]), np.array([float(rows.height)]))
    told = ", ".join(f"{kind} {count:,}" for kind, count in why.most_common())
    return Finding(metric=METRIC, value=float(ends.value[0]), low=float(ends.low[0]), high=float(ends.high[0]), confidence=0.95,
                   sample_size=rows.height, detail=dict(why),
                   note=f"the model abstained from {why.total():,} of {rows.height:,} answers{f': {told}' if told else ''}")
