"""Tensors by column: the same replies, captured rows and counts as row by row, as JSON and as bytes."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.serving import tensor_replies
from interlock.serving.answering import count_answers, frame_of, score_rows
from interlock.serving.batches import Batch, Large, answer_batch
from interlock.serving.binary_tensors import encoded
from interlock.serving.counters import Counters
from interlock.serving.records import Refused, check_records
from interlock.serving.shelf import Serving
from interlock.serving.tensor_replies import Told, infer_reply, tell_batch
from interlock.serving.tensors import InferBody, Request, Tensor, Wanted, columns_of, records_of, row_count
from interlock.serving.wire import Content, Refusal, encode_json
from tests.serving.test_columns import Models, counts_of, rows_of, served  # noqa: F401 - a fixture

KINDS = {"distance": "FP64", "carrier": "BYTES", "night": "BOOL", "sex": "BYTES", "event_time": "BYTES", "id": "BYTES", "speed": "FP32"}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "distance": st.none() | st.floats(0, 5_000) | st.sampled_from([1e39, math.inf, 9_000.0]),
    "carrier": st.sampled_from(["AA", "B6", "UA", "ZZ", "é"]), "night": st.booleans(), "sex": st.sampled_from(["f", "m", "x"]),
    "event_time": st.sampled_from(["2013-05-04T14:03:00Z", "2014-01-01T00:00:00+02:00", "x"]),
    "id": st.sampled_from(["a", "b", "", "x" * 300]), "speed": st.just(1.0)}
ALWAYS, SOMETIMES = ["distance", "carrier", "night"], ["sex", "event_time", "id", "speed"]
OUTPUTS = st.sampled_from([None, [Wanted("score")], [Wanted("prediction", {"binary_data": True}), Wanted("score")],
                           [Wanted("score", {"binary_data": True})]])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Tensors of the model's fields (all of them nearly always), each as JSON or binary, for some outputs."""
    rows = draw(st.integers(2, 6))
    names = [name for name in ALWAYS if draw(st.integers(0, 19))] + [name for name in SOMETIMES if not draw(st.integers(0, 7))]
    tensors, rest = [], b""
    for name in names or ["sex"]:
        values = draw(st.lists(VALUES[name], min_size=rows, max_size=rows))
        tensor: dict[str, Any] = {"name": name, "shape": [rows], "datatype": KINDS[name]}
        if draw(st.booleans()):
            data = encoded(KINDS[name], values)
            rest, tensor["parameters"] = rest + data, {"binary_data_size": len(data)}
        else:
            tensor["data"] = [None if value == math.inf else value for value in values]
        tensors.append(tensor)
    wanted = {"binary_data_output": draw(st.booleans())}
    return Request(InferBody(msgspec.convert(tensors, list[Tensor]), id="r", parameters=wanted, outputs=draw(OUTPUTS)), rest)


Said = tuple[Any, list[dict[str, Any]], dict[str, Any]]


def said_in(reply: Any) -> Any:
    return (reply.headers, reply.data) if isinstance(reply, Content) else json.loads(encode_json(reply))


def row_by_row(serving: Serving, request: Request) -> Said | str:
    """The refusal's words where there is one."""
    counters = Counters()
    try:
        rows = check_records(serving, records_of(columns_of(request, "r", row_count(request))), serving.champion)
    except Refused as refused:
        return str(refused.body)
    answers = score_rows(rows, counters)
    count_answers(counters, answers, 2.0)
    frame = msgspec.msgpack.decode(msgspec.msgpack.encode(frame_of(answers, serving, rows[0].event_time, 2.0)))
    return said_in(infer_reply("late", "r", request.body, serving, answers, True)), rows_of([frame]), counts_of(counters)


def by_column(serving: Serving, request: Request) -> Said | None:
    counters = Counters()
    large = Large(lambda: columns_of(request, "r", row_count(request)), serving.champion, partial(tell_batch, request.body))
    ready = answer_batch(serving, large, counters, 0.0)
    if ready is None:
        return None
    ready.batch.count(counters, 2.0)
    frames = [msgspec.msgpack.decode(frame) for frame, _ in ready.frames]
    return said_in(infer_reply("late", "r", request.body, serving, ready, True)), rows_of(frames), counts_of(counters)


