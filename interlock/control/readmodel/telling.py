"""Candidate and champion in the same units on the same rows where that was measured: the numbers that a decision rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from interlock.control.readmodel.compare import LOWER_IS_BETTER, TITLES, why_missing
from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding, State

Which = Literal["better", "worse", "no clear difference", ""]
LOSSES = {"error": "Share answered wrong", "log_loss": "Log loss", "brier": "Brier score", "mae": "Mean absolute error"}
FIRST = {"AUC": ("performance.auc", "AUC"), "log loss": ("performance.log_loss", "Log loss"), "of RMSE": ("performance.rmse", "RMSE")}


@dataclass(frozen=True)
class Told:
    """One number of both. `difference` with its 95 % interval: + is better for the candidate (None: not measured on the same rows).

    `same_rows`: the champion's number is from the very rows of the candidate's; else from the champion's own evidence.
    """

    title: str
    candidate: float | None
    champion: float | None
    unit: str
    n: int
    same_rows: bool
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    better: str = "higher"
    why: str = ""

    @property
    def which(self) -> Which:
        """What the interval of the difference says; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no clear difference"


def told(candidate: Proof, champion: Proof | None, gated: str) -> list[Told]:
    """The most telling first: the primary metric, money, mistakes, calibration, the gated fairness measure, time to answer.

    What was never measured is left out, except the primary metric, whose reason stands in its place.
    """
    own = {finding.metric: finding for finding in candidate.findings if finding.segment == "all"}
    theirs = {(finding.metric, finding.segment): finding for finding in champion.findings} if champion else {}
    rows = [_primary(own), _money(own), *_losses(own)]
    apart = [own.get("calibration.ece"), _worst(candidate, gated), own.get("latency.p99_ms")]
    rows += [_apart(one, theirs) for one in apart if one is not None]
    return [row for row in rows if row is not None]


def first_screen(rows: Iterable[Told]) -> list[Told]:
    """Six at most: of the losses only the share answered wrong, or the absolute error."""
    return [row for row in rows if row.title not in {LOSSES["log_loss"], LOSSES["brier"]} or row.difference is None][:6]


def _primary(own: dict[str, Finding]) -> Told | None:
    found = own.get("performance.vs_champion")
    metric, title = FIRST.get(found.unit if found else "", next((pair for pair in FIRST.values() if pair[0] in own), ("", "")))
    value = own.get(metric)
    if value is None or value.value is None:
        return Told("Performance", None, None, "", 0, False, why=why_missing(value)) if found is not None else None
    if found is None or found.value is None:
        return Told(title, value.value, None, value.unit, value.sample_size, False, better=_better(metric), why=why_missing(found))
    sign = 1 if _better(metric) == "higher" else -1
    champion = value.value / (1 - found.value) if found.unit == "of RMSE" else value.value - sign * found.value
    return Told(title, value.value, champion, value.unit, found.sample_size, True, found.value, found.low, found.high, _better(metric))


def _money(own: dict[str, Finding]) -> Told | None:
    value, found = own.get("performance.value_per_1000"), own.get("performance.value_vs_champion")
    if value is None or value.value is None:
        return None
    if found is None or found.value is None:
        return Told("Value of 1,000 decisions", value.value, None, value.unit, value.sample_size, False, why=why_missing(found))
    return Told("Value of 1,000 decisions", value.value, value.value - found.value, value.unit, found.sample_size, True, found.value,
                found.low, found.high)


def _losses(own: dict[str, Finding]) -> list[Told]:
    rows = []
    for name, title in LOSSES.items():
        found = own.get(f"performance.vs_champion_{name}")
        if found is not None and found.value is not None and {"own", "champion"} <= set(found.detail):
            unit = "" if found.unit == "of rows" else found.unit
            rows.append(Told(title, float(found.detail["own"]), float(found.detail["champion"]), unit, found.sample_size, True, found.value,
                             found.low, found.high, "lower"))
    return rows


def _worst(candidate: Proof, gated: str) -> Finding | None:
    """The attribute whose groups differ most by the measure that its gate looks at; None where none was measured."""
    found = [one for one in candidate.by_metric(f"fairness.{gated}") if one.segment.startswith("attribute=") and one.value is not None] \
        if gated else []
    worst = max if gated in LOWER_IS_BETTER else min
    return worst(found, key=lambda one: one.value or 0.0) if found else None


def _apart(own: Finding, theirs: dict[tuple[str, str], Finding]) -> Told | None:
    name = own.metric.rpartition(".")[2]
    other = theirs.get((own.metric, own.segment))
    if own.value is None:
        return None
    known = other is not None and other.state is State.OK
    title = TITLES.get(name, name) + (f", {own.segment.removeprefix('attribute=')}" if own.segment != "all" else "")
    return Told(title, own.value, other.value if known and other else None, own.unit, own.sample_size, False, better=_better(own.metric),
                why="" if known else why_missing(other))


def _better(metric: str) -> str:
    return "lower" if metric.rpartition(".")[2] in LOWER_IS_BETTER else "higher"
