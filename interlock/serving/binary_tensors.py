"""The binary tensor data extension of the Open Inference Protocol: values after the JSON, little-endian, row by row.

    body    JSON of `Inference-Header-Content-Length` bytes, then the tensors' bytes in the order in which the JSON names them
    tensor  its `parameters.binary_data_size` bytes: BOOL one byte each (0, 1); INT*, UINT*, FP* by their width; BYTES each with its length
            first, 4 bytes

NaN in an FP tensor means missing. Other kinds have no missing value: leave the tensor out where it is optional, or send JSON.
Source: the protocol's own text, "Binary Tensor Data Extension" (kserve/open-inference-protocol, triton-inference-server/server).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from interlock.serving.wire import Refusal

DTYPES = {"BOOL": "<u1", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4",
          "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
KINDS = (*DTYPES, "BYTES")
_LENGTH = struct.Struct("<I")


def decoded(name: str, datatype: str, data: memoryview, count: int) -> list[Any]:
    """The tensor's `count` values as Python objects; None where a number is NaN. 422 when the bytes are not that."""
    if datatype == "BYTES":
        return _texts(name, data, count)
    dtype = np.dtype(DTYPES[datatype])
    if len(data) != count * dtype.itemsize:
        raise _wrong(name, f"{len(data)} bytes", f"{count * dtype.itemsize} bytes: {count} values of {datatype}")
    found = np.frombuffer(data, dtype=dtype)
    if datatype == "BOOL":
        if (found > 1).any():
            raise _wrong(name, f"byte {int(found.max())}", "0 or 1")
        return [value == 1 for value in found.tolist()]
    values = found.tolist()
    if dtype.kind == "f" and np.isnan(found).any():
        return [None if value != value else value for value in values]
    return list(values)


def encoded(datatype: str, values: Sequence[Any]) -> bytes:
    """The bytes of an output tensor; None becomes NaN in an FP tensor."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
    if DTYPES[datatype][1] == "f":
        values = [float("nan") if value is None else value for value in values]
    return np.array(values, dtype=DTYPES[datatype]).tobytes()


def _texts(name: str, data: bytes | memoryview, count: int) -> list[str]:
    found: list[str] = []
    place, length_at = 0, _LENGTH.unpack_from
    data = bytes(data)  # pieces of bytes are read in half the time of pieces of a view
    while place < len(data) and len(found) < count:
        end = place + _LENGTH.size
        if end > len(data):
            raise _wrong(name, f"{len(data) - place} bytes at its end", "4 bytes of length, then the value")
        (length,) = length_at(data, place)
        place = end + length
        if place > len(data):
            raise _wrong(name, f"a value of {length} bytes, {len(data) - end} are left", "values as long as their lengths say")
        try:
            found.append(data[end:place].decode())
        except UnicodeDecodeError as error:
            raise _wrong(name, f"value {len(found)} is not UTF-8", "UTF-8 texts") from error
    if len(found) != count or place != len(data):
        raise _wrong(name, f"{len(found)} values and {len(data) - place} bytes more", f"{count} values")
    return found


def _wrong(name: str, value: str, allowed: str) -> Refusal:
    return Refusal(422, f"tensor '{name[:80]}' has the wrong bytes", value=value, allowed=allowed)
