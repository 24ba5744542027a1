"""The binary tensor extension: bytes as `tritonclient` sends and reads them, and every way in which they can be wrong."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from interlock.records.segments import SUFFIX, Frame, read_frames
from interlock.serving.binary_tensors import DTYPES, decoded, encoded
from interlock.serving.wire import Refusal
from interlock.settings import load_settings

DISTANCE = np.array([700.0, np.nan]).tobytes()
CARRIER = b"\x02\x00\x00\x00AA" + b"\x03\x00\x00\x00\xc3\xa9x"  # "AA", "éx": lengths are bytes, 4 of them, little-endian
NIGHT = b"\x00\x01"


def body(tensors: dict[str, tuple[str, list[int], bytes]], *, cut: int = 0, **more: Any) -> tuple[bytes, dict[str, str]]:
    """A request as tritonclient makes it: the JSON, then the tensors' bytes, and the header that says where the JSON ends."""
    head = json.dumps({"inputs": [{"name": name, "shape": shape, "datatype": kind, "parameters": {"binary_data_size": len(data)}}
                                  for name, (kind, shape, data) in tensors.items()]} | more).encode()
    rest = b"".join(data for _, _, data in tensors.values())
    return head + rest[:len(rest) - cut], {"Inference-Header-Content-Length": str(len(head))}


