"""Fairness: how differently a model treats groups of people. It helps to assess and mitigate differences; it proves nothing fair.

Figures per group are those of Fairlearn's `MetricFrame`, to the last digits; groups too small to say anything are named, not judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.spec.fairness import MEASURES, Fairness, FairnessRule
from reports.fairness_groups import CROSS, GROUPS_MAX, Counts, all_groups, count_groups, group_rows
from reports.fairness_impact import adverse_impact
from reports.fairness_measures import Attribute, compare
from reports.losses import check_rows

Floats = NDArray[np.float64]
CROSSED = "_intersections"
CROSSED_GROUPS_MAX = 30
CROSSED_MEASURES = ("selection_rate_ratio", "equal_opportunity_difference", "equalized_odds_difference", "predictive_parity_difference",
                    "calibration_difference")
NAMED_GROUPS = ("selection_rate_ratio", "equal_opportunity_difference", "equalized_odds_difference")  # small groups get their own finding


def fairness_findings(y: Floats, prediction: Floats, score: Floats, sensitive: pl.DataFrame, policy: Fairness, *,
                      gated: Collection[str] = ()) -> tuple[list[Finding], dict[str, Any]]:
    """`fairness.<measure>` per sensitive attribute (segment `attribute=<name>`), TOO_FEW per small group (segment `<name>=<group>`).

    `y`, `prediction` (n,) 0/1, `score` (n,) = P(1), `sensitive` n rows. With favourable = "negative" all three are swapped first, so
    that 1 is the favourable answer. Ratios: smallest over largest, range [0, 1], 1 = equal. Differences: largest minus smallest, 0 =
    equal. Measures: selection rate (`selection_rate_ratio`, `demographic_parity_difference`); true positive rate (`equal_opportunity_…`);
    the worse of true and false positive rate (`equalized_odds_…`); precision (`predictive_parity_…`); mean score minus observed rate
    (`calibration_difference`). `compare` says when there are too few rows. The same for intersections of two attributes as
    `fairness.intersections.<measure>`, shown and never gated by default, and per rule of the policy as `fairness.rule_<name>`.
    Small groups have a finding for the policy's measure, its rules, the usual measures and every metric in `gated`: no gate passes over
    them. Missing values form no group, but are counted. Numeric attributes with more than 12 values are cut into quartile bands.
    No sensitive column: MISSING with a note.

    Figures: attribute → {"groups": rows of `group_rows` (the 50 largest), "all_groups": their number, "missing", "favourable",
    "adverse_impact": rows of `adverse_impact`}, and "_intersections": the same by "a × b" (the 30 largest). `DataError`: odd shapes.
    Sources: Fairlearn 0.15; Hardt, Price, Srebro 2016 (equal opportunity, equalized odds); Chouldechova 2017 (predictive parity).
    """
    y, prediction = check_rows("binary", y, prediction, "prediction")
    if sensitive.height != y.size and sensitive.width:
        raise DataError("sensitive attributes and labels do not fit together", value=sensitive.height, allowed=f"{y.size} rows")
    if not sensitive.width:
        return undeclared(policy, policy.metric), {}
    if policy.favourable == "negative":
        y, prediction, score = 1 - y, 1 - prediction, 1 - score
    single, crossed = all_groups(sensitive)
    tables: dict[str, Any] = {}
    counted: dict[str, Counts] = {}
    for name, groups in (single | crossed).items():
        counted[name] = count_groups(y, prediction, score, groups)
        most = GROUPS_MAX if name in single else CROSSED_GROUPS_MAX
        (tables if name in single else tables.setdefault(CROSSED, {}))[name] = _table(counted[name], policy, most)
    findings = rule_findings(policy, counted, list(single))
    first = sorted(MEASURES, key=lambda measure: measure != policy.metric)  # what is judged stands first
    findings += [found for measure in first for name in single for found in compare(Attribute(name, counted[name]), measure, policy)
                 if found.segment.startswith("attribute=") or measure in {policy.metric, *NAMED_GROUPS} or found.metric in gated]
    findings += [found for name in crossed for measure in CROSSED_MEASURES
                 for found in compare(Attribute(name, counted[name]), measure, policy, metric=f"fairness.intersections.{measure}")
                 if found.segment.startswith("attribute=") or found.metric in gated]
    return findings, tables


def rule_findings(policy: Fairness, counted: dict[str, Counts], attributes: list[str]) -> list[Finding]:
    """The findings that the policy's rules judge, as `fairness.rule_<name>`; an attribute that is not there is MISSING."""
    findings: list[Finding] = []
    for rule in policy.rules:
        for name in named(rule, attributes, counted):
            if name in counted:
                findings += compare(Attribute(name, counted[name]), rule.metric, policy, metric=rule.finding)
            else:
                findings.append(Finding(metric=rule.finding, segment=f"attribute={name}", state=State.MISSING,
                                        note=f"the sensitive attribute '{name}' did not come with the rows"))
    return findings


def named(rule: FairnessRule, attributes: list[str], counted: Iterable[str]) -> list[str]:
    """Attributes that a rule is about, and intersections of two of them where it says so."""
    wanted = rule.attributes or attributes
    crossed = [name for name in counted if CROSS in name and set(name.split(CROSS)) <= set(wanted)] if rule.intersections else []
    return [*wanted, *crossed]


def undeclared(policy: Fairness, measure: str) -> list[Finding]:
    """MISSING for the measure and every rule: there is nothing to compare."""
    note = "no sensitive attribute is declared for this use case"
    metrics = [f"fairness.{measure}", *(rule.finding for rule in policy.rules)]
    return [Finding(metric=metric, state=State.MISSING, note=note) for metric in metrics]


def _table(counts: Counts, policy: Fairness, groups_max: int) -> dict[str, Any]:
    rows = group_rows(counts, rows_min=policy.group_rows_min, groups_max=groups_max)
    return {"groups": rows, "all_groups": len(counts.names), "missing": counts.missing, "favourable": policy.favourable,
            "adverse_impact": adverse_impact(counts, rows_min=policy.group_rows_min)}