def without_times(said: Said | str) -> Any:
    """Where no event time came it is the moment of the answer."""
    return said if isinstance(said, str) else (said[0], [{name: value for name, value in row.items() if name != "_event_time"}
                                                         for row in said[1]], said[2])


@pytest.mark.parametrize("name", ["plain", "strict", "lenient", "each", "multiclass", "regression"])
@given(request=requests())
@settings(max_examples=60, deadline=None)
def test_both_ways_say_the_same(served: Models, name: str, request: Request) -> None:  # noqa: F811
    found = by_column(served[name], request)
    if found is None:
        return
    has_times = any(tensor.name == "event_time" for tensor in request.body.inputs)
    expected = row_by_row(served[name], request)
    assert found == expected if has_times else without_times(found) == without_times(expected)


def whole(**changes: list[Any]) -> Request:
    """A JSON request of two good rows with these tensors."""
    values = {"distance": [700.0, 2_800.0], "carrier": ["AA", "UA"], "night": [False, True],
              "event_time": ["2013-05-04T14:03:00Z"] * 2} | changes
    inputs = [{"name": name, "shape": [2], "datatype": KINDS[name], "data": data} for name, data in values.items()]
    return Request(msgspec.convert({"inputs": inputs}, InferBody))


@pytest.mark.parametrize("changes", [{}, {"distance": [None, 1e39]}, {"carrier": ["AA", "ZZ"]}, {"carrier": [None, "B6"]},
                                     {"night": [None, True]}, {"sex": ["f", None]}, {"id": ["a", "b"]}])
def test_ordinary_tensors_go_by_column(served: Models, changes: dict[str, list[Any]]) -> None:  # noqa: F811
    found = by_column(served["plain"], whole(**changes))
    assert found is not None
    assert found == row_by_row(served["plain"], whole(**changes))


@pytest.mark.parametrize(("changes", "words"), [
    ({"distance": [700.0, "far"]}, "'record': 1, 'field': 'distance'"), ({"speed": [1.0, 1.0]}, "'field': 'speed'"),
    ({"night": [1, True]}, "'record': 0, 'field': 'night'"), ({"id": ["", "b"]}, "'record': 0, 'field': 'id'")])
def test_what_is_refused_is_left_to_the_way_that_names_row_and_field(served: Models, changes: dict[str, list[Any]],  # noqa: F811
                                                                     words: str) -> None:
    assert by_column(served["plain"], whole(**changes)) is None
    assert words in str(row_by_row(served["plain"], whole(**changes)))


def test_a_tensor_of_another_length_is_refused_when_it_is_read(served: Models) -> None:  # noqa: F811
    with pytest.raises(Refusal, match="tensor 'distance' has the wrong shape"):
        by_column(served["plain"], whole(distance=[1.0]))


def in_another_order(body: InferBody, batch: Batch) -> Told:
    return tell(body, Batch(batch.columns, batch.score[::-1], batch.scores, batch.prediction, batch.interval, batch.flags))


def without_flags(body: InferBody, batch: Batch) -> Told:
    told = tell(body, batch)
    return Told(told.outputs, told.tail, told.ids, [[], []])


tell = tensor_replies.tell_batch


@pytest.mark.parametrize("broken", [in_another_order, without_flags])
def test_a_reply_that_says_something_else_is_caught(served: Models, broken: Any) -> None:  # noqa: F811
    request = whole(carrier=["ZZ", "UA"])
    large = Large(lambda: columns_of(request, "r", 2), served["plain"].champion, partial(broken, request.body))
    ready = answer_batch(served["plain"], large, Counters(), 0.0)
    assert ready is not None
    expected = row_by_row(served["plain"], request)
    assert said_in(infer_reply("late", "r", request.body, served["plain"], ready, True)) != expected[0]
