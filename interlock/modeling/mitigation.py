"""Mitigation in training: which rows count how much, which booster is packaged, which thresholds go with it. `[mitigation]` decides.

Nothing here happens unless a use case asks for it with a reason. What was done stands in the manifest's training notes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.spec.mitigation import Mitigation
from interlock.spec.usecase import UseCase
from reports.fairness_groups import GROUPS_MAX, MISSING, group_names

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]
NOTES = {
    "reweighing": "Rows were weighed so that group and label are independent (Kamiran and Calders 2012); the attribute is not used to "
                  "answer.",
    "exponentiated_gradient": "Fairlearn's exponentiated gradient finds a random mixture of models. Packaged is one booster, refitted with "
                              "the example weights of its best single model: what holds for the mixture on average need not hold for it, "
                              "and its scores are not probabilities of the outcome. The attribute is not used to answer.",
    "threshold": "One threshold per group, nearest to Fairlearn's randomised solution. The attribute is used to answer, which can itself "
                 "be unlawful; a request without a known group gets the ordinary threshold and is flagged.",
}


def mitigation_weights(use_case: UseCase, rows: pl.DataFrame, labels: Floats) -> Floats | None:
    """The weight of each row (n,) where the use case asks for reweighing; None else."""
    asked = use_case.mitigation
    if asked.method != "reweighing":
        return None
    return reweighing(groups_of(asked, rows), labels, strength=asked.strength)


def with_mitigation(use_case: UseCase, rows: pl.DataFrame, labels: Floats, weights: Floats | None) -> Floats | None:
    """The weights given (None: every row counts the same), times those that mitigation asks for."""
    wanted = mitigation_weights(use_case, rows, labels)
    if wanted is None:
        return weights
    return wanted if weights is None else wanted * weights


def reweighing(groups: Texts, labels: Floats, *, strength: float = 1.0) -> Floats:
    """Weights (n,) that make group and label independent: w(g, y) = P(g) · P(y) / P(g, y), mean 1 (Kamiran and Calders 2012, 4.2).

    `strength` in (0, 1]: 1 + strength · (w - 1). A missing group is a group. One group or one class only: every weight is 1.
    """
    _, group = np.unique(groups, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    cell = group * classes.size + label
    counts = np.bincount(cell, minlength=(int(group.max(initial=0)) + 1) * max(classes.size, 1)).astype(np.float64)
    expected = np.bincount(group)[group] * np.bincount(label)[label] / max(labels.size, 1)
    weights: Floats = expected / counts[cell]
    return 1.0 + strength * (weights - 1.0)


def groups_of(asked: Mitigation, rows: pl.DataFrame) -> Texts:
    """The group of each row; numbers with more than 12 values in quartile bands. `DataError` without the column, or over 50 groups."""
    if asked.attribute is None or asked.attribute not in rows.columns:
        raise DataError("the rows lack the attribute of [mitigation]", value=asked.attribute,
                        next_step='ingest the column, or set method = "none"')
    groups = group_names(rows[asked.attribute])
    found = np.unique(groups[groups != MISSING]).size
    if not 2 <= found <= GROUPS_MAX:
        raise DataError("[mitigation] needs groups to compare", value=f"{found} different values of '{asked.attribute}'",
                        allowed=f"2 to {GROUPS_MAX}", next_step='choose another attribute, or set method = "none"')
    return groups


def mitigation_notes(use_case: UseCase, **more: Any) -> dict[str, Any]:
    """What the manifest says about mitigation; empty where none was asked for."""
    asked = use_case.mitigation
    if asked.method == "none":
        return {}
    return {"mitigation": {"method": asked.method, "attribute": asked.attribute, "constraint": asked.constraint, "strength": asked.strength,
                           "reason": asked.reason, "note": NOTES[asked.method], **more}}
