"""One record answered and explained only to be looked at: a question "what if", never an answer to a customer.

It is not captured, not counted, not mirrored, and takes no share of a release: the asker names the model, or the champion answers. Only
the control port hands such questions to a worker. Where production would have abstained, the model's own answer is told all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from interlock.errors import DataError, PackageError
from interlock.modeling.decision import group_column
from interlock.rules.canonical import iso
from interlock.serving.answering import Answer, answer_rows
from interlock.serving.domain import Range
from interlock.serving.reasons import contributions, given_values, told
from interlock.serving.records import Refused, Row, check_records
from interlock.serving.shelf import Arm, Loaded, Serving
from interlock.serving.wire import Refusal
from reports.answer_scale import with_probabilities
from reports.reasons import waterfall

LEVELS_MAX = 1_000  # of a category, told to the asker
NO_RANGE: Range = (-math.inf, math.inf)


def looked_at(serving: Serving, record: Mapping[str, Any], digest: str | None) -> dict[str, Any]:
    """The answer with its reasons and the way to it, and the fields that may be changed. `digest`: of a loaded model; None: the champion.

    Steps are path-dependent Shapley values in margin, for a yes-or-no answer in probability too (before any calibration). Raises
    `DataError` for a record that does not fit, `PackageError` where the model is not loaded.
    """
    arm = _arm(serving, digest)
    row = _checked(serving, record, arm)
    loaded, given = arm.loaded, dict(row.values)
    [answer] = answer_rows(loaded, [row])
    [found] = contributions(loaded, [answer])
    steps = waterfall(found[2], loaded.manifest.features.names, given_values(loaded, answer, found[1]), most=12)
    return {"use_case": serving.route.use_case, "version": arm.slot.version, "digest": loaded.digest, "arm": arm.name,
            "captured": False, "counted": False, "event_time": iso(row.event_time), "kind": "path-dependent",
            "calibrated": loaded.manifest.calibration is not None, "task": loaded.manifest.task,
            "waterfall": with_probabilities(steps, loaded.manifest.task), "reasons": told(loaded, *found),
            "fields": fields_of(loaded, given),
            "calendar": [spec.name for spec in loaded.manifest.features.specs if spec.kind == "calendar"],
            "outside": loaded.domain.untrained(given), **_answered(answer)}


def fields_of(loaded: Loaded, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What may be changed, in the model's order: name, title, kind, whether null is allowed, the value now, and what training held.

    `low`, `high`: of numbers, smallest and largest training value within the declared bounds, None where the package tells none;
    `whole`: whole numbers only (judged by the ends where the package tells no type); `levels`: of categories, the first 1,000. Attributes
    that came with the request and are no feature (`context`) are left out, except the one that thresholds by group read.
    """
    told_fields = []
    for name, kind in loaded.fields.items():
        if kind == "context" and name != group_column(loaded.manifest):
            continue
        column = loaded.domain.columns.get(name)
        low, high = _range(loaded, name) if kind == "numeric" else NO_RANGE
        told_fields.append({
            "name": name, "title": (column.title if column is not None else "") or name, "kind": kind, "value": values.get(name),
            "required": name in loaded.domain.required, "low": low if math.isfinite(low) else None,
            "high": high if math.isfinite(high) else None,
            "whole": low.is_integer() and high.is_integer() if column is None else column.type == "integer",
            "actionable": str(column.actionable) if column is not None and column.actionable is not False else None,
            "levels": _levels(loaded, name, kind)})
    return told_fields


def _arm(serving: Serving, digest: str | None) -> Arm:
    """The model with this digest among those of the route and the older ones that are loaded now."""
    arms = [*serving.arms.values(), *serving.older.values()]
    found = serving.champion if digest is None else next((arm for arm in arms if arm.loaded.digest == digest), None)
    if found is None:
        raise PackageError("the model that was asked for is not loaded in the server" if digest else "nothing is approved here yet",
                           value=digest, allowed=", ".join(f"version {arm.slot.version}" for arm in arms) or "none",
                           next_step="ask without naming a model: then the champion answers" if digest else "approve a candidate first")
    return found


def _checked(serving: Serving, record: Mapping[str, Any], arm: Arm) -> Row:
    """The record as a row, checked as a customer's is."""
    try:
        return check_records(serving, [dict(record)], arm=arm)[0]
    except Refused as refused:
        first = refused.body["problems"][0]
        raise DataError(f"the server refused the values: {refused.body['error']}", value=first.get("value"),
                        allowed=str(first.get("allowed", ""))) from refused
    except Refusal as refusal:
        raise DataError(str(refusal.body["error"])) from refusal


def _answered(answer: Answer) -> dict[str, Any]:
    return {"prediction": answer.prediction, "score": answer.score, "scores": answer.scores, "interval": answer.interval,
            "flags": answer.flags}


def _range(loaded: Loaded, name: str) -> Range:
    trained, declared = loaded.domain.trained.get(name, NO_RANGE), loaded.domain.declared.get(name, NO_RANGE)
    low, high = max(trained[0], declared[0]), min(trained[1], declared[1])
    return (low, high) if low <= high else trained


def _levels(loaded: Loaded, name: str, kind: str) -> list[str]:
    if kind != "category":
        return []
    return next((list(spec.categories[:LEVELS_MAX]) for spec in loaded.manifest.features.specs if spec.name == name), [])
