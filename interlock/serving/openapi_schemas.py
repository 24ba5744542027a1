"""JSON Schemas of what one use case takes and gives, made from the model that answers it and the use case's own treatments."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from interlock.serving.domain import Domain, range_text
from interlock.serving.fields import TEXT_CHARACTERS_MAX
from interlock.serving.limits import Limits
from interlock.serving.shelf import Arm, Loaded, Serving

Schema = dict[str, Any]
TYPES = {"numeric": ["number"], "boolean": ["boolean"], "category": ["string", "integer", "boolean"],
         "context": ["string", "number", "boolean"]}
CLOCK = (r"-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
         r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$")
ID: Schema = {"type": ["string", "integer", "null"], "minLength": 1, "maxLength": 200, "minimum": -(2**63) + 1, "maximum": 2**63 - 1,
              "description": "Yours; joins labels, and decides which model answers while two do. Without it one is made."}
SHOWN_MAX = 1_000  # values of one category column that the document lists


def record_schema(serving: Serving, arm: Arm) -> Schema:
    """One record as `POST /v1/{use_case}/predict` takes it."""
    loaded, options = arm.loaded, serving.route.serving
    fields = {name: field_schema(serving, loaded, name, kind) for name, kind in loaded.fields.items()}
    schema: Schema = {"type": "object", "properties": {"id": ID, "event_time": time_schema("When the prediction is made; without it: now."),
                                                       **fields},
                      "required": [] if options.absent == "flag" else list(loaded.inputs), "examples": [example_record(loaded)]}
    return schema | ({} if options.unknown == "flag" else {"additionalProperties": False})


def time_schema(text: str) -> Schema:
    """A time that is taken; the pattern knows years, not days: made anew every year."""
    years = "|".join(str(year) for year in range(1990, datetime.now(UTC).year + 1))
    return {"type": ["string", "null"], "format": "date-time", "pattern": f"^({years}){CLOCK}", "maxLength": 40,
            "description": f"{text} ISO 8601 with a zone, from 1990-01-01 to one day from now."}


def field_schema(serving: Serving, loaded: Loaded, name: str, kind: str) -> Schema:
    """One field: its types, bounds and values where others are refused, and what the use case says about it."""
    options, domain = serving.route.serving, loaded.domain
    spared = options.missing == "refuse" and name in domain.required
    types = [*TYPES[kind], *([] if spared else ["null"])]
    schema: Schema = {"type": types, "description": meaning_of(domain, name, kind)}
    if title := title_of(domain, name):
        schema["title"] = title
    if "string" in types:
        schema["maxLength"] = TEXT_CHARACTERS_MAX
    if kind == "category" and name in domain.categories:
        known = sorted(domain.categories[name])[:SHOWN_MAX]
        if options.unseen == "refuse":
            return {"enum": [*known, *([] if spared else [None])], "description": schema["description"]} | (
                {"title": schema["title"]} if "title" in schema else {})
        schema["examples"] = known[:10]
    if name in domain.declared and options.out_of_range == "refuse":
        low, high = domain.declared[name]
        schema |= {key: bound for key, bound in (("minimum", low), ("maximum", high)) if not math.isinf(bound)}
    return schema if options.mistyped == "refuse" else {key: value for key, value in schema.items() if key not in ("type", "maxLength")}


def title_of(domain: Domain, name: str) -> str:
    """The field's name for people; empty where nobody wrote one."""
    column = domain.columns.get(name)
    return column.title if column is not None else ""


def meaning_of(domain: Domain, name: str, kind: str) -> str:
    """Kind, meaning, range and what training rows held, in one line."""
    column = domain.columns.get(name)
    parts = [column.description.rstrip(".")] if column is not None and column.description else []
    parts.append({"numeric": "Number", "boolean": "Yes or no", "category": "Category", "context": "Context: recorded, never scored"}[kind])
    if name in domain.declared:
        parts.append(f"Declared range: {range_text(domain.declared[name])}")
    if name in domain.trained:
        parts.append(f"Training rows: {range_text(domain.trained[name])}")
    if name in domain.categories:
        parts.append(f"{len(domain.categories[name])} categories known")
    return ". ".join(parts) + "."


def example_record(loaded: Loaded) -> dict[str, Any]:
    """A record that the model takes: usual numbers, the first category, false."""
    return {name: _example(loaded.domain, name, kind) for name, kind in loaded.fields.items() if name in set(loaded.inputs)}


def _example(domain: Domain, name: str, kind: str) -> Any:
    if kind == "numeric":
        low, high = domain.declared.get(name, (-math.inf, math.inf))
        value = min(max(domain.typical.get(name, 0.0), low), high)
        column = domain.columns.get(name)
        if column is not None and column.type == "integer" and low <= round(value) <= high:
            return round(value)
        return round(value, 6) if low <= round(value, 6) <= high else value
    if kind == "boolean":
        return False
    known = domain.categories.get(name)
    return min(known) if known else None


