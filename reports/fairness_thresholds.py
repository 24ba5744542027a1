"""What one threshold on the score does to every group: counts at 101 thresholds, from which rates are read without computing anew.

Groups are those of `fairness_groups`; "favourable" is the answer that is good for the person. Pure; a gate's answer at a threshold is
judged by the caller, on `judged_at`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.rules.findings import Finding
from interlock.spec.fairness import Fairness
from reports.fairness import rule_findings
from reports.fairness_groups import CROSS, Counts, all_groups, count_groups
from reports.fairness_measures import Attribute, compare, rows_needed
from reports.losses import check_rows

Floats = NDArray[np.float64]
THRESHOLDS, GROUPS_MAX = 101, 20
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


@dataclass(frozen=True)
class Ladder:
    """Groups of one attribute at every threshold: `selected`, `true_positives` (T, k) count the favourable answers among all rows of a
    group and among its deserving ones; `counts` are those of the decisions as served."""

    counts: Counts
    selected: Floats
    true_positives: Floats

    def at(self, place: int) -> Counts:
        """The counts if everybody were decided by the threshold at this place."""
        own = self.counts.counted
        selected, right = self.selected[place], self.true_positives[place]
        wrong = selected - right
        changed = {"selected": selected, "true_positives": right, "false_positives": wrong, "right": right + own["negatives"] - wrong}
        return replace(self.counts, counted=own | changed)


def thresholds() -> list[float]:
    """0, 0.01 … 1: a score at or above one is answered with yes."""
    return [round(float(cut), 4) for cut in np.linspace(0.0, 1.0, THRESHOLDS)]


def ladders(y: Floats, prediction: Floats, score: Floats, sensitive: pl.DataFrame, policy: Fairness, *, crossed: bool = False
            ) -> dict[str, Ladder]:
    """Attribute → its groups at every threshold; with `crossed` intersections of two attributes too. `y`, `prediction` (n,) 0/1, `score`
    (n,) = P(1). With favourable = "negative" the favourable answer is the no below the threshold. Raises `DataError` for odd shapes."""
    y, prediction = check_rows("binary", y, prediction, "prediction")
    flipped = policy.favourable == "negative"
    single, both = all_groups(sensitive)
    found = {}
    for name, groups in (single | (both if crossed else {})).items():
        own = (1 - y, 1 - prediction, 1 - score) if flipped else (y, prediction, score)
        counts = count_groups(*own, groups)
        parts = [_counted(score[known], own[0][known], flipped) for known in (groups == group for group in counts.names)]
        if parts:
            found[name] = Ladder(counts, np.column_stack([part[0] for part in parts]), np.column_stack([part[1] for part in parts]))
    return found


def explorer_figure(found: dict[str, Ladder], policy: Fairness, *, threshold: float, suppress_below: int) -> dict[str, Any]:
    """{"thresholds", "served", "favourable", "attributes": {name: {"groups": […], "more", "missing"}}} for the page.

    A group: {"group", "rows", "positives" (deserving), "selected": [T counts], "true_positives": [T counts], "needed": {rate: rows that
    it needs}}, the 20 largest; none of fewer than `suppress_below` rows. `selected` of `rows`, `true_positives` of `positives`, and the
    rest of `selected` of the rest of the rows are the three rates; fewer rows than needed in a rate: no rate. `needed` is that of the
    rates as served (`fairness_measures.rows_needed`).
    """
    attributes = {}
    for name, ladder in found.items():
        counts = ladder.counts
        needed = {rate: rows_needed(counts, (rate,), policy) for rate in RATES}
        shown = [place for place in range(len(counts.names)) if counts.counted["rows"][place] >= suppress_below][:GROUPS_MAX]
        groups = [{"group": counts.names[place], "rows": int(counts.counted["rows"][place]),
                   "positives": int(counts.counted["positives"][place]), "selected": ladder.selected[:, place].astype(int).tolist(),
                   "true_positives": ladder.true_positives[:, place].astype(int).tolist(),
                   "needed": {rate: needed[rate][place] for rate in RATES}} for place in shown]
        attributes[name] = {"groups": groups, "more": len(counts.names) - len(shown), "missing": counts.missing}
    return {"thresholds": thresholds(), "served": threshold, "favourable": policy.favourable, "attributes": attributes}


def judged_at(found: dict[str, Ladder], place: int, policy: Fairness) -> list[Finding]:
    """The findings that gates judge, if the threshold at this place decided."""
    counted = {name: ladder.at(place) for name, ladder in found.items()}
    single = [name for name in counted if CROSS not in name]
    if policy.rules:
        return rule_findings(policy, counted, single)
    return [one for name in single for one in compare(Attribute(name, counted[name]), policy.metric, policy)]


def _counted(score: Floats, deserving: Floats, flipped: bool) -> tuple[Floats, Floats]:
    """Favourable answers (T,) among these rows, and among the deserving of them."""
    cuts = np.array(thresholds())

    def favourable(values: Floats) -> Floats:
        yes = values.size - np.searchsorted(np.sort(values), cuts, side="left")
        return (values.size - yes if flipped else yes).astype(np.float64)

    return favourable(score), favourable(score[deserving == 1])
