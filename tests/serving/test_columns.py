"""Batches by column: the same answers, captured rows, counts and refusals as record by record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.records.captured_frames import predictions_frame, rows_in
from interlock.rules.routes import Route, Slot
from interlock.serving import columns
from interlock.serving.answering import FRAME_ROWS, count_answers, frame_of, score_rows
from interlock.serving.batches import PART_ROWS, Large, answer_batch
from interlock.serving.columns import check_columns
from interlock.serving.counters import Counters
from interlock.serving.fields import OWN
from interlock.serving.limits import Limits
from interlock.serving.records import Aside, Refused, check_records
from interlock.serving.shelf import Serving, Shelf
from interlock.spec.serving import Serving as Options
from tests.serving.described import COLUMNS, described

OPTIONS = {
    "plain": Options(), "strict": Options(missing="refuse", out_of_range="refuse", unseen="refuse"),
    "lenient": Options(unknown="flag", absent="flag", mistyped="flag", out_of_range="flag", trained_range="flag"),
    "each": Options(batch="each")}
GOOD: dict[str, Any] = {"distance": 700.0, "carrier": "AA", "night": False, "sex": "f", "event_time": "2013-05-04T14:03:00Z"}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 1, 0, -1, 700, 2**53 + 1, 2**63, 10**400, 1e39, 1.5, "", "AA", "ZZ", "é", "\ud800", "x" * 300, [], {}])
CHANGES = st.one_of(
    st.tuples(st.just("distance"), st.none() | st.floats(-10, 6_000) | st.integers(0, 6_000)),
    st.tuples(st.just("carrier"), st.sampled_from(["AA", "B6", "UA", "ZZ", None])),
    st.tuples(st.just("night"), st.sampled_from([True, None])),
    st.tuples(st.just("sex"), st.sampled_from(["m", None, 1, 2.5, True])), st.tuples(st.just("id"), st.sampled_from(["a", "b", 7])),
    st.tuples(st.just("event_time"), st.sampled_from(["2013-05-04T16:03:00+02:00", "2014-01-01T00:00:00.5Z"])),
    st.tuples(st.sampled_from([*GOOD, "id", "speed"]), ODD),
    st.tuples(st.just("event_time"), st.sampled_from(["2013-05-04", "1989-12-31T00:00:00Z", "2999-01-01T00:00:00Z", "x", 5])),
    st.tuples(st.sampled_from([*GOOD][:4]), st.just(...)))
BATCHES = st.lists(st.lists(CHANGES, max_size=2), min_size=2, max_size=8)


def records_of(drawn: list[list[tuple[str, Any]]]) -> list[dict[str, Any]]:
    """Good records with the drawn changes; `...` leaves the field out. Each has an id, so that both ways give the same one."""
    found = [GOOD | {"id": str(place)} | {name: value for name, value in changes if value is not None or name not in OWN}
             for place, changes in enumerate(drawn)]
    return [{name: value for name, value in record.items() if value is not ...} for record in found]


class Models(dict[str, Serving]):
    """By name; said in few words where an example fails."""

    def __repr__(self) -> str:
        return f"models {', '.join(self)}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, build_package: Callable[..., str]) -> Models:
    """Every set of treatments, every task: the same features."""
    root: Path = tmp_path_factory.mktemp("packages")
    shelf = Shelf(root, Limits())
    found = Models()
    for name, options in (OPTIONS | {"multiclass": Options(), "regression": Options()}).items():
        task = name if name in ("multiclass", "regression") else "binary"
        context = COLUMNS | {"sex": {"type": "category", "role": "sensitive"}}
        digest = described(root, build_package(root, 1, use_case=name, task=task), columns=context)
        shelf.put(shelf.read(name, shelf.hold(name, [digest])))
        shelf.switch(Route(use_case=name, generation=3, champion=Slot(version=7, digest=digest), serving=options), None)
        found[name] = shelf.serving[name]
    return found


Said = tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]  # reply, captured rows, counts


def row_by_row(serving: Serving, records: list[dict[str, Any]]) -> Said | None:
    """None where one of the records is refused."""
    aside, counters = Aside() if serving.policy is not None and serving.policy.each else None, Counters()
    try:
        answers = score_rows(check_records(serving, records, aside=aside), counters)
    except Refused:
        return None
    if aside is not None and aside.problems:
        return None
    count_answers(counters, answers, 2.0)
    frame = msgspec.msgpack.decode(msgspec.msgpack.encode(frame_of(answers, serving, datetime.now(UTC), 2.0)))
    return [answer.as_json(answer.scores is not None) for answer in answers], rows_of([frame]), counts_of(counters)


def by_column(serving: Serving, records: list[dict[str, Any]]) -> Said | None:
    counters = Counters()
    ready = answer_batch(serving, Large(lambda: records), counters, 0.0)
    if ready is None:
        return None
    ready.batch.count(counters, 2.0)
    assert sum(rows for _, rows in ready.frames) == len(records)
    return json.loads(bytes(ready.said)), rows_of([msgspec.msgpack.decode(frame) for frame, _ in ready.frames]), counts_of(counters)


def rows_of(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    frame = predictions_frame(frames)
    assert frame.height == sum(map(rows_in, frames))
    return frame.drop("_seen_time", "_latency_ms").to_dicts()


def counts_of(counters: Counters) -> dict[str, Any]:
    return {str(key): asdict(counts) for key, counts in counters.arms.items()}


def same_or_left_to_the_other(serving: Serving, records: list[dict[str, Any]]) -> bool:
    """Whether the column way answered; then it said the same, and nothing in the batch is refused."""
    found = by_column(serving, records)
    if found is None:
        return False
    assert found == row_by_row(serving, records)
    return True


@pytest.mark.parametrize("name", [*OPTIONS, "multiclass", "regression"])
@given(drawn=BATCHES)
@settings(max_examples=120, deadline=None)
def test_both_ways_say_the_same(served: Models, name: str, drawn: list[list[tuple[str, Any]]]) -> None:
    same_or_left_to_the_other(served[name], records_of(drawn))


@pytest.mark.parametrize("changes", [
    {}, {"carrier": None}, {"carrier": "ZZ"}, {"distance": None}, {"distance": 1e39}, {"distance": 700}, {"night": None}, {"sex": None},
    {"sex": "é"}, {"sex": 2.5}, {"id": 8}, {"event_time": "2013-05-04T16:03:00+02:00"}])
def test_what_is_only_flagged_by_the_model_goes_by_column_too(served: Models, changes: dict[str, Any]) -> None:
    records = [GOOD | {"id": "a"}, GOOD | {"id": "b"} | changes, GOOD | {"id": "c"}]
    assert same_or_left_to_the_other(served["plain"], records)
    assert same_or_left_to_the_other(served["multiclass"], records)


def test_records_with_different_optional_fields_go_by_column(served: Models) -> None:
    without = {name: value for name, value in GOOD.items() if name != "sex"} | {"id": "b"}
    assert same_or_left_to_the_other(served["plain"], [GOOD | {"id": "a"}, without])


@pytest.mark.parametrize("changes", [{"distance": 5_001.0}, {"distance": None}, {"carrier": "ZZ"}, {"sex": "x" * 70_000}])
def test_what_a_use_case_refuses_is_left_to_the_way_that_tells_it(served: Models, changes: dict[str, Any]) -> None:
    assert by_column(served["strict"], [GOOD, GOOD | changes]) is None
    assert by_column(served["strict"], [GOOD, GOOD]) is not None


def test_ids_and_times_that_the_server_gives(served: Models) -> None:
    bare = {name: value for name, value in GOOD.items() if name != "event_time"}
    before = datetime.now(UTC)
    found = check_columns(served["plain"], [bare] * 5_000)
    assert found is not None
    assert len(set(found.ids)) == 5_000
    assert found.ids == sorted(found.ids)
    assert {UUID(found.ids[place]).version for place in (0, 4_999)} == {7}
    assert before <= found.event_times[0] <= datetime.now(UTC)
    assert found.one_time


def test_a_large_batch_is_captured_in_parts(served: Models) -> None:
    records = [GOOD | {"id": str(place), "distance": float(place)} for place in range(FRAME_ROWS + 2)]
    ready = answer_batch(served["plain"], Large(lambda: records), Counters(), 0.0)
    assert ready is not None
    assert [rows for _, rows in ready.frames] == [FRAME_ROWS, 2]
    assert same_or_left_to_the_other(served["plain"], records)


def test_cores_to_spare_change_no_score(served: Models) -> None:
    records = [GOOD | {"id": str(place), "distance": float(place)} for place in range(2 * PART_ROWS + 1)]
    for name in ("plain", "multiclass"):
        alone, together = (answer_batch(served[name], Large(lambda: records), Counters(), 0.0, spare) for spare in (0, 3))
        assert alone is not None
        assert together is not None
        assert bytes(alone.said) == bytes(together.said)


def test_records_that_may_go_to_a_candidate_are_looked_at_one_by_one(served: Models) -> None:
    plain = served["plain"]
    arms = plain.arms | {"candidate": plain.arms["champion"]}
    for percent, expected in ((0.0, True), (5.0, False)):
        route = plain.route.model_copy(update={"candidate": plain.route.champion, "candidate_percent": percent})
        shared = Serving(route, None, arms)
        assert (check_columns(shared, [GOOD, GOOD]) is not None) is expected


@pytest.mark.parametrize(("name", "broken", "wrong"), [
    ("_texts", lambda *_: True, {"sex": "\ud800"}), ("_as_declared", lambda *_: True, {"distance": 9_000.0}),
    ("ID_CHARACTERS_MAX", 10_000, {"id": "x" * 300}), ("EARLIEST", datetime(1, 1, 1, tzinfo=UTC), {"event_time": "1980-01-01T00:00:00Z"})])
def test_a_way_that_looks_at_less_is_caught(served: Models, monkeypatch: pytest.MonkeyPatch, name: str, broken: Any,
                                            wrong: dict[str, Any]) -> None:
    """Without the look at texts, ranges, ids or times a batch would be answered that the other way refuses."""
    records = [GOOD | {"id": "a"}, GOOD | {"id": "b"} | wrong]
    assert not same_or_left_to_the_other(served["strict"], records)
    monkeypatch.setattr(columns, name, broken)
    with pytest.raises((AssertionError, UnicodeEncodeError)):
        same_or_left_to_the_other(served["strict"], records)
