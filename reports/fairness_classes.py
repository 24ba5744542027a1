"""Fairness with several classes: the favourable classes against the rest, or, where nobody named them, every class against the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.rules.findings import Finding
from interlock.spec.fairness import Fairness
from reports.fairness import NAMED_GROUPS, fairness_findings, undeclared

Floats = NDArray[np.float64]
CLASSES_MAX = 20


def class_findings(y: Floats, prediction: Floats, scores: Floats, classes: Sequence[str], sensitive: pl.DataFrame, policy: Fairness, *,
                   gated: Collection[str] = ()) -> tuple[list[Finding], dict[str, Any]]:
    """Fairness of a model that answers with one of k classes.

    `y`, `prediction` (n,) class numbers 0 … k-1, `scores` (n, k) probabilities, `classes` k names. With `policy.favourable_classes` the
    favourable answer is one of these: findings and figures are those of `fairness_findings`, the score being the sum of their
    probabilities. Without, every class (the first 20) is compared against the rest: `fairness.classes.<measure>`, segment
    `attribute=<name>, class=<class>`, figures {"_classes": {class: {attribute: table}}}; nothing is gated then, because nobody said
    which class is good for a person.
    """
    plain = policy.model_copy(update={"favourable": "positive"})
    if policy.favourable_classes:
        places = [place for place, name in enumerate(classes) if name in policy.favourable_classes]
        favoured = np.clip(scores[:, places].sum(axis=1), 0.0, 1.0)
        return fairness_findings(_is(y, places), _is(prediction, places), favoured, sensitive, plain, gated=gated)
    if not sensitive.width:
        return undeclared(policy, policy.metric), {}
    findings: list[Finding] = []
    tables: dict[str, Any] = {}
    for place, name in enumerate(classes[:CLASSES_MAX]):
        found, figures = fairness_findings(_is(y, [place]), _is(prediction, [place]), scores[:, place], sensitive,
                                           plain.model_copy(update={"rules": []}))
        tables[name] = {attribute: table for attribute, table in figures.items() if not attribute.startswith("_")}
        findings += [_of_class(finding, name) for finding in found if finding.metric.removeprefix("fairness.") in NAMED_GROUPS
                     and (finding.segment.startswith("attribute=") or _of_class(finding, name).metric in gated)]
    return findings, {"_classes": tables}


def _is(values: Floats, places: list[int]) -> Floats:
    return np.isin(values, places).astype(np.float64)


def _of_class(finding: Finding, name: str) -> Finding:
    return finding.model_copy(update={"metric": finding.metric.replace("fairness.", "fairness.classes.", 1),
                                      "segment": f"{finding.segment}, class={name}"})
