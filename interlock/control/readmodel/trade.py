"""What stands in for a sensitive attribute, and what lessening a difference would cost, as one evidence has it."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.readmodel.proof import Proof

WAYS = {"none": "as it is", "reweighing": "reweighing", "exponentiated_gradient": "exponentiated gradient",
        "threshold": "thresholds by group"}


@dataclass(frozen=True)
class Stand:
    """One feature as a proxy: association 0 to 1, AUC of telling the group `told` (0.5: not at all), share of the model's reasons."""

    feature: str
    risk: float
    association: float
    share: float
    auc: float
    auc_low: float | None
    auc_high: float | None
    told: str


@dataclass(frozen=True)
class Proxies:
    """The features of one attribute, the largest risk first; `joint` is the sentence about all together, empty where not measured."""

    attribute: str
    features: tuple[Stand, ...]
    sample_size: int
    joint: str


@dataclass(frozen=True)
class Way:
    """One small model: how it was made, accuracy and the measure with 95 % intervals (None: not measured)."""

    name: str
    strength: float
    accuracy: float
    accuracy_low: float | None
    accuracy_high: float | None
    fairness: float | None
    fairness_low: float | None
    fairness_high: float | None
    clears: bool
    pareto: bool
    note: str

    @property
    def title(self) -> str:
        """`reweighing, strength 0.5`."""
        words = WAYS.get(self.name, self.name.replace("_", " "))
        return words if self.name == "none" else f"{words}, strength {self.strength:g}"


@dataclass(frozen=True)
class Frontier:
    """Ways to lessen a difference; the first one is the model as it is. `sentence`: what the cheapest way that clears the limit costs."""

    attribute: str
    measure: str
    limit: float
    sample_size: int
    ways: tuple[Way, ...]
    sentence: str
    trained_on: int | None = None


def proxies_of(proof: Proof, shown: int = 10) -> list[Proxies]:
    """Per attribute the `shown` features of the largest risk; empty where the evidence has none."""
    joint = {finding.segment.removeprefix("attribute="): finding.note for finding in proof.by_metric("fairness.proxy_joint")}
    found = []
    for attribute, table in (proof.evidence.figures.get("proxies") or {}).items():
        features = tuple(Stand(row["feature"], row["risk"], row["cramers_v"], row["share"], row["auc"], row["auc_low"], row["auc_high"],
                               row["told"]) for row in table["features"][:shown])
        found.append(Proxies(attribute, features, int(table["rows"]), joint.get(attribute, "")))
    return found


def frontier_of(proof: Proof) -> Frontier | None:
    """The frontier; None where every fairness gate held, so that none was made, or the evidence is older."""
    drawn = proof.evidence.figures.get("frontier")
    if not drawn or not drawn.get("points"):
        return None
    names = tuple(name for name in Way.__dataclass_fields__ if name not in {"name", "note"})
    ways = tuple(Way(name=point["option"], note=point.get("note", ""), **{name: point[name] for name in names})
                 for point in drawn["points"])
    sentence = next((finding.note for finding in proof.by_metric("fairness.mitigation_cost")), "")
    return Frontier(drawn["attribute"], drawn["measure"], drawn["limit"], int(drawn["rows"]), ways, sentence, drawn.get("trained_on"))
