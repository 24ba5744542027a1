"""What pages show of fairness beside what gates judge: every threshold for every group, and the groups of each window of production."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.control.evidence.case import Case
from interlock.rules.catalogue import gates_for
from interlock.rules.findings import Finding
from interlock.rules.gates import Gate, judge
from interlock.spec.fairness import Fairness
from interlock.spec.usecase import UseCase

Report = tuple[list[Finding], dict[str, Any]]
Floats = NDArray[np.float64]
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
WINDOW_GROUPS_MAX = 12
METRIC = "fairness.groups"


def explorer(case: Case) -> Report:
    """The threshold explorer's table: groups at 101 thresholds, and what each fairness gate would answer there. Only figures."""
    from reports.fairness_thresholds import explorer_figure, ladders

    policy = case.use_case.fairness
    sensitive = case.held_out.rows.select(case.use_case.sensitive_columns)
    if not sensitive.width or case.held_out.rows.is_empty():
        return [], {}
    crossed = any(rule.intersections for rule in policy.rules)
    found = ladders(case.held_out.labels, case.held_out.predictions, case.scores, sensitive, policy, crossed=crossed)
    alone = {name: ladder for name, ladder in found.items() if name in case.use_case.sensitive_columns}
    figure = explorer_figure(alone, policy, threshold=case.package.manifest.threshold, suppress_below=case.use_case.privacy.suppress_below)
    gates = [gate for gate in gates_for(case.use_case) if gate.metric.startswith("fairness.")]
    return [], figure | {"gates": gate_answers(gates, found, policy), "by_group": case.package.manifest.group_thresholds is not None}


def gate_answers(gates: list[Gate], found: dict[str, Any], policy: Fairness) -> list[dict[str, Any]]:
    """Per gate its limit, and at every threshold its verdict and the value that decided it (None: none). `found`: from `ladders`."""
    from reports.fairness_thresholds import judged_at, thresholds

    told: list[dict[str, Any]] = [{"gate": gate.name, "title": gate.title, "limit": gate.threshold, "direction": gate.direction,
                                   "mode": gate.mode, "verdicts": [], "values": []} for gate in gates]
    for place in range(len(thresholds())):
        findings = judged_at(found, place, policy)
        for gate, own in zip(gates, told, strict=True):
            result = judge(gate, findings)
            own["verdicts"].append(result.verdict.value)
            own["values"].append(None if result.value is None else round(result.value, 5))
    return told


def window_groups(use_case: UseCase, answers: Floats, outcomes: Floats, sensitive: pl.DataFrame) -> list[Finding]:
    """`fairness.groups` of one window per attribute: how many groups there are, their rates in the detail. Binary tasks only.

    `answers` (n,) 0/1 as people got them, `outcomes` (n,) 0/1, NaN where none is known yet. Detail: {"groups": [{"group", "rows",
    "labelled", rate: {"value", "low", "high", "n"} or {"n", "needed"}}], "more", "missing", "favourable"}; Wilson intervals, 95 %; a rate
    on fewer than `group_rows_min` rows has no value; groups of fewer than `suppress_below` rows are not in it.
    """
    from reports.fairness_groups import MISSING, count_groups, group_names

    policy, found = use_case.fairness, []
    if policy.favourable == "negative":
        answers, outcomes = 1 - answers, 1 - outcomes
    known = np.isfinite(outcomes)
    for name in sensitive.columns:
        groups = group_names(sensitive[name])
        every = count_groups(answers, answers, answers, groups)
        told = count_groups(outcomes[known], answers[known], answers[known], groups[known])
        places = {group: place for place, group in enumerate(told.names)}
        shown = [place for place in range(len(every.names)) if every.counted["rows"][place] >= use_case.privacy.suppress_below]
        table = []
        for place in shown[:WINDOW_GROUPS_MAX]:
            group, its = every.names[place], places.get(every.names[place])
            rates = {rate: _rate(every if rate == "selection_rate" else told, rate, place if rate == "selection_rate" else its,
                                 policy.group_rows_min) for rate in RATES}
            table.append({"group": group, "rows": int(every.counted["rows"][place]),
                          "labelled": 0 if its is None else int(told.counted["rows"][its]), **rates})
        found.append(Finding(metric=METRIC, segment=f"attribute={name}", value=float(len(every.names)), unit="groups",
                             sample_size=int((groups != MISSING).sum()), detail={
                                 "groups": table, "more": len(every.names) - len(table), "missing": every.missing,
                                 "favourable": policy.favourable}))
    return found


def _rate(counts: Any, rate: str, place: int | None, needed: int) -> dict[str, Any]:
    """The rate of one group with its interval; without a value where it rests on too few rows."""
    rows = 0 if place is None else int(counts.denominator(rate)[place])
    if place is None or rows < needed:
        return {"n": rows, "needed": needed}
    found = counts.rate(rate, [place])
    value, low, high = (round(float(part[0]), 5) for part in (found.value, found.low, found.high))
    return {"value": value, "low": low, "high": high, "n": rows}
