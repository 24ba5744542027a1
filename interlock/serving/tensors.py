"""Requests of the Open Inference Protocol: read, with their binary part, and taken apart into records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from interlock.serving.binary_tensors import KINDS, decoded
from interlock.serving.wire import Refusal, Scope, header

DIMENSIONS_MAX = 8  # of which all but the first are 1; the product of very many would take seconds
HEADER = b"inference-header-content-length"


class Tensor(msgspec.Struct):
    """An input tensor: one value per row, as JSON or after it."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class Wanted(msgspec.Struct):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class InferBody(msgspec.Struct, forbid_unknown_fields=True):
    """A request of the protocol."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[Wanted] | None = None
    model_name: str | None = None     # some clients say again what the address says
    model_version: str | None = None


class Request(msgspec.Struct):
    """A request and what came after its JSON."""

    body: InferBody
    rest: bytes = b""


_infer = msgspec.json.Decoder(InferBody)


class RequestDecoder:
    """Reads one request: JSON alone, or JSON of the length that the header says and bytes after it."""

    def __init__(self, scope: Scope) -> None:
        self._length = header(scope, HEADER)

    def decode(self, data: bytes) -> Request:
        """400 when the header is no length within the body."""
        if self._length is None:
            return Request(_infer.decode(data))
        text = self._length
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= len(data)):
            raise Refusal(400, "Inference-Header-Content-Length is not the length of the body's JSON", value=text[:20],
                          allowed=f"0 to {len(data)}")
        return Request(_infer.decode(data[:int(text)]), data[int(text):])


def row_count(request: Request) -> int:
    """Rows of the batch. 422 unless every tensor says the same number, has its own name, a known datatype, and one place for its values."""
    inputs = request.body.inputs
    if not inputs:
        raise Refusal(422, "there is no input tensor in the request", allowed="one tensor per feature")
    rows = inputs[0].shape[0] if inputs[0].shape else 0
    size, names = 0, set()
    for tensor in inputs:
        if not 0 < len(tensor.shape) <= DIMENSIONS_MAX or tensor.shape[0] != rows or rows < 1 or math.prod(tensor.shape) != rows:
            raise _refused(tensor, "has the wrong shape", f"shape {tensor.shape[:8]}", f"[{max(rows, 1)}] or [{max(rows, 1)}, 1]")
        if tensor.name in names:
            raise _refused(tensor, "is there twice", tensor.name[:80], "one tensor per name")
        names.add(tensor.name)
        if tensor.datatype not in KINDS:
            raise _refused(tensor, "has a datatype that is not understood", tensor.datatype[:20], ", ".join(KINDS))
        size += binary_size(tensor) or 0
    if size != len(request.rest):
        raise Refusal(422, "the tensors' binary_data_size and the bytes after the JSON do not agree",
                      value=f"{len(request.rest)} bytes after the JSON", allowed=f"{size} bytes")
    return rows


def binary_size(tensor: Tensor) -> int | None:
    """Bytes of the tensor after the JSON; None: its values are in the JSON."""
    if "shared_memory_region" in tensor.parameters:
        raise _refused(tensor, "is in shared memory, which is not read", "shared_memory_region", "JSON or binary tensors")
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if tensor.data is None:
            raise _refused(tensor, "has no values", None, "`data`, or `binary_data_size` in its parameters")
        return None
    if tensor.data is not None:
        raise _refused(tensor, "has values in the JSON and after it", size, "one of both")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _refused(tensor, "has a binary_data_size that is no length", repr(size)[:40], "a whole number from 0")
    return size


def columns_of(request: Request, request_id: str, rows: int) -> dict[str, Sequence[Any]]:
    """The tensors by name, and the ids; the values are read here, because that takes time where there are many."""
    columns: dict[str, Sequence[Any]] = {"id": [request_id] if rows == 1 else [f"{request_id}/{place}" for place in range(rows)]}
    rest, place = memoryview(request.rest), 0
    for tensor in request.body.inputs:
        size = binary_size(tensor)
        if size is None:
            columns[tensor.name] = _flat(tensor, rows)
        else:
            columns[tensor.name] = decoded(tensor.name, tensor.datatype, rest[place:place + size], rows)
            place += size
    return columns


def records_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """One record per row of the columns."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _flat(tensor: Tensor, rows: int) -> list[Any]:
    data = tensor.data or []
    if data and all(isinstance(part, list) for part in data):
        data = list(chain.from_iterable(data))
    if len(data) != rows:
        raise _refused(tensor, "has the wrong shape", f"shape {tensor.shape[:8]}, {len(data)} values",
                       f"[{rows}] or [{rows}, 1] and as many values")
    return data


def _refused(tensor: Tensor, problem: str, value: Any, allowed: str) -> Refusal:
    return Refusal(422, f"tensor '{tensor.name[:80]}' {problem}", value=value, allowed=allowed)
