"""Where a candidate is weak and how it did before: slices, segments, what drives the mistakes, moments of the past, estimates on trial."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding

Numbers = tuple[float | None, ...]


@dataclass(frozen=True)
class Slice:
    """Mean loss in a group of rows beside that of all others, in `unit`; `confirmed` None: a declared segment, shown in any case."""

    name: str
    sample_size: int
    loss: float
    rest: float
    difference: float
    low: float | None
    high: float | None
    unit: str
    confirmed: bool | None = None


@dataclass(frozen=True)
class Drivers:
    """What makes the mistakes: feature → mean share of the loss over all rows, what adds most first, in nats or squared units; below 0 it
    takes mistakes away. `slices`: sentences about the groups where the loss is highest."""

    loss: str
    mean: float | None
    features: dict[str, float]
    sample_size: int | None
    slices: tuple[Finding, ...]


@dataclass(frozen=True)
class Past:
    """The metric at moments of the past, with interval, and that of a naive rule."""

    metric: str
    at: tuple[datetime, ...]
    value: Numbers
    low: Numbers
    high: Numbers
    naive: Numbers
    sample_size: int
    note: str


@dataclass(frozen=True)
class Trial:
    """An estimate without labels held against the truth, on parts of the held-out rows. `verdict` is the finding on how often it held."""

    metric: str
    rows: tuple[int, ...]
    estimated: Numbers
    true: Numbers
    verdict: Finding | None


def slices_of(proof: Proof) -> list[Slice]:
    """The suspected slices, the worst first; empty where none was found or the evidence is older."""
    unit = next((finding.unit for finding in proof.by_metric("performance.weakest_slice")), "")
    return [_slice(row, row["slice"], unit, bool(row["confirmed"])) for row in _part(proof, "slices").get("slices") or []]


def segments_of(proof: Proof) -> list[Slice]:
    """The segments that the use case names, the worst first."""
    unit = next((finding.unit for finding in proof.by_metric("performance.segment")), "")
    rows = [_slice(row, row["segment"], unit, None) for row in _part(proof, "slices").get("segments") or []]
    return sorted(rows, key=lambda one: -one.difference)


def drivers_of(proof: Proof, shown: int = 12) -> Drivers | None:
    """What drives the mistakes; None where it was not computed."""
    drawn = _part(proof, "explain").get("loss") or {}
    if not drawn.get("drivers") and not drawn.get("slices"):
        return None
    rows = next((finding.sample_size for finding in proof.by_metric("explain.additivity")), None)
    ranked = sorted((drawn.get("drivers") or {}).items(), key=lambda item: (-item[1], item[0]))
    hurting = [item for item in ranked if item[1] > 0][: shown * 2 // 3]
    helping = [item for item in ranked if item[1] <= 0][-(shown - len(hurting)):]
    return Drivers(str(drawn.get("loss", "loss")), drawn.get("mean"), dict([*hurting, *helping]), rows,
                   tuple(finding for finding in proof.by_metric("explain.loss_excess") if finding.value is not None))


def past_of(proof: Proof) -> Past | None:
    """The backtest; None where there is none."""
    drawn = _part(proof, "backtest").get("backtest")
    if not drawn or not drawn.get("at"):
        return None
    note = next((finding.note for finding in proof.by_metric("performance.backtest")), "")
    return Past(drawn["metric"], tuple(datetime.fromisoformat(str(at)) for at in drawn["at"]), tuple(drawn["value"]), tuple(drawn["low"]),
                tuple(drawn["high"]), tuple(drawn["naive"]), sum(drawn["test_rows"]), note)


def trial_of(proof: Proof) -> Trial | None:
    """How estimates without labels did on the held-out rows; None where there were too few rows to try."""
    drawn = _part(proof, "estimate").get("estimates")
    if not drawn or not drawn.get("rows"):
        return None
    verdict = next(iter(proof.by_metric("performance.estimate_coverage")), None)
    return Trial(drawn["metric"], tuple(drawn["rows"]), tuple(drawn["estimated"]), tuple(drawn["true"]), verdict)


def _part(proof: Proof, name: str) -> dict[str, Any]:
    found = proof.evidence.figures.get(name)
    return found if isinstance(found, dict) else {}


def _slice(row: dict[str, Any], name: str, unit: str, confirmed: bool | None) -> Slice:
    return Slice(str(name), int(row["rows"]), row["loss"], row["rest_loss"], row["difference"], row["low"], row["high"], unit, confirmed)
