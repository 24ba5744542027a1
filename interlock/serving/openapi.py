"""The OpenAPI 3.1 document of the predictions port, made from the models that are served now."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any

from interlock.serving.binary_tensors import KINDS
from interlock.serving.open_inference import DATATYPES
from interlock.serving.openapi_schemas import answer_schema, example_record, labels_schema, predict_schema, record_schema, reply_schema
from interlock.serving.shelf import Arm, Serving

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
ERRORS = {
    "400": "The body is not JSON of this shape, or a header is none of its kind.", "401": "This server asks for a key.",
    "403": "The key is not for this use case.", "404": "There is no such use case or version.",
    "405": "The address takes another method.", "408": "The body did not arrive in time.",
    "413": "The body is too large, or has too many records.",
    "415": "Compressed bodies are not accepted.", "422": "A record does not fit: each problem names field, value and what is allowed.",
    "429": "The key asks too often; see Retry-After.", "500": "The server failed on this request; it is in its log.",
    "503": "The server is busy, stopping, has no approved model, or cannot record; see Retry-After.",
    "504": "The deadline that the request named has passed."}
READING = ("401", "403", "404", "405", "429", "500", "503", "504")
ALWAYS = ("405", "500")
COMPONENTS: Schema = {
    "Error": {"type": "object", "required": ["error"], "properties": {
        "error": TEXT, "allowed": TEXT, "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}}}},
    "Problem": {"type": "object", "required": ["field", "problem", "value", "allowed"], "properties": {
        "record": {"type": "integer"}, "field": {"type": ["string", "null"]}, "problem": TEXT, "value": TEXT, "allowed": TEXT}},
    "Reasons": {"type": ["object", "null"], "description": "Null where no model answered.", "required": ["direction", "codes", "complete"],
                "properties": {"explained": TEXT, "direction": {"enum": ["up", "down"]}, "complete": {
                    "type": "boolean", "description": "false: a principal reason cannot be stated; do not send the others."},
                    "codes": {"type": "array", "maxItems": 4, "items": {"type": "object", "properties": {
                        "text": TEXT, "features": {"type": "array", "items": TEXT}, "contribution": {"type": "number"},
                        "share": {"type": "number"}}}}, "base": {"type": "number"}, "margin": {"type": "number"}, "note": TEXT}},
    "InferReply": {"type": "object", "required": ["model_name", "model_version", "id", "outputs"], "properties": {
        "model_name": TEXT, "model_version": TEXT, "id": TEXT, "parameters": {"type": "object"},
        "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "datatype", "shape"]}}}}}


def document(endpoint: Endpoint) -> Schema:
    """The whole document. Use cases without an approved model have no address in it."""
    schemas, paths = dict(COMPONENTS), _own_paths()
    for name, serving in sorted(endpoint.shelf.serving.items()):
        if serving.champion is not None:
            schemas |= _schemas(endpoint, name, serving, serving.champion)
            paths |= _paths(name, serving.champion)
    found: Schema = {"openapi": "3.1.0", "info": {
        "title": "Interlock prediction server", "version": installed_version("interlock-control"),
        "description": "Plain JSON records under /v1, the Open Inference Protocol (version 2) under /v2. Every field of every use case is "
                       "that of the model that answers now."}, "paths": paths, "components": {"schemas": schemas}}
    if endpoint.keys is not None:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}]
    return found


def _schemas(endpoint: Endpoint, name: str, serving: Serving, champion: Arm) -> Schema:
    here = f"#/components/schemas/{name}"
    return {f"{name}.Record": record_schema(serving, champion), f"{name}.Answer": answer_schema(serving, champion),
            f"{name}.Predict": predict_schema(serving, champion, endpoint.limits, f"{here}.Record"),
            f"{name}.Reply": reply_schema(serving, f"{here}.Answer"), f"{name}.Labels": labels_schema(champion, endpoint.limits),
            f"{name}.Infer": _infer_schema(champion)}


def _paths(name: str, champion: Arm) -> Schema:
    here, manifest = f"#/components/schemas/{name}", champion.loaded.manifest
    title = manifest.title or name
    version = [{"name": "version", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,9}$"},
                "example": str(champion.slot.version)}]
    infer = {"$ref": "#/components/schemas/InferReply"}
    metadata = {"type": "object", "required": ["name", "versions", "inputs", "outputs"]}
    ready = {"type": "object", "required": ["name", "ready"]}
    found = {
        f"/v1/{name}/predict": {"post": _write(name, f"{title}: predict", f"{here}.Predict", {"$ref": f"{here}.Reply"})},
        f"/v1/{name}/labels": {"post": _write(name, f"{title}: true outcomes", f"{here}.Labels", {
            "type": "object", "required": ["accepted", "captured"]})}}
    for base, parameters in ((f"/v2/models/{name}", []), (f"/v2/models/{name}/versions/{{version}}", version)):
        found |= {base: {"get": _read(name, f"{title}: fields and outputs", metadata, parameters)},
                  f"{base}/ready": {"get": _read(name, f"{title}: whether it answers", ready, parameters)},
                  f"{base}/infer": {"post": _write(name, f"{title}: predict, Open Inference Protocol", f"{here}.Infer", infer, parameters)}}
    return found


def _own_paths() -> Schema:
    flag = {"type": "object"}
    return {"/v2": {"get": _read("server", "Name, version, extensions", flag, statuses=ALWAYS)},
            "/v2/health/live": {"get": _read("server", "Whether the server lives", flag, statuses=ALWAYS)},
            "/v2/health/ready": {"get": _read("server", "Whether the server takes requests", flag, statuses=(*ALWAYS, "503"))},
            "/v2/repository/index": {"post": _read("server", "Every use case and version", {"type": "array"}, statuses=READING)}}


def _read(tag: str, summary: str, schema: Schema, parameters: list[Schema] | None = None, statuses: tuple[str, ...] = READING) -> Schema:
    return {"tags": [tag], "summary": summary, "parameters": parameters or [],
            "responses": {"200": {"description": "Done.", "content": {"application/json": {"schema": schema}}}, **_errors(statuses)}}


def _write(tag: str, summary: str, body: str, schema: Schema, parameters: list[Schema] | None = None) -> Schema:
    deadline = {"name": "X-Request-Deadline-Ms", "in": "header", "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": 600_000},
                "description": "Milliseconds after which nobody waits for the answer any more."}
    return _read(tag, summary, schema, [*(parameters or []), deadline], tuple(ERRORS)) | {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": body}}}}}


def _errors(statuses: tuple[str, ...]) -> Schema:
    return {status: {"description": ERRORS[status], "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
            for status in statuses}


def _infer_schema(champion: Arm) -> Schema:
    tensor = {"type": "object", "required": ["name", "shape", "datatype", "data"], "properties": {
        "name": {"enum": [*champion.loaded.fields, "id", "event_time"]}, "datatype": {"enum": list(KINDS)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
        "data": {"type": "array"}, "parameters": {"type": "object"}}}
    example = [{"name": name, "shape": [1], "datatype": DATATYPES[champion.loaded.fields[name]], "data": [value]}
               for name, value in example_record(champion.loaded).items()]
    return {"type": "object", "required": ["inputs"], "additionalProperties": False, "properties": {
        "id": {"type": ["string", "null"]}, "inputs": {"type": "array", "items": tensor, "minItems": 1},
        "outputs": {"type": ["array", "null"], "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT}}},
        "parameters": {"type": "object"}, "model_name": {"type": ["string", "null"]}, "model_version": {"type": ["string", "null"]}},
        "examples": [{"inputs": example}],
        "description": "One tensor per field, all of the same number of rows. Values may follow the JSON in binary: docs/serving.md."}
