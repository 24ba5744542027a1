"""What decisions are worth, by threshold: from the figures of one evidence of a use case with a [value] section."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding, State

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Worth:
    """Value of 1,000 cases at each threshold, in `currency`. `present`: the threshold now; `proposed`: the one worth most on one half of
    the rows (None: too few rows to choose); `always_yes`, `always_no`: value without a model."""

    currency: str
    threshold: Numbers
    value: Numbers
    champion: Numbers | None
    present: float
    proposed: float | None
    always_yes: float
    always_no: float
    sample_size: int | None


@dataclass(frozen=True)
class NetBenefit:
    """Decision curve: net benefit per case at each threshold probability, of the model, the champion (None: none) and of always yes."""

    threshold: Numbers
    model: Numbers
    champion: Numbers | None
    always_yes: Numbers
    sample_size: int | None


def worth_of(proof: Proof) -> Worth | None:
    """None where the use case has no [value], is no yes-or-no task, or the evidence is older."""
    drawn = (proof.evidence.figures.get("value") or {}).get("money")
    if not drawn or not drawn.get("threshold"):
        return None
    proposal = drawn.get("proposal") or {}
    return Worth(drawn["currency"], tuple(drawn["threshold"]), tuple(drawn["value_per_1000"]), _numbers(drawn.get("champion_per_1000")),
                 drawn["present"], proposal.get("proposed"), drawn["always_yes"], drawn["always_no"], _rows(proof))


def net_benefit_of(proof: Proof) -> NetBenefit | None:
    """The decision curve beside it."""
    drawn = (proof.evidence.figures.get("value") or {}).get("decision_curve")
    if not drawn or not drawn.get("threshold"):
        return None
    return NetBenefit(tuple(drawn["threshold"]), tuple(drawn["model"]), _numbers(drawn.get("champion")), tuple(drawn["all"]), _rows(proof))


def money_findings(proof: Proof) -> list[Finding]:
    """What was measured in money, without the answer that there is no [value]."""
    return [finding for finding in proof.by_metric("performance.value_") if finding.value is not None or finding.state is not State.MISSING]


def _rows(proof: Proof) -> int | None:
    return next((finding.sample_size for finding in proof.by_metric("performance.value_per_1000") if finding.value is not None), None)


def _numbers(values: list[float] | None) -> Numbers | None:
    return None if values is None else tuple(values)
