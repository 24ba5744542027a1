"""The gates and production limits that a use case's fairness policy asks for: its own rules, or the default, which says that it is one."""

from __future__ import annotations

from typing import Literal

from interlock.rules.gates import Gate
from interlock.spec.fairness import Fairness, FairnessRule
from interlock.spec.model import Task

QUESTION = "Do groups of people get the favourable answer, or the right one, about equally often?"
VALUE_QUESTION = "Are groups of people predicted equally high, or equally well?"


def fairness_gates(task: Task, policy: Fairness) -> list[Gate]:
    """One gate per rule, or the single form's gate `fairness` where there is a favourable answer.

    Without rules: binary always; multiclass only where `favourable_classes` says what is favourable; regression never, because no limit
    on a difference in the target's unit can be guessed. A rule whose figure was not measured is UNKNOWN; the single form passes where no
    sensitive attribute is declared.
    """
    if policy.rules:
        return [_of_rule(task, rule, policy) for rule in policy.rules]
    if task == "binary" or (task == "multiclass" and policy.favourable_classes):
        return [_single(policy)]
    return []


def judged_metrics(task: Task, policy: Fairness) -> list[tuple[str, Literal["at_least", "at_most"], float, str, str]]:
    """(finding, direction, limit, title, source) of every gate: the same limits are watched in production."""
    return [(gate.metric, gate.direction, gate.threshold, gate.title, gate.source) for gate in fairness_gates(task, policy)]


def _single(policy: Fairness) -> Gate:
    return Gate(name="fairness", title="Difference between groups", metric=f"fairness.{policy.metric}",
                direction="at_least" if policy.metric.endswith("_ratio") else "at_most", threshold=policy.threshold, absent="pass",
                question=QUESTION, source=f"{policy.spoken_basis}. {_how(policy)}")


def _of_rule(task: Task, rule: FairnessRule, policy: Fairness) -> Gate:
    scope = f" Scope: {rule.scope}." if rule.scope else ""
    who = ", ".join(rule.attributes) or "all sensitive attributes"
    crossed = ", intersections too" if rule.intersections else ""
    return Gate(name=f"fairness_{rule.name}", title=f"Difference between groups: {rule.metric.replace('_', ' ')}", metric=rule.finding,
                direction="at_least" if rule.is_ratio else "at_most", threshold=rule.threshold, judge_by=rule.judge_by, mode=rule.mode,
                question=VALUE_QUESTION if task == "regression" else QUESTION,
                source=f"{rule.basis.rstrip('.')}.{scope} Measured on {who}{crossed}. {_how(policy)}")


def _how(policy: Fairness) -> str:
    return (f"Defined by Fairlearn's MetricFrame; groups below {policy.group_rows_min} rows, or with fewer than are needed to see a "
            f"difference of {policy.difference_to_see:g}, are UNKNOWN.")
