"""Groups of people side by side, from the figures of one evidence: rates with the intervals that were sealed, and adverse impact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import State

CROSSED, BY_CLASS = "_intersections", "_classes"
RATES = {"selection_rate": "favourable answers", "true_positive_rate": "favourable, of the deserving",
         "false_positive_rate": "favourable, of the others", "accuracy": "right answers"}
VALUES = {"mean_prediction": "mean prediction", "mean_outcome": "mean outcome", "bias": "prediction minus outcome",
          "mae": "mean absolute error"}
RULES = {"selection_rate": "selection_rate_ratio", "true_positive_rate": "equal_opportunity_difference",
         "false_positive_rate": "equalized_odds_difference", "accuracy": "selection_rate_ratio"}  # whose minimum of rows counts


@dataclass(frozen=True)
class Value:
    """A rate with its 95 % interval, as sealed (None: older evidence without intervals); without a value `note` says why."""

    value: Number
    low: Number = None
    high: Number = None
    note: str = ""


@dataclass(frozen=True)
class Group:
    """One group; `values` by measure."""

    name: str
    sample_size: int
    values: dict[str, Value]
    weights: dict[str, int] = field(default_factory=dict)  # rows that each rate rests on


@dataclass(frozen=True)
class Impact:
    """A group's selection rate beside the highest: ratio with 95 % interval; `p` informs and decides nothing, None: no test."""

    group: str
    sample_size: int
    rate: float
    reference: str
    reference_rate: float
    ratio: float
    low: Number
    high: Number
    below_four_fifths: bool
    p: Number
    test: str


@dataclass(frozen=True)
class GroupTable:
    """The groups of one attribute (or of two crossed), largest first. `titles`: measure → name for people; `main` is the one to draw;
    `missing`: rows without a value, which form no group; `favourable`: which answer is good for the person; `unit`: of the values;
    `more`: groups beyond those shown."""

    attribute: str
    groups: tuple[Group, ...]
    titles: dict[str, str]
    main: str
    missing: int = 0
    favourable: str = "positive"
    unit: str = "share of rows"
    more: int = 0
    impact: tuple[Impact, ...] = ()


def group_tables(proof: Proof) -> list[GroupTable]:
    """One table per sensitive attribute (of several classes: per class and attribute); empty where the evidence has none."""
    drawn, small = _drawn(proof), _small(proof)
    tables = [_table(name, table, small) for name, table in drawn.items() if not name.startswith("_")]
    for label, inner in (drawn.get(BY_CLASS) or {}).items():
        tables += [_table(f"{name}, class {label}", table, {}) for name, table in inner.items()]
    return [table for table in tables if table is not None]


def intersections(proof: Proof) -> list[GroupTable]:
    """The same for two attributes at once; a group that was too small to compare has no value."""
    small = {(rule, f"{finding.segment.removeprefix('attribute=')}={name}"): _few(finding.needed)
             for finding in proof.by_metric("fairness.intersections.") for name in finding.detail.get("too_small", [])
             for rule in [finding.metric.removeprefix("fairness.intersections.")]}
    tables = [_table(name, table, small) for name, table in (_drawn(proof).get(CROSSED) or {}).items()]
    return [table for table in tables if table is not None]


def reference_of(table: GroupTable, measure: str) -> Number:
    """The rate among the rows of all groups that have one, weighted by what each rests on; None for values in a target's unit."""
    if table.main != "selection_rate":
        return None
    known = [(group.values[measure].value, group.weights.get(measure, 0)) for group in table.groups]
    told = [(value, weight) for value, weight in known if value is not None]
    total = sum(weight for _, weight in told)
    return sum(value * weight for value, weight in told) / total if total else None


def _drawn(proof: Proof) -> dict[str, Any]:
    return {str(name): table for name, table in (proof.evidence.figures.get("fairness") or {}).items() if isinstance(table, dict)}


def _small(proof: Proof) -> dict[tuple[str, str], str]:
    """(measure, `attribute=group`) → why the group was not compared."""
    return {(finding.metric.removeprefix("fairness."), finding.segment): finding.note for finding in proof.by_metric("fairness.")
            if finding.state is State.TOO_FEW}


def _few(needed: int | None) -> str:
    how = f"at least {needed:,} needed" if needed else "fewer rows than it takes to show the difference asked for"
    return f"not enough evidence, {how}"


def _table(attribute: str, table: dict[str, Any], small: dict[tuple[str, str], str]) -> GroupTable | None:
    rows, values = table.get("groups") or [], table.get("value_groups") or []
    if not rows and not values:
        return None
    titles = RATES if rows else VALUES
    groups = tuple(_group(attribute, row, titles, small) for row in rows or values)
    return GroupTable(attribute, groups, titles, "selection_rate" if rows else "mean_prediction", int(table.get("missing", 0)),
                      str(table.get("favourable", "positive")), "share of rows" if rows else "unit of the target",
                      max(0, int(table.get("all_groups", len(groups))) - len(groups)),
                      tuple(Impact(row["group"], int(row["rows"]), row["rate"], row["reference"], row["reference_rate"], row["ratio"],
                                   row["low"], row["high"], bool(row["below_four_fifths"]), row["p"], row["test"])
                            for row in table.get("adverse_impact") or []))


def _group(attribute: str, row: dict[str, Any], titles: dict[str, str], small: dict[tuple[str, str], str]) -> Group:
    name, ends = str(row["group"]), row.get("intervals") or {}
    positives = int(row.get("positives", 0))
    others = int(row["rows"]) - positives
    sizes = {"true_positive_rate": positives, "false_positive_rate": min(positives, others)}  # what the rule's rates rest on
    values = {}
    for measure in titles:
        why = small.get((RULES.get(measure, "mean_prediction_difference"), f"{attribute}={name}"))
        share, (low, high) = number(row.get(measure)), ends.get(measure) or (None, None)
        values[measure] = (Value(None, note=why.replace("evidence", f"evidence: n = {sizes.get(measure, int(row['rows'])):,}")
                                 if ": n = " not in why else why) if why is not None
                           else Value(None, note="no row to measure it on") if share is None else Value(share, low, high))
    rests_on = {"true_positive_rate": positives, "false_positive_rate": others}
    return Group(name, int(row["rows"]), values, {measure: rests_on.get(measure, int(row["rows"])) for measure in titles})
