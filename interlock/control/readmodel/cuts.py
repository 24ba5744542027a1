"""What decisions look like at every threshold, as the evidence prepared it: four counts and, with a `[value]` section, what they are worth.

Evidence sealed before these tables were kept has none of them: then there is nothing to show but the command that validates again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.proof import Proof
from interlock.rules.analysis_bounds import wilson
from interlock.rules.findings import Finding

COUNTS = ("true_positive", "false_positive", "false_negative", "true_negative")
Ends = tuple[Number, Number, Number]


@dataclass(frozen=True)
class At:
    """Decisions at one threshold on the held-out rows: counts, and the value of 1,000 cases with its interval (None: not valued)."""

    threshold: float
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    value: Number = None
    low: Number = None
    high: Number = None

    @property
    def rows(self) -> int:
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative

    @property
    def selected(self) -> Ends:
        """Share answered with yes, with Wilson's 95 % interval."""
        return _share(self.true_positive + self.false_positive, self.rows)

    @property
    def precision(self) -> Ends:
        """Share of the yes that was right; None where nobody was answered with yes."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> Ends:
        """Share of the positive cases that was found; None without one."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def false_alarms(self) -> Ends:
        """Share of the negative cases that was answered with yes; None without one."""
        return _share(self.false_positive, self.false_positive + self.true_negative)


@dataclass(frozen=True)
class Cuts:
    """Every prepared threshold, ascending; `present`: the decisions of the version itself. `currency` empty: not valued."""

    at: tuple[At, ...]
    present: At
    currency: str

    def nearest(self, threshold: float) -> At:
        """The prepared threshold nearest to this one."""
        return min(self.at, key=lambda one: abs(one.threshold - threshold))


def cuts_of(proof: Proof) -> Cuts | None:
    """The tables of one evidence; None where it is no yes-or-no task, or older than them."""
    figures = proof.evidence.figures.get("performance")
    figures = figures if isinstance(figures, dict) else {}
    counts, confusion = figures.get("counts"), figures.get("confusion")
    if not isinstance(counts, dict) or not counts.get("threshold") or not isinstance(confusion, dict):
        return None
    money = (proof.evidence.figures.get("value") or {}).get("money") or {}
    worth = {round(cut, 4): place for place, cut in enumerate(money.get("threshold") or [])}
    own = next((one for one in proof.by_metric("performance.value_per_1000") if one.value is not None), None)
    at = tuple(_at(float(cut), {name: counts[name][place] for name in COUNTS}, _value(money, worth.get(round(cut, 4))))
               for place, cut in enumerate(counts["threshold"]))
    ends = (own.value, own.low, own.high) if own is not None else (None, None, None)
    return Cuts(at, _at(float(counts["present"]), confusion, ends), str(money.get("currency") or ""))


def _at(threshold: float, counts: dict[str, Any], ends: Ends) -> At:
    caught, alarms, missed, right = (int(counts[name]) for name in COUNTS)
    return At(threshold, caught, alarms, missed, right, *ends)


def _value(money: dict[str, Any], place: int | None) -> Ends:
    if place is None:
        return None, None, None
    ends = [number(money[name][place]) if money.get(name) else None for name in ("value_per_1000", "low", "high")]
    return ends[0], ends[1], ends[2]


def _share(part: int, whole: int) -> Ends:
    if whole == 0:
        return None, None, None
    low, high = wilson(part, whole)
    return part / whole, low, high


def class_findings(proof: Proof) -> dict[str, dict[str, Finding]]:
    """Class → its precision, recall, F1 and AUC, as measured; empty where the task has no classes."""
    found: dict[str, dict[str, Finding]] = {}
    for one in proof.by_metric("performance.class_"):
        found.setdefault(one.segment.removeprefix("class="), {})[one.metric.removeprefix("performance.class_")] = one
    return found
