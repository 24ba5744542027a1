"""Open Inference Protocol, version 2, JSON: one named tensor per feature; `null` means missing.

Two more tensors are understood: `id` (BYTES, one request id per row) and `event_time` (BYTES, ISO 8601 with a zone). Without `id`,
a request's own id names its row; several rows become `<id>/0`, `<id>/1`, … One request is answered by one model.
"""

from __future__ import annotations

import math
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any

import msgspec

from interlock.records.ids import new_id
from interlock.serving.answering import Answer
from interlock.serving.fields import OWN
from interlock.serving.records import Row, check_records
from interlock.serving.shelf import Arm, Serving
from interlock.serving.wire import Receive, Refusal, Scope, header

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint

DATATYPES = {"numeric": "FP64", "boolean": "BOOL", "category": "BYTES", "context": "BYTES"}


class Tensor(msgspec.Struct):
    """An input tensor: one value per row."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = {}


class InferBody(msgspec.Struct, forbid_unknown_fields=True):
    """A request of the protocol."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[dict[str, Any]] = []


_infer = msgspec.json.Decoder(InferBody)


async def infer(endpoint: Endpoint, name: str, version: str | None, scope: Scope, receive: Receive) -> dict[str, Any]:
    """Answer a batch of tensors."""
    asked = endpoint.serving(name)
    _arm(asked, name, version)
    if header(scope, b"inference-header-content-length") is not None:
        raise Refusal(415, "binary tensors are not understood", close=True, allowed="JSON tensors")
    body = await endpoint.body(scope, receive, _infer, asked)
    request_id = body.id or new_id()
    serving = endpoint.serving(name)
    arm = _arm(serving, name, version) if version is not None else serving.arm_for(request_id)
    if arm is None:
        raise Refusal(503, f"use case '{name}' has no champion yet: nothing has been approved", headers={"retry-after": "5"})
    rows = _row_count(body.inputs)

    def prepare() -> list[Row]:
        return check_records(serving, _records(body.inputs, request_id, rows), arm)

    answers, captured = await endpoint.predict(serving, rows, prepare)
    return _reply(name, request_id, serving, answers, captured)


def server_metadata() -> dict[str, Any]:
    return {"name": "interlock", "version": installed_version("interlock-control"), "extensions": []}


def model_metadata(endpoint: Endpoint, name: str, version: str | None) -> dict[str, Any]:
    """Inputs and outputs of the champion or of a named version; every version that may be asked for."""
    serving = endpoint.serving(name)
    arm = _arm(serving, name, version)
    if arm is None:
        raise Refusal(503, f"use case '{name}' has no champion yet: nothing has been approved", headers={"retry-after": "5"})
    manifest = arm.loaded.manifest
    needed = set(arm.loaded.inputs)
    inputs = [{"name": field, "datatype": DATATYPES[kind], "shape": [-1], "parameters": {"optional": field not in needed}}
              for field, kind in arm.loaded.fields.items()]
    inputs += [{"name": field, "datatype": "BYTES", "shape": [-1], "parameters": {"optional": True}} for field in OWN]
    outputs: list[dict[str, Any]] = [
        {"name": "score", "datatype": "FP64", "shape": [-1]},
        {"name": "prediction", "datatype": {"binary": "INT64", "regression": "FP64"}.get(manifest.task, "BYTES"), "shape": [-1]}]
    if manifest.task == "multiclass":
        outputs.append({"name": "scores", "datatype": "FP64", "shape": [-1, len(manifest.classes)]})
    if manifest.intervals is not None:
        outputs.append({"name": "interval", "datatype": "FP64", "shape": [-1, 2],
                        "parameters": {"levels": [manifest.intervals.levels[0], manifest.intervals.levels[-1]]}})
    by_group = manifest.group_thresholds
    versions = sorted(serving.versions | set(endpoint.shelf.older.versions(name)), key=int)
    return {"name": name, "versions": versions, "platform": "xgboost_ubj",
            "inputs": inputs, "outputs": outputs,
            "parameters": {"version": str(arm.slot.version), "digest": arm.slot.digest, "task": manifest.task, "title": manifest.title,
                           "threshold": manifest.threshold, "meaning": manifest.meaning, "moment": manifest.moment,
                           **({} if by_group is None else {"group_thresholds": by_group.model_dump()})}}


def model_ready(endpoint: Endpoint, name: str, version: str | None) -> dict[str, Any]:
    """200 when the model answers; 503 while nothing is approved."""
    if _arm(endpoint.serving(name), name, version) is None:
        raise Refusal(503, f"use case '{name}' has no champion yet: nothing has been approved", name=name, ready=False)
    return {"name": name, "ready": True}


def _arm(serving: Serving, name: str, version: str | None) -> Arm | None:
    if version is None:
        return serving.champion
    found = serving.arm_of_version(version)
    if found is None:
        raise Refusal(404, f"version '{version[:40]}' of '{name}' does not answer here",
                      allowed=", ".join(sorted(serving.versions | set(serving.older), key=int)) or "none")
    return found


def _row_count(inputs: list[Tensor]) -> int:
    """Rows of the batch. 422 unless every tensor says and holds the same number."""
    if not inputs:
        raise Refusal(422, "there is no input tensor in the request", allowed="one tensor per feature")
    rows = inputs[0].shape[0] if inputs[0].shape else 0
    for tensor in inputs:
        flat = [item for part in tensor.data for item in part] if tensor.data and isinstance(tensor.data[0], list) and all(
            isinstance(part, list) for part in tensor.data) else tensor.data
        tensor.data = flat
        if not tensor.shape or tensor.shape[0] != rows or rows < 1 or math.prod(tensor.shape) != rows or len(flat) != rows:
            raise Refusal(422, f"tensor '{tensor.name[:80]}' has the wrong shape", value=f"shape {tensor.shape[:8]}, {len(flat)} values",
                          allowed=f"[{max(rows, 1)}] or [{max(rows, 1)}, 1] and as many values")
    return rows


def _records(inputs: list[Tensor], request_id: str, rows: int) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = [{"id": request_id if rows == 1 else f"{request_id}/{place}"} for place in range(rows)]
    for tensor in inputs:
        for record, value in zip(records, tensor.data, strict=True):
            record[tensor.name] = value
    return records


def _reply(name: str, request_id: str, serving: Serving, answers: list[Answer], captured: bool) -> dict[str, Any]:
    arm = answers[0].row.arm
    task = arm.loaded.manifest.task
    kind = {"binary": "INT64", "regression": "FP64"}.get(task, "BYTES")
    rows = len(answers)
    outputs: list[dict[str, Any]] = [
        {"name": "score", "datatype": "FP64", "shape": [rows], "data": [answer.score for answer in answers]},
        {"name": "prediction", "datatype": kind, "shape": [rows], "data": [answer.prediction for answer in answers]}]
    if task == "multiclass":
        data = [score for answer in answers for score in answer.scores or []]
        outputs.append({"name": "scores", "datatype": "FP64", "shape": [rows, len(data) // rows], "data": data})
    if answers[0].interval is not None:
        ends = [end for answer in answers for end in answer.interval or []]
        outputs.append({"name": "interval", "datatype": "FP64", "shape": [rows, 2], "data": ends})
    return {"model_name": name, "model_version": str(arm.slot.version), "id": request_id, "outputs": outputs,
            "parameters": {"digest": arm.slot.digest, "generation": serving.route.generation, "arm": arm.name, "captured": captured,
                           "ids": [answer.row.id for answer in answers], "flags": [answer.flags for answer in answers]}}