WHOLE = {"distance": ("FP64", [2], DISTANCE), "carrier": ("BYTES", [2, 1], CARRIER), "night": ("BOOL", [2], NIGHT)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    started = running(settings, Limits(rows_max=500)).start()
    root = settings.folder("packages")
    started.client.converge(started.route(1, build_package(root, 1)))
    started.client.converge(started.route(1, build_package(root, 3, use_case="kind", task="multiclass"), use_case="kind"))
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def infer(server: Any) -> Iterator[Callable[..., httpx.Response]]:
    with httpx.Client(base_url=server.settings.predictions_url, timeout=30, trust_env=False) as client:
        yield lambda content, headers, model="late": client.post(f"/v2/models/{model}/infer", content=content, headers=headers)


def outputs_of(reply: httpx.Response) -> dict[str, Any]:
    """Output tensors as numpy arrays, read as tritonclient reads them."""
    head = int(reply.headers["Inference-Header-Content-Length"])
    assert reply.headers["content-type"] == "application/octet-stream"
    found, place = {}, head
    for output in json.loads(reply.content[:head])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        data, place = reply.content[place:place + size], place + size
        if output["datatype"] == "BYTES":
            found[output["name"]] = _texts(data)
        else:
            found[output["name"]] = np.frombuffer(data, dtype={"FP64": "<f8", "INT64": "<i8"}[output["datatype"]]).reshape(output["shape"])
    assert place == len(reply.content)
    return found


def _texts(data: bytes) -> list[str]:
    found = []
    while data:
        (length,) = struct.unpack("<I", data[:4])
        found.append(data[4:4 + length].decode())
        data = data[4 + length:]
    return found


def test_binary_and_json_tensors_are_answered_alike_and_nan_means_missing(infer: Callable[..., Any], record: Callable[..., Any],
                                                                          server: Any, expected_scores: Callable[..., Any]) -> None:
    both = outputs_of(infer(*body(WHOLE, parameters={"binary_data_output": True})))
    rows = [record(), record(distance=None, carrier="éx", night=True)]
    for row in rows:
        row["event_time"] = "2013-05-04T14:03:00Z"
    texts = [row["event_time"].encode() for row in rows]
    timed = WHOLE | {"event_time": ("BYTES", [2], b"".join(struct.pack("<I", len(text)) + text for text in texts))}
    digest = server.client.observed("late").champion.digest
    scores = outputs_of(infer(*body(timed, parameters={"binary_data_output": True})))["score"].tolist()
    assert scores == expected_scores(server.settings.folder("packages"), digest, rows)
    assert both["prediction"].dtype == np.int64
    plain = infer(*body(timed)).json()  # no output was asked for in binary
    assert plain["outputs"][0]["data"] == scores
    assert plain["parameters"]["flags"] == [[], ["unseen:carrier"]]


def test_outputs_come_as_they_were_asked_for(infer: Callable[..., Any]) -> None:
    found = outputs_of(infer(*body(WHOLE, outputs=[{"name": "prediction", "parameters": {"binary_data": True}},
                                                   {"name": "scores", "parameters": {"binary_data": True}}]), model="kind"))
    assert list(found) == ["prediction", "scores"]
    assert found["scores"].shape == (2, 3)
    assert set(found["prediction"]) <= {"early", "late", "never"}
    mixed = infer(*body(WHOLE, outputs=[{"name": "score", "parameters": {"binary_data": True}}, {"name": "prediction"}]))
    head = json.loads(mixed.content[:int(mixed.headers["Inference-Header-Content-Length"])])
    assert [("data" in one, "parameters" in one) for one in head["outputs"]] == [(False, True), (True, False)]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_large_batch_is_answered_and_captured_by_column(infer: Callable[..., Any], server: Any, as_bytes: bool) -> None:
    """300 rows at once and in parts of 50, which go row by row: the same answers; one frame by column holds them."""
    times = struct.pack("<I", 20) + b"2013-05-04T14:03:00Z"
    distances, nights = [100.0 * (place % 40) for place in range(300)], [place % 3 == 0 for place in range(300)]

    def asked(start: int, end: int, name: str) -> Any:
        rows = end - start
        tensors = {"distance": ("FP64", [rows], np.array(distances[start:end]).tobytes()), "carrier": ("BYTES", [rows], CARRIER[:6] * rows),
                   "night": ("BOOL", [rows], bytes(nights[start:end])), "event_time": ("BYTES", [rows], times * rows)}
        if as_bytes:
            return infer(*body(tensors, id=name)).json()
        values = {"distance": distances[start:end], "carrier": ["AA"] * rows, "night": nights[start:end],
                  "event_time": ["2013-05-04T14:03:00Z"] * rows}
        inputs = [{"name": tensor, "shape": [rows], "datatype": tensors[tensor][0], "data": data} for tensor, data in values.items()]
        return infer(json.dumps({"inputs": inputs, "id": name}).encode(), {}).json()

    name = f"large-{as_bytes}"
    whole, parts = asked(0, 300, name), [asked(start, start + 50, "part") for start in range(0, 300, 50)]
    for place, output in enumerate(whole["outputs"]):
        assert output["shape"] == [300]
        assert output["data"] == [value for part in parts for value in part["outputs"][place]["data"]]
    assert whole["parameters"] == parts[0]["parameters"] | {"ids": [f"{name}/{place}" for place in range(300)], "flags": [[]] * 300}
    frames = [msgspec.msgpack.decode(item.payload) for path in server.settings.folder("capture").rglob(f"*{SUFFIX}")
              for item in read_frames(path) if isinstance(item, Frame)]
    assert [frame["count"] for frame in frames if frame.get("lists", {}).get("_request_id") == whole["parameters"]["ids"]] == [300]


def test_a_row_of_a_large_batch_is_refused_by_its_place(infer: Callable[..., Any]) -> None:
    nights = [{"name": "night", "shape": [100], "datatype": "BOOL", "data": [True] * 99 + [7]}]
    others = [{"name": "distance", "shape": [100], "datatype": "FP64", "data": [1.0] * 100},
              {"name": "carrier", "shape": [100], "datatype": "BYTES", "data": ["AA"] * 100}]
    reply = infer(json.dumps({"inputs": nights + others}).encode(), {})
    assert reply.status_code == 422
    assert [(one["record"], one["field"]) for one in reply.json()["problems"]] == [(99, "night")]


@pytest.mark.parametrize(("content", "headers", "status", "words"), [
    (*body(WHOLE, cut=1), 422, "do not agree"),
    (body(WHOLE)[0] + b"x", body(WHOLE)[1], 422, "do not agree"),
    (body(WHOLE)[0], {"Inference-Header-Content-Length": "9999999"}, 400, "is not the length"),
    (body(WHOLE)[0], {"Inference-Header-Content-Length": "-1"}, 400, "is not the length"),
    (body(WHOLE)[0], {"Inference-Header-Content-Length": "10"}, 400, "not JSON"),
    (*body(WHOLE | {"distance": ("FP64", [2], DISTANCE[:8])}), 422, "'distance' has the wrong bytes"),
    (*body(WHOLE | {"distance": ("FP128", [2], DISTANCE)}), 422, "is not understood"),
    (*body(WHOLE | {"night": ("BOOL", [2], b"\x00\x02")}), 422, "'night' has the wrong bytes"),
    (*body(WHOLE | {"carrier": ("BYTES", [2], b"\xff\xff\xff\xff" + b"AA")}), 422, "'carrier' has the wrong bytes"),
    (*body(WHOLE | {"carrier": ("BYTES", [2], b"\x02\x00\x00\x00AA")}), 422, "'carrier' has the wrong bytes"),
    (*body(WHOLE | {"carrier": ("BYTES", [2], b"\x01\x00\x00\x00\xff" * 2)}), 422, "is not UTF-8"),
    (*body(WHOLE | {"carrier": ("BYTES", [2], CARRIER + b"\x00")}), 422, "'carrier' has the wrong bytes"),
    (*body(WHOLE | {"distance": ("FP64", [2], np.array([1, np.inf]).tobytes())}), 422, "has a value of the wrong type"),
    (*body(WHOLE | {"distance": ("FP64", [3], DISTANCE)}), 422, "has the wrong shape"),
    (*body(WHOLE, outputs=[{"name": "score", "parameters": {"binary_data": 1}}]), 422, "is no flag"),
    (*body(WHOLE, outputs=[{"name": "score", "parameters": {"classification": 2}}]), 422, "not understood"),
    (*body(WHOLE, outputs=[{"name": "nothing"}]), 422, "there is no output 'nothing'"),
    (*body(WHOLE, outputs=[{"name": "score"}] * 1_000), 422, "output 'score' is asked for twice"),
    (b'{"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": "8"}}]}', {}, 422,
     "no length"),
    (b'{"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "parameters": {"shared_memory_region": "x"}}]}', {}, 422,
     "shared memory"),
    (b'{"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64"}]}', {}, 422, "has no values")])
def test_wrong_bytes_are_refused_naming_the_tensor(infer: Callable[..., Any], content: bytes, headers: dict[str, str], status: int,
                                                   words: str) -> None:
    reply = infer(content, headers)
    assert reply.status_code == status, reply.text
    assert words in json.dumps(reply.json())


def test_too_many_rows_are_refused_before_they_are_read(infer: Callable[..., Any]) -> None:
    assert infer(*body({"distance": ("FP64", [501], b"\x00" * 8 * 501)})).status_code == 413
    assert infer(*body({"distance": ("BOOL", [2**40], b"")})).status_code == 413


@hypothesis_settings(deadline=None)
@given(st.sampled_from(sorted(DTYPES)), st.data())
def test_numbers_survive_the_way_out_and_back(datatype: str, data: st.DataObject) -> None:
    dtype = np.dtype(DTYPES[datatype])
    if datatype == "BOOL":
        values: list[Any] = data.draw(st.lists(st.booleans(), max_size=20))
    elif dtype.kind == "f":
        one = st.none() | st.floats(width=dtype.itemsize * 8, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
        values = data.draw(st.lists(one, max_size=20))
    else:
        ends = np.iinfo(dtype)
        values = data.draw(st.lists(st.integers(int(ends.min), int(ends.max)), max_size=20))
    assert decoded("x", datatype, memoryview(encoded(datatype, values)), len(values)) == values


@hypothesis_settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=20))
def test_texts_survive_the_way_out_and_back(values: list[str]) -> None:
    assert decoded("x", "BYTES", memoryview(encoded("BYTES", values)), len(values)) == values


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 8), st.sampled_from([*sorted(DTYPES), "BYTES"]))
def test_any_bytes_are_read_or_refused(data: bytes, count: int, datatype: str) -> None:
    with contextlib.suppress(Refusal):
        assert len(decoded("x", datatype, memoryview(data), count)) == count
