"""What each fairness measure compares between groups, and the findings that a comparison ends in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlock.rules.findings import Finding, State
from interlock.spec.fairness import Fairness
from reports.fairness_groups import GROUPS_MAX, Counts
from reports.fairness_intervals import FORMULA, Figures, difference, pairs_of, ratio, rows_to_see, rows_to_see_mean, worst
from reports.intervals import Interval
from reports.measured import measured

SMALL_MAX = 20
PARTS: dict[str, tuple[str, ...]] = {
    "selection_rate_ratio": ("selection_rate",), "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",), "equal_opportunity_ratio": ("true_positive_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
    "equalized_odds_ratio": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity_difference": ("precision",), "predictive_parity_ratio": ("precision",),
    "calibration_difference": ("calibration_gap",)}
WORDS = {"selection_rate": "Favourable answers", "true_positive_rate": "Favourable answers to the deserving",
         "false_positive_rate": "Favourable answers to the others", "precision": "Right among the favourable answers",
         "calibration_gap": "Mean score minus what happened"}
WHY_NO_RATIO = {"selection_rate": "no group gets the favourable answer at all: no ratio",
                "true_positive_rate": "none of the deserving gets the favourable answer in any group: no ratio",
                "false_positive_rate": "nobody else gets the favourable answer in any group: no ratio",
                "precision": "no favourable answer was right in any group: no ratio"}


@dataclass(frozen=True)
class Attribute:
    """One attribute (or intersection of two) with what was counted in its groups."""

    name: str
    counts: Counts

    @property
    def segment(self) -> str:
        return f"attribute={self.name}"


def compare(attribute: Attribute, measure: str, policy: Fairness, *, metric: str | None = None) -> list[Finding]:
    """The measure over the attribute's groups, and one TOO_FEW finding (segment `<attribute>=<group>`) per group that is too small.

    Compared are the groups with at least `policy.group_rows_min` rows in every denominator of the measure. Too small is also a compared
    group that has fewer rows than it takes to see a difference of `policy.difference_to_see` (`rows_to_see`): what was seen may still
    FAIL, but that nothing was seen proves nothing. Fewer than two groups to compare, more than 50 groups, no row, no ratio: TOO_FEW with
    the reason. Intervals share their 95 % among all pairs of groups (`difference`, `ratio`).
    """
    counts, metric = attribute.counts, metric or f"fairness.{measure}"
    trouble = _nothing_to_compare(counts)
    if trouble:
        return [Finding(metric=metric, segment=attribute.segment, sample_size=int(counts.counted["rows"].sum()),
                        needed=policy.group_rows_min, state=State.TOO_FEW, note=trouble)]
    parts = PARTS[measure]
    rows = np.min([counts.denominator(part) for part in parts], axis=0)
    needed = rows_needed(counts, parts, policy)
    judged = [place for place in range(rows.size) if rows[place] >= policy.group_rows_min]
    small = [place for place in range(rows.size) if rows[place] < needed[place]]
    findings = [_small(attribute, metric, place, rows, needed, measure, policy) for place in small[-SMALL_MAX:]]
    return [_over(attribute, metric, measure, judged, [counts.names[place] for place in small], policy), *findings]


def _over(attribute: Attribute, metric: str, measure: str, judged: list[int], small: list[str], policy: Fairness) -> Finding:
    counts, parts = attribute.counts, PARTS[measure]
    size = int(counts.counted["rows"][judged].sum())
    what = "rows" if parts[0] in {"selection_rate", "calibration_gap"} else "rows per rate"
    if len(judged) < 2:
        note = f"not enough evidence: 2 groups with at least {policy.group_rows_min:,} {what} are needed to compare, found {len(judged)}"
        return Finding(metric=metric, segment=attribute.segment, sample_size=size, needed=policy.group_rows_min, state=State.TOO_FEW,
                       note=note, detail={"too_small": small, "missing": counts.missing})
    is_ratio = measure.endswith("_ratio")
    figures = {part: counts.rate(part, judged, comparisons=pairs_of(len(judged), len(parts))) for part in parts}
    found = {part: (ratio if is_ratio else difference)(figure) for part, figure in figures.items()}
    chosen = worst(list(found.values()), is_ratio=is_ratio)
    if parts[0] != "calibration_gap":
        chosen = Interval(chosen.value, chosen.low, min(chosen.high, 1.0))
    decisive = next((part for part in parts if found[part].value == chosen.value), parts[0])
    empty = next((part for part in parts if found[part].value != found[part].value), decisive)
    detail: dict[str, Any] = {"groups": [counts.names[place] for place in judged], "too_small": small, "missing": counts.missing,
                              "rate": decisive, "interval": "Wilson per group, variance recovery per pair, Bonferroni over pairs"}
    note = _extremes(counts, judged, figures[decisive], decisive)
    return measured(metric, chosen, sample_size=size, segment=attribute.segment, note=note, detail=detail,
                    why_missing=WHY_NO_RATIO.get(empty, "a group has no row for this rate"))


def _nothing_to_compare(counts: Counts) -> str:
    if not counts.names:
        return "no row carries this attribute" if counts.missing else "there is no row"
    if len(counts.names) > GROUPS_MAX:
        return (f"{len(counts.names):,} different values are no groups of people: at most {GROUPS_MAX} can be compared; "
                "declare bands or another column")
    if len(counts.names) == 1:
        return f"all {int(counts.counted['rows'][0]):,} rows are in one group ({counts.names[0]}): nothing to compare"
    return ""


def rows_needed(counts: Counts, parts: Sequence[str], policy: Fairness) -> list[int]:
    """Rows that each group needs in the scarcest denominator: what seeing the stated difference takes, at least `group_rows_min`."""
    needed = []
    for place in range(len(counts.names)):
        wanted = [policy.group_rows_min]
        for part in parts:
            rows = counts.denominator(part)
            allocation = max(1.0, float(rows.max()) / max(float(rows[place]), 1.0))
            if part == "calibration_gap":
                total = float(counts.counted["rows"].sum())
                variance = float(counts.gap_squares.sum()) / total - (float(counts.gap.sum()) / total) ** 2
                wanted.append(rows_to_see_mean(variance, policy.difference_to_see, allocation))
            elif (overall := counts.overall(part)) == overall:
                wanted.append(rows_to_see(overall, policy.difference_to_see, allocation))
        needed.append(max(wanted))
    return needed


def _small(attribute: Attribute, metric: str, place: int, rows: Any, needed: list[int], measure: str, policy: Fairness) -> Finding:
    counts, parts = attribute.counts, PARTS[measure]
    size = int(rows[place])
    what = "" if parts[0] in {"selection_rate", "calibration_gap"} else " (rows per rate)"
    note = f"not enough evidence: n = {size:,}, at least {needed[place]:,} needed to see a difference of {policy.difference_to_see:g}{what}"
    detail = {"formula": FORMULA, "alpha": 0.05, "power": 0.8, "difference": policy.difference_to_see,
              "group_rows_min": policy.group_rows_min, "compared": size >= policy.group_rows_min}
    return Finding(metric=metric, segment=f"{attribute.name}={counts.names[place]}", sample_size=size, needed=needed[place],
                   state=State.TOO_FEW, note=note, detail=detail)


def _extremes(counts: Counts, judged: list[int], figure: Figures, part: str) -> str:
    """Smallest and largest, with their rows."""
    low, high = int(np.argmin(figure.value)), int(np.argmax(figure.value))

    def said(place: int) -> str:
        value = f"{figure.value[place]:+.3f}" if part == "calibration_gap" else f"{figure.value[place]:.1%}"
        return f"{counts.names[judged[place]]} {value} (n = {int(counts.denominator(part)[judged[place]]):,})"

    return f"{WORDS[part]}: {said(low)}, {said(high)}."