def answer_schema(serving: Serving, arm: Arm) -> Schema:
    """One answer of the reply."""
    manifest = arm.loaded.manifest
    abstains = serving.policy is not None and serving.policy.abstains
    or_null = ["null"] if abstains else []
    nobody = [None] if abstains else []
    kinds: Schema = {"binary": {"enum": [0, 1, *nobody]}, "multiclass": {"enum": [*manifest.classes, *nobody]},
                     "regression": {"type": ["number", *or_null]}}
    properties: Schema = {
        "id": {"type": "string"}, "score": {"type": ["number", *or_null], "description": "binary: probability of 1. multiclass: of the "
                                            "answered class. regression: the value."},
        "prediction": kinds[manifest.task] | {"description": manifest.meaning or "The answer."}, "version": {"type": "integer"},
        "digest": {"type": "string"}, "arm": {"type": "string"}, "flags": {"type": "array", "items": {"type": "string"}}}
    if manifest.task == "multiclass":
        properties["scores"] = {"type": ["array", *or_null], "items": {"type": "number"}, "description": ", ".join(manifest.classes)}
    if manifest.intervals is not None:
        properties["interval"] = {"type": ["array", *or_null], "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    if abstains:
        properties |= {"abstained": {"type": "boolean"}, "answered_by": {"enum": ["model", "champion", "rule", "person"]},
                       "reason": {"type": "string"}, "abstained_version": {"type": "integer"}}
    properties["reasons"] = {"$ref": "#/components/schemas/Reasons"}
    return {"type": "object", "properties": properties, "required": ["id", "score", "prediction", "version", "digest", "arm", "flags"]}


def predict_schema(serving: Serving, arm: Arm, limits: Limits, record: str) -> Schema:
    """The body of `POST /v1/{use_case}/predict`; `record` names the schema of a record."""
    options = serving.route.serving
    rows_max = min(options.rows_max or limits.rows_max, limits.rows_max)
    return {"type": "object", "required": ["records"], "additionalProperties": False, "properties": {
        "records": {"type": "array", "minItems": 1, "maxItems": rows_max, "items": {"$ref": record}},
        "explain": {"type": "boolean", "default": False,
                    "description": f"Reasons for each answer, for at most {options.explain_rows_max} records."}},
        "examples": [{"records": [example_record(arm.loaded)]}]}


def reply_schema(serving: Serving, answer: str) -> Schema:
    """The reply of `POST /v1/{use_case}/predict`."""
    each = serving.policy is not None and serving.policy.each
    refused = {"type": "object", "required": ["error", "problems"], "properties": {
        "error": {"type": "string"}, "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}}}}
    item: Schema = {"anyOf": [{"$ref": answer}, refused]} if each else {"$ref": answer}
    properties: Schema = {"use_case": {"type": "string"}, "version": {"type": "integer"}, "digest": {"type": "string"},
                          "generation": {"type": "integer"}, "predictions": {"type": "array", "items": item},
                          "captured": {"enum": [True, False, "relaxed"],
                                       "description": "Whether every answer is on the disk; relaxed: within 50 ms."}}
    if each:
        properties["refused"] = {"type": "integer", "description": "Records that did not fit: their problems stand in their places."}
    return {"type": "object", "required": ["use_case", "version", "digest", "generation", "captured", "predictions"],
            "properties": properties}


def labels_schema(arm: Arm, limits: Limits) -> Schema:
    """The body of `POST /v1/{use_case}/labels`."""
    manifest = arm.loaded.manifest
    kinds: Schema = {"binary": {"enum": [0, 1, False, True]}, "multiclass": {"enum": list(manifest.classes)},
                     "regression": {"type": "number", "exclusiveMinimum": -1e300, "exclusiveMaximum": 1e300}}
    first: Any = {"binary": 1, "multiclass": (manifest.classes or [""])[0]}.get(manifest.task, 0.5)
    item = {"type": "object", "required": ["id", "label"], "additionalProperties": False, "properties": {
        "id": {**ID, "type": ["string", "integer"], "description": "The id of the prediction."}, "label": kinds[manifest.task],
        "label_seen_time": time_schema("When the outcome was known; without it: now.")}}
    return {"type": "object", "required": ["labels"], "additionalProperties": False, "properties": {
        "labels": {"type": "array", "minItems": 1, "maxItems": limits.rows_max, "items": item}},
        "examples": [{"labels": [{"id": "f-1", "label": first}]}]}
