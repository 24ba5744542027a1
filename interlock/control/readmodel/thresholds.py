"""What one threshold on the score would do to every group, read from the table in the evidence; nothing is scored anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.proof import Proof
from interlock.rules.analysis_bounds import wilson
from interlock.rules.gates import Verdict

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


@dataclass(frozen=True)
class Rate:
    """A share with its Wilson interval, 95 %; without a value, `why` says how many rows it would need."""

    value: Number
    low: Number
    high: Number
    n: int
    why: str = ""


@dataclass(frozen=True)
class GroupAt:
    """One group at one threshold."""

    name: str
    rows: int
    rates: dict[str, Rate]


@dataclass(frozen=True)
class GateAt:
    """What a gate would say at the threshold: verdict and the value that decides it (None: none)."""

    title: str
    verdict: Verdict
    value: Number
    limit: float
    direction: str
    mode: str


@dataclass(frozen=True)
class Explorer:
    """The table of one evidence. `served`: the ordinary threshold of this version; `by_group`: its decisions use others by group;
    `value`: (currency, worth of 1,000 decisions at each threshold) where the use case says what decisions are worth."""

    thresholds: tuple[float, ...]
    served: float
    favourable: str
    by_group: bool
    attributes: dict[str, dict[str, Any]]
    gates: tuple[dict[str, Any], ...]
    value: tuple[str, dict[float, float]] | None

    def groups_at(self, attribute: str, place: int) -> list[GroupAt]:
        """Every group of the attribute at the threshold of this place, the largest first."""
        return [_group(row, place) for row in self.attributes[attribute]["groups"]]

    def gates_at(self, place: int) -> list[GateAt]:
        """Every fairness gate's answer there."""
        return [GateAt(one["title"], Verdict(one["verdicts"][place]), number(one["values"][place]), float(one["limit"]), one["direction"],
                       one["mode"]) for one in self.gates]

    def curves(self, attribute: str, rate: str) -> dict[str, list[Number]]:
        """Group → its rate at every threshold, None where it rests on too few rows."""
        return {row["group"]: [_rate(row, rate, place).value for place in range(len(self.thresholds))]
                for row in self.attributes[attribute]["groups"]}


def explorer_of(proof: Proof) -> Explorer | None:
    """The table; None where the evidence is older, the task has no threshold, or no attribute is declared."""
    found = proof.evidence.figures.get("fairness_thresholds")
    if not isinstance(found, dict) or not found.get("attributes"):
        return None
    return Explorer(tuple(found["thresholds"]), float(found["served"]), str(found["favourable"]), bool(found.get("by_group")),
                    found["attributes"], tuple(found.get("gates", ())), _value(proof))


def nearest(thresholds: tuple[float, ...], wanted: float) -> int:
    """Place of the threshold nearest to this one."""
    return min(range(len(thresholds)), key=lambda place: (abs(thresholds[place] - wanted), place))


def _value(proof: Proof) -> tuple[str, dict[float, float]] | None:
    value = proof.evidence.figures.get("value")
    money = value.get("money") if isinstance(value, dict) else None
    if not isinstance(money, dict) or not money.get("threshold"):
        return None
    return str(money.get("currency", "")), dict(zip(money["threshold"], money["value_per_1000"], strict=True))


def _group(row: dict[str, Any], place: int) -> GroupAt:
    return GroupAt(str(row["group"]), int(row["rows"]), {rate: _rate(row, rate, place) for rate in RATES})


def _rate(row: dict[str, Any], rate: str, place: int) -> Rate:
    selected, right = row["selected"][place], row["true_positives"][place]
    hits, n = {"selection_rate": (selected, row["rows"]), "true_positive_rate": (right, row["positives"]),
               "false_positive_rate": (selected - right, row["rows"] - row["positives"])}[rate]
    needed = int(row["needed"][rate])
    if n < needed or n == 0:
        return Rate(None, None, None, n, f"not enough evidence: n = {n:,}, at least {needed:,} needed")
    low, high = wilson(hits, n)
    return Rate(hits / n, low, high, n)
