"""Pictures of one evidence, from its figures: curves, SHAP importance and cloud; found and named, not computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.proof import Proof

AXIS = {"precision": "precision", "recall": "recall", "false_positive_rate": "false positive rate", "selection_rate": "selected"}


@dataclass(frozen=True)
class Curve:
    """One line to draw, with what a reader needs to know. `others` share its x; `low`, `high`: 95 % interval of each y, empty without;
    `about_scores`: whether it says how far scores can be read as probabilities."""

    title: str
    about: str
    x: tuple[float, ...]
    y: tuple[Number, ...]
    x_title: str
    y_title: str
    name: str = "candidate"
    unit: str = "0 to 1"
    diagonal: bool = False
    sample_size: int | None = None
    others: dict[str, tuple[Number, ...]] = field(default_factory=dict)
    low: tuple[Number, ...] = ()
    high: tuple[Number, ...] = ()
    about_scores: bool = False


@dataclass(frozen=True)
class SwarmRow:
    """One feature of the cloud: SHAP value of each case, and the place of its own value among all, 0 to 1 (None: missing)."""

    name: str
    shap: tuple[float, ...]
    values: tuple[Number, ...]


@dataclass(frozen=True)
class Swarm:
    """The cloud, the feature that matters most first. `sample_size`: cases explained, of which the cloud may show fewer."""

    points: tuple[SwarmRow, ...]
    sample_size: int | None


def curves(proof: Proof) -> list[Curve]:
    """ROC, calibration and threshold curves (binary); predicted against actual (regression). Empty where the evidence has none."""
    rows = max((finding.sample_size for finding in proof.by_metric("performance.")), default=0) or None
    return [one for one in (_roc(proof, rows), _calibration(proof), _thresholds(proof, rows), _groups_of_predictions(proof)) if one]


def found(proof: Proof, name: str) -> Any:
    """The figure of this name, on the first or second level of the evidence's figures; None where there is none."""
    figures = proof.evidence.figures
    if figures.get(name):
        return figures[name]
    return next((inner[name] for inner in figures.values() if isinstance(inner, dict) and inner.get(name)), None)


def _roc(proof: Proof, rows: int | None) -> Curve | None:
    roc = found(proof, "roc")
    if not roc or not roc.get("false_positive_rate"):
        return None
    about = ("For every threshold: how many true cases are caught (up) at the price of how many false alarms (right). The dotted line is a "
             "coin toss; the further above it, the better the ranking.")
    return Curve("ROC curve", about, tuple(roc["false_positive_rate"]), tuple(roc["true_positive_rate"]), "false positive rate",
                 "true positive rate", diagonal=True, sample_size=rows)


def _calibration(proof: Proof) -> Curve | None:
    table = found(proof, "bins")
    if not isinstance(table, list) or not table:
        return None
    about = ("Cases sorted into groups by their score: right is what the model says on average, up is how often it was so. On the dotted "
             "line the scores can be read as probabilities; below it the model promises too much. Bars: the 95 % interval of each share.")
    return Curve("Calibration", about, tuple(row["mean_score"] for row in table), tuple(row["mean_outcome"] for row in table),
                 "mean score of the group", "share that came true", diagonal=True, sample_size=sum(int(row["rows"]) for row in table),
                 low=tuple(row.get("low") for row in table), high=tuple(row.get("high") for row in table), about_scores=True)


def _thresholds(proof: Proof, rows: int | None) -> Curve | None:
    table = found(proof, "thresholds")
    if not table or not table.get("threshold"):
        return None
    others = {AXIS[name]: tuple(table[name]) for name in ("recall", "selection_rate", "false_positive_rate") if name in table}
    about = ("Right is the threshold on the score. With a higher one the model says yes less often: it is right more often when it does "
             "(precision), and misses more (recall).")
    return Curve("What another threshold would do", about, tuple(table["threshold"]), tuple(table["precision"]), "threshold", "share",
                 name="precision", sample_size=rows, others=others)


def _groups_of_predictions(proof: Proof) -> Curve | None:
    groups = found(proof, "groups")
    if not isinstance(groups, dict) or not groups.get("predicted"):
        return None
    about = "Cases sorted into groups of equal size by their prediction: right is the mean prediction, up the mean outcome."
    return Curve("Predicted and actual", about, tuple(groups["predicted"]), tuple(groups["actual"]), "mean prediction", "mean outcome",
                 unit="unit of the target", sample_size=sum(groups["rows"]))


def importance(proof: Proof) -> dict[str, float]:
    """Feature → its share of the mean absolute SHAP value (shares sum to 1); empty where the evidence has none."""
    return {str(name): float(share) for name, share in (found(proof, "importance") or {}).items()}


def swarm(proof: Proof, features: int = 12) -> Swarm:
    """The cloud of the features that matter most: per case the SHAP value and the place (0 to 1) of its own value among all."""
    rows = next((finding.sample_size for finding in proof.by_metric("explain.") if finding.sample_size), None)
    points = [SwarmRow(str(name), tuple(float(shap) for shap, _ in dots), tuple(number(place) for _, place in dots))
              for name, dots in (found(proof, "beeswarm") or {}).items()]
    return Swarm(tuple(points[:features]), rows)
