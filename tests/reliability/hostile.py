"""Bodies, paths and headers that nobody should send, from a seed."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.reliability.installation import NAME

VALUES: list[Any] = [None, True, False, 0, -1, 1e308, -1e308, 2**63, -2**63 - 1, 10**400, 1e-320, "", " ", "\x00", "\ud800", "NaN", "1e999",
                     "ä" * 50, "x" * 5_000, "30", [], {}, [[]], [[1]], {"a": {}}, [None] * 50, "9999-99-99T99:99:99Z",
                     "0001-01-01T00:00:00+23:59",
                     "<script>alert(1)</script>", "'; DROP TABLE decisions; --", "../../../etc/passwd", "__proto__", 1.5]
WORDS = ["NaN", "Infinity", "-Infinity", "1e999", "-0", "00", "0x10", "\"\\ud800\"", "\"\\u0000\"", "tru", "nul", "[" * 2_000, "{" * 500,
         "[1,]", "//", ""]
PATHS = [f"/v1/{NAME}/predict"] * 5 + [f"/v2/models/{NAME}/infer"] * 4 + [
    f"/v1/{NAME}/labels", f"/v2/models/{NAME}/versions/1/infer", "/v2/repository/index",
    f"/v2/models/{NAME}/versions/99999999999999999999/infer", "/v1//predict", "/v1/%00/predict", f"/v1/{NAME}/predict/../labels",
    "/v1/" + "a" * 3_000 + "/predict", "/v2/models/none/infer"]
HEADERS: list[dict[str, str]] = [{}] * 6 + [
    {"content-type": "text/plain"}, {"content-type": "application/octet-stream"}, {"content-encoding": "gzip"}, {"expect": "100-continue"},
    {"inference-header-content-length": "5"}, {"inference-header-content-length": "-1"}, {"inference-header-content-length": "9" * 30},
    {"x-request-id": "\x7f" * 300}, {"traceparent": "00-zz-zz-zz"}, {"authorization": "Bearer " + "x" * 500}, {"accept": "nothing/at-all"},
    {"x-request-deadline-ms": "soon"}, {"host": "evil.example"}, {"cookie": "a" * 4_000}]


def valid(draw: random.Random) -> Any:
    """A body that would be answered."""
    row = {"age": draw.uniform(18, 80), "income": draw.uniform(10, 200)}
    kind = draw.randrange(3)
    if kind == 0:
        return {"records": [row | {"id": f"h{draw.random()}"} for _ in range(draw.choice([1, 1, 2, 70]))]}
    if kind == 1:
        return {"inputs": [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in row.items()]}
    return {"labels": [{"id": "h1", "label": 1}]}


def spoiled(draw: random.Random, value: Any, depth: int = 0) -> Any:
    """One place of the body, at any depth, is something else, gone, or there twice."""
    if depth and (draw.random() < 0.3 or not isinstance(value, (dict, list)) or not value):
        return draw.choice(VALUES)
    if isinstance(value, dict):
        key = draw.choice(list(value))
        changed = dict(value)
        action = draw.randrange(4)
        if action == 0:
            del changed[key]
        elif action == 1:
            changed[draw.choice(["age ", "", "__class__", "records", "x" * 300, "\u202e"])] = draw.choice(VALUES)
        else:
            changed[key] = spoiled(draw, value[key], depth + 1)
        return changed
    place = draw.randrange(len(value))
    return [*value[:place], spoiled(draw, value[place], depth + 1), *value[place + 1:]]


def request(draw: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, path, body, headers."""
    text = json.dumps(spoiled(draw, valid(draw)) if draw.random() < 0.8 else valid(draw))
    kind = draw.randrange(6)
    if kind == 0:
        body = draw.randbytes(draw.choice([0, 1, 3, 50, 2_000]))
    elif kind == 1:
        body = text.encode()[:draw.randrange(len(text))]
    elif kind == 2:
        place = draw.randrange(len(text))
        body = (text[:place] + draw.choice(WORDS) + text[place + draw.randrange(3):]).encode("utf-8", "surrogatepass")
    elif kind == 3:
        data = bytearray(text.encode())
        for _ in range(draw.choice([1, 2, 8])):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        body = bytes(data)
    else:
        body = text.encode()
    method = "POST" if draw.random() < 0.95 else draw.choice(["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
    return method, draw.choice(PATHS), body, dict(draw.choice(HEADERS))
