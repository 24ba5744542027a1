"""Every threshold for every group: literal counts, both directions of favourable, and the ordinary report's figures at the one served."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from interlock.spec.fairness import Fairness
from reports.fairness import fairness_findings
from reports.fairness_measures import Attribute, compare
from reports.fairness_thresholds import explorer_figure, judged_at, ladders, thresholds

# Four women with scores 0.1, 0.4, 0.6, 0.9 (deserving: the last two), two men with 0.3 (not) and 0.8 (deserving).
Y = np.array([0, 0, 1, 1, 0, 1.0])
SCORE = np.array([0.1, 0.4, 0.6, 0.9, 0.3, 0.8])
SEX = pl.DataFrame({"sex": ["f", "f", "f", "f", "m", "m"]})


def table(policy: Fairness, suppress_below: int = 1) -> dict[str, dict[str, list[int]]]:
    found = ladders(Y, (SCORE >= 0.5).astype(float), SCORE, SEX, policy)
    figure = explorer_figure(found, policy, threshold=0.5, suppress_below=suppress_below)
    return {one["group"]: one for one in figure["attributes"]["sex"]["groups"]}


def test_counts_at_a_threshold_are_those_of_a_hand() -> None:
    """At 0.4 three women are at or above it, both deserving among them; one man is."""
    groups, place = table(Fairness(group_rows_min=2)), thresholds().index(0.4)
    assert (groups["f"]["rows"], groups["f"]["positives"]) == (4, 2)
    assert (groups["f"]["selected"][place], groups["f"]["true_positives"][place]) == (3, 2)
    assert (groups["m"]["selected"][place], groups["m"]["true_positives"][place]) == (1, 1)
    assert (groups["f"]["selected"][0], groups["f"]["selected"][-1]) == (4, 0)


def test_where_a_no_is_favourable_the_other_side_is_counted() -> None:
    """Below 0.4 is one woman (0.1), who deserves the favourable no; of the two deserving women (y = 0) one is below."""
    place = thresholds().index(0.4)
    women = table(Fairness(group_rows_min=2, favourable="negative"))["f"]
    assert (women["positives"], women["selected"][place], women["true_positives"][place]) == (2, 1, 1)


def test_a_group_of_a_few_people_is_not_in_it() -> None:
    assert list(table(Fairness(group_rows_min=2), suppress_below=3)) == ["f"]


@pytest.mark.parametrize("favourable", ["positive", "negative"])
def test_at_the_served_threshold_the_gated_finding_is_that_of_the_report(favourable: str) -> None:
    draw = np.random.default_rng(5)
    n = 900
    sensitive = pl.DataFrame({"sex": draw.choice(["f", "m"], n), "race": draw.choice(["a", "b", "c"], n)})
    score = np.round(draw.uniform(size=n), 3)
    y = (draw.uniform(size=n) < score).astype(float)
    policy = Fairness(favourable=favourable)  # type: ignore[arg-type]
    decided = (score >= 0.5).astype(float)
    ordinary, _ = fairness_findings(y, decided, score, sensitive, policy)
    found = judged_at(ladders(y, decided, score, sensitive, policy), thresholds().index(0.5), policy)
    key = "fairness.selection_rate_ratio"
    assert [(one.segment, one.value, one.low, one.state) for one in found if one.segment.startswith("attribute=")] == [
        (one.segment, one.value, one.low, one.state) for one in ordinary
        if one.metric == key and one.segment.startswith("attribute=")]


def test_a_threshold_moves_the_ratio() -> None:
    """A broken ladder that always shows the served counts would show one ratio everywhere. At 0.7: f 1/4, m 1/2, ratio 0.5; at 0.2: f
    3/4, m 2/2, ratio 0.75."""
    policy = Fairness(group_rows_min=2, difference_to_see=0.9)
    ladder = ladders(Y, (SCORE >= 0.5).astype(float), SCORE, SEX, policy)["sex"]
    values = [compare(Attribute("sex", ladder.at(thresholds().index(cut))), "selection_rate_ratio", policy)[0].value for cut in (0.7, 0.2)]
    assert values == [pytest.approx(0.5), pytest.approx(0.75)]
