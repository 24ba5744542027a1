"""Adverse impact: each group's selection rate beside the highest one, with a test that informs and decides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.fairness_groups import GROUPS_MAX, Counts
from reports.fairness_intervals import Figures, ratio

EXPECTED_MIN = 5.0


def adverse_impact(counts: Counts, *, rows_min: int = 1) -> list[dict[str, Any]]:
    """One row per group, lowest rate first: `group`, `rows`, `selected`, `rate`, `reference` (the group with the highest rate), `ratio`
    with its 95 % `low` and `high` (of this pair alone), `below_four_fifths`, `p` and `test`.

    The reference is looked for among groups of at least `rows_min` rows (none: among all), because the rate of a handful of people is
    luck; smaller groups with a higher rate are left out then.

    29 CFR 1607.4(D) generally regards a selection rate below four fifths of that of the group with the highest rate as evidence of
    adverse impact; smaller differences may be, where they are significant in both statistical and practical terms, and greater ones may
    not be, where they rest on small numbers and are not statistically significant. The p-value (Fisher's exact test where an expected
    count is below 5, else Pearson's chi-square without correction) answers only the statistical half, and for one pair at a time.
    Empty with fewer than two groups, more than 50, or nobody selected.
    """
    rows, selected = counts.counted["rows"], counts.counted["selected"]
    if not 2 <= len(counts.names) <= GROUPS_MAX or selected.sum() == 0:
        return []
    figures = counts.rate("selection_rate", range(len(counts.names)))
    large = np.flatnonzero(rows >= rows_min)
    large = large if large.size else np.arange(rows.size)
    top = int(large[np.lexsort((-rows[large], -figures.value[large]))[0]])
    table = []
    for place in np.argsort(figures.value, kind="stable"):
        if place == top or figures.value[place] > figures.value[top]:
            continue
        pair = np.array([place, top])
        found = ratio(Figures(figures.value[pair], figures.low[pair], figures.high[pair]))
        p, test = _test(selected[place], rows[place], selected[top], rows[top])
        table.append({"group": counts.names[place], "rows": int(rows[place]), "selected": int(selected[place]),
                      "rate": float(figures.value[place]), "reference": counts.names[top], "reference_rate": float(figures.value[top]),
                      "ratio": found.value, "low": found.low, "high": found.high, "below_four_fifths": bool(found.value < 0.8),
                      "p": p, "test": test})
    return table


def _test(hits: float, rows: float, other_hits: float, other_rows: float) -> tuple[float | None, str]:
    from scipy.stats import chi2_contingency, fisher_exact

    table = np.array([[hits, rows - hits], [other_hits, other_rows - other_hits]])
    if (table.sum(axis=0) == 0).any():
        return None, "no test: all answers are the same"
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    if expected.min() < EXPECTED_MIN:
        return float(fisher_exact(table.astype(np.int64)).pvalue), "Fisher's exact"
    return float(chi2_contingency(table, correction=False).pvalue), "chi-square"
