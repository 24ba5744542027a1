"""Pictures of one evidence, from its figures: curves, SHAP importance and cloud, tables of groups; found and named, not computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from interlock.control.readmodel.proof import Proof

Number = float | None
AXIS = {"precision": "precision", "recall": "recall", "false_positive_rate": "false positive rate", "selection_rate": "selected"}
GROUP_TITLES = {"selection_rate": "selected", "true_positive_rate": "true positives", "false_positive_rate": "false positives",
                "accuracy": "accuracy", "auc": "AUC", "rmse": "RMSE", "mae": "MAE"}


@dataclass(frozen=True)
class Curve:
    """One line to draw, with what a reader needs to know. `others` share its x."""

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


@dataclass(frozen=True)
class SwarmRow:
    """One feature of the cloud: SHAP value and own value of each case (None: missing)."""

    name: str
    shap: tuple[float, ...]
    values: tuple[Number, ...]


@dataclass(frozen=True)
class Swarm:
    """The cloud, the feature that matters most first. `sample_size`: cases explained, of which the cloud may show fewer."""

    points: tuple[SwarmRow, ...]
    sample_size: int | None


@dataclass(frozen=True)
class Value:
    """A value with its interval."""

    value: Number
    low: Number = None
    high: Number = None


@dataclass(frozen=True)
class Group:
    """One group. `enough` is False where it has too few rows; `note` says how many it would need."""

    name: str
    sample_size: int
    values: dict[str, Value]
    enough: bool = True
    note: str = ""


@dataclass(frozen=True)
class GroupTable:
    """The groups of one attribute. `titles`: measure → name for people; `main` is the one to draw."""

    attribute: str
    groups: tuple[Group, ...]
    titles: dict[str, str]
    main: str


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
             "line the scores can be read as probabilities; below it the model promises too much.")
    return Curve("Calibration", about, tuple(row["mean_score"] for row in table), tuple(row["mean_outcome"] for row in table),
                 "mean score of the group", "share that came true", diagonal=True, sample_size=sum(int(row["rows"]) for row in table))


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
    """Feature → mean absolute SHAP value; empty where the evidence has none."""
    table = found(proof, "importance") or found(proof, "global")
    if isinstance(table, dict):
        return {str(name): float(value) for name, value in table.items()}
    if isinstance(table, list):
        return {str(row["feature"]): float(row.get("mean_abs", row.get("value", 0.0))) for row in table}
    return {}


def swarm(proof: Proof, features: int = 12) -> Swarm:
    """The cloud of the features that matter most."""
    cloud = found(proof, "beeswarm")
    rows = max((finding.sample_size for finding in proof.by_metric("explain.")), default=0) or None
    if not cloud:
        return Swarm((), rows)
    listed = cloud if isinstance(cloud, list) else [{"feature": name, **item} for name, item in cloud.items()]
    points = [SwarmRow(str(row["feature"]), tuple(float(one) for one in row["shap"]), tuple(_number(one) for one in row["values"]))
              for row in listed if isinstance(row, dict) and "shap" in row]
    return Swarm(tuple(points[:features]), rows)


def group_tables(proof: Proof) -> list[GroupTable]:
    """One table per sensitive attribute; empty where the evidence has none."""
    tables = found(proof, "fairness") or found(proof, "group_tables") or {}
    return [table for attribute, rows in tables.items() if isinstance(rows, list) and (table := _table(str(attribute), rows))]


def _table(attribute: str, rows: list[dict[str, Any]]) -> GroupTable | None:
    titles = {name: title for name, title in GROUP_TITLES.items() if any(name in row for row in rows)}
    if not titles:
        return None
    groups = tuple(Group(str(row.get("group")), int(row.get("n", row.get("rows", 0))), {name: _value(row.get(name)) for name in titles},
                         bool(row.get("enough", True)), str(row.get("note", ""))) for row in rows)
    return GroupTable(attribute, groups, titles, next(iter(titles)))


def _value(item: Any) -> Value:
    if isinstance(item, dict):
        return Value(_number(item.get("value")), _number(item.get("low")), _number(item.get("high")))
    return Value(_number(item))


def _number(item: Any) -> Number:
    return float(item) if isinstance(item, int | float) and not isinstance(item, bool) and item == item else None
