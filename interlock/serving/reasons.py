"""Reasons for an answer on demand: XGBoost's own contributions of the loaded booster, in the words of the use-case file.

The method is that of `interlock explain` (path-dependent Shapley values, at most four reason codes), which finds the same for a captured
request afterwards. A principal reason that must not be stated (a sensitive attribute, a feature without words) makes the list incomplete;
the reply says so and names nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.features import Matrix
from interlock.serving.answering import Answer
from interlock.serving.domain import spelled
from interlock.serving.shelf import Loaded
from reports.reasons import Direction, Reasons, reason_codes
from reports.shapley import explain_rows

Floats = NDArray[np.float64]


def with_reasons(answers: list[Answer]) -> list[Answer]:
    """The answers with `reasons`; without where a person or a rule answers, because no model did. Milliseconds a record: in a thread."""
    found: dict[int, dict[str, Any]] = {}
    by_model: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer.outcome is None or not answer.outcome.replaced:
            by_model.setdefault(answer.row.arm.loaded.digest, []).append(place)
    for places in by_model.values():
        chosen = [answers[place] for place in places]
        found |= dict(zip(places, explained(chosen[0].row.arm.loaded, chosen), strict=True))
    return [replace(answer, reasons=found[place]) if place in found else answer for place, answer in enumerate(answers)]


def explained(loaded: Loaded, answers: list[Answer]) -> list[dict[str, Any]]:
    """Reasons of answers of one model, as the reply tells them."""
    return [told(loaded, *one) for one in contributions(loaded, answers)]


def contributions(loaded: Loaded, answers: list[Answer]) -> Iterator[tuple[Answer, Matrix, Floats, str]]:
    """Each answer of one model with its encoded row (f,), Shapley values (f + 1,) in margin, and which answer they are of."""
    matrix, _ = loaded.encoder.encode([answer.row.values for answer in answers], [answer.row.event_time for answer in answers])
    manifest = loaded.manifest
    all_found = explain_rows(loaded.model.booster, matrix, manifest.features.feature_types, threads=1, engine="xgboost").contributions
    for place, answer in enumerate(answers):
        found, what = all_found[place], "the value"
        if manifest.task == "multiclass":
            found, what = found[manifest.classes.index(str(answer.prediction))], f"the class {answer.prediction}"
        elif manifest.task == "binary":
            what = "the probability of a yes"
        yield answer, matrix[place], found, what


def told(loaded: Loaded, answer: Answer, row: Matrix, found: Floats, what: str) -> dict[str, Any]:
    """The reasons of one answer as the reply tells them."""
    return _told(_reasons(loaded, answer, row, found), what)


def given_values(loaded: Loaded, answer: Answer, row: Matrix) -> dict[str, Any]:
    """Feature → its value as the request gave it, or as the server computed it."""
    names, values = loaded.manifest.features.names, answer.row.values
    return {name: _given(loaded, name, values[name]) if name in values else _known(row[place]) for place, name in enumerate(names)}


def _reasons(loaded: Loaded, answer: Answer, row: Matrix, found: Floats) -> Reasons:
    return reason_codes(found, loaded.manifest.features.names, given_values(loaded, answer, row), loaded.domain.words,
                        typical=loaded.domain.typical, direction=_direction(loaded, found))


def _direction(loaded: Loaded, found: Floats) -> Direction:
    """Toward the unfavourable answer (binary), the class that was answered (multiclass), away from the average (regression)."""
    if loaded.manifest.task == "multiclass":
        return "up"
    if loaded.manifest.task == "regression":
        return "up" if found[:-1].sum() >= 0 else "down"
    return "up" if loaded.domain.favourable == "negative" else "down"


def _given(loaded: Loaded, name: str, value: Any) -> Any:
    return spelled(value) if value is not None and loaded.fields.get(name) == "category" else value


def _known(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)


def _told(reasons: Reasons, what: str) -> dict[str, Any]:
    """Contributions in margin, toward the direction; `share` of all that speaks in it, 0 to 1."""
    codes = [{"text": one.text, "features": list(one.features), "contribution": one.contribution, "share": one.share}
             for one in reasons.codes]
    return {"explained": what, "direction": reasons.direction, "codes": codes, "complete": reasons.complete, "base": reasons.base,
            "margin": reasons.margin, "note": reasons.note}
