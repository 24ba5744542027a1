"""Batches by column of a model with features that the server computes or looks up: the same as record by record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.modeling.features import FeatureSpec, epoch_micros
from interlock.modeling.package import ViewInput, read_package
from interlock.records.online import TableHead, table_path, write_table
from interlock.rules.routes import Route, Slot
from interlock.serving import completing
from interlock.serving.columns import Columns
from interlock.serving.completing import Completion
from interlock.serving.limits import Limits
from interlock.serving.shelf import Serving, Shelf
from interlock.spec.derived import Derived
from tests.serving.described import described
from tests.serving.test_columns import by_column, same_or_left_to_the_other

DAY_US = 86_400_000_000
NOON = epoch_micros(datetime(2013, 5, 4, 12, tzinfo=UTC))
GOOD: dict[str, Any] = {"distance": 700.0, "carrier": "AA", "fee": 12.5, "plane": "p1", "event_time": "2013-05-04T14:03:00Z"}
DERIVED = [Derived(name="fee_share", kind="ratio", of="fee", over="distance"),
           Derived(name="jump", kind="difference", of="distance", over="trips.last"),
           Derived(name="time", kind="cyclic", part="minute_of_day")]
# Values of `count` and `last` from two moments on, and when each was made: two days old is stale, before 3 May is early.
STEPS = {"p1": ([NOON - DAY_US, NOON], [[1.0, 2.0], [500.0, 650.0]], [[NOON - DAY_US, NOON], [NOON - DAY_US, NOON]]),
         "p2": ([NOON - DAY_US], [[3.0], [400.0]], [[NOON], [NOON - 3 * DAY_US]]),
         "7": ([NOON - DAY_US], [[None], [None]], [[-1], [-1]])}
CHANGES = st.one_of(
    st.tuples(st.just("plane"), st.sampled_from(["p1", "p2", "p3", 7, None, True, ""])),
    st.tuples(st.just("distance"), st.sampled_from([0, 0.0, None, 1e-300, 1e39, 3, -2.5])),
    st.tuples(st.just("fee"), st.none() | st.floats(-1e308, 1e308) | st.integers(-9, 9)),
    st.tuples(st.sampled_from(["trips.last", "trips.count"]), st.sampled_from([None, 1.5, 4, 1e300, "x"])),
    st.tuples(st.just("carrier"), st.sampled_from(["B6", "ZZ", None])),
    st.tuples(st.just("event_time"), st.sampled_from(["2013-05-04T11:59:59Z", "2013-05-06T12:00:01Z", "2013-04-01T00:00:00+02:00"])),
    st.tuples(st.sampled_from(["fee_share", "fee", "plane", "time_sin"]), st.sampled_from([..., 1.0])))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for packages, and for the online table of the view beside them."""
    found = tmp_path_factory.mktemp("made")
    head = TableHead(view="trips", features=["count", "last"], made_us=NOON, begin_us=NOON - 2 * DAY_US, ttl_us=2 * DAY_US,
                     definition="d", snapshot="s", entities=0, body="")
    write_table(table_path(found, "trips"), head, STEPS)
    return found


@pytest.fixture(scope="module")
def load(home: Path, build_package: Callable[..., str]) -> Callable[..., Serving]:
    """A server's model with these features, and this definition of its view."""
    def made(definition: str = "d", view: str = "trips") -> Serving:
        root = home / "packages"
        root.mkdir(exist_ok=True)
        plain = build_package(root, 1)
        distance, carrier, night, _ = read_package(root, plain).manifest.features.specs
        specs = [distance.model_copy(update={"required": True}), carrier,
                 night.model_copy(update={"name": f"{view}.last", "kind": "numeric"}),
                 FeatureSpec(name="fee_share", kind="numeric")]
        uses = ViewInput(view=view, features=["count", "last"], entity=["plane"], source="s", snapshot="s", definition=definition)
        derived = [feature.model_copy(update={"over": f"{view}.last"}) if feature.name == "jump" else feature for feature in DERIVED]
        digest = described(root, plain, features=read_package(root, plain).manifest.features.model_copy(update={"specs": specs}),
                           derived=derived, views=[uses], operands={"fee": "numeric", "plane": "category"})
        shelf = Shelf(root, Limits())
        shelf.put(shelf.read("late", shelf.hold("late", [digest])))
        shelf.switch(Route(use_case="late", generation=3, champion=Slot(version=7, digest=digest)), None)
        return shelf.serving["late"]
    return made


@pytest.fixture(scope="module")
def serving(load: Callable[..., Serving]) -> Serving:
    return load()


def records_of(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    found = [GOOD | {"id": str(place)} | one for place, one in enumerate(changes)]
    return [{name: value for name, value in record.items() if value is not ...} for record in found]


@given(drawn=st.lists(st.lists(CHANGES, max_size=2).map(dict), min_size=2, max_size=8))
@settings(max_examples=200, deadline=None)
def test_both_ways_say_the_same(serving: Serving, drawn: list[dict[str, Any]]) -> None:
    same_or_left_to_the_other(serving, records_of(*drawn))


@pytest.mark.parametrize("changes", [
    {}, {"plane": "p2"}, {"plane": "p3"}, {"plane": 7}, {"plane": None}, {"distance": 0.0}, {"distance": 1e39}, {"fee": None}, {"fee": 3},
    {"event_time": "2013-04-01T00:00:00Z"}, {"event_time": "2013-05-06T12:00:01Z"}, {"carrier": "ZZ"}])
def test_what_is_looked_up_and_computed_goes_by_column(serving: Serving, changes: dict[str, Any]) -> None:
    assert same_or_left_to_the_other(serving, records_of({}, changes, {}))


def test_values_and_flags_are_those_of_the_table(serving: Serving) -> None:
    """By hand: p1's last trip after noon was of 650, so a jump of 50; p2's is stale; p3 is unknown."""
    said = by_column(serving, records_of({}, {"plane": "p2"}, {"plane": "p3"}))
    assert said is not None
    reply, rows, _ = said
    assert [one["flags"] for one in reply] == [[], ["stale:trips.last"], ["no_entity:trips"]]
    assert [(row["trips.last"], row["jump"]) for row in rows] == [(650.0, 50.0), (None, None), (None, None)]
    assert {row["fee_share"] for row in rows} == {12.5 / 700}


def test_a_field_that_a_record_brings_is_not_looked_up(serving: Serving) -> None:
    given_by_all = records_of({"trips.last": 1.0, "plane": "p2"}, {"trips.last": None})
    assert same_or_left_to_the_other(serving, given_by_all)
    assert not same_or_left_to_the_other(serving, records_of({"trips.last": None}, {}))


@pytest.mark.parametrize(("changed", "flag"), [({"definition": "another"}, "other_table:trips"), ({"view": "none"}, "no_table:none")])
def test_without_the_right_table_the_columns_are_missing(load: Callable[..., Serving], changed: dict[str, str], flag: str) -> None:
    other = load(**changed)
    assert same_or_left_to_the_other(other, records_of({}, {}))
    said = by_column(other, records_of({}, {}))
    assert said is not None
    assert [one["flags"] for one in said[0]] == [[flag], [flag]]


def test_what_is_computed_of_no_numbers_goes_record_by_record(serving: Serving) -> None:
    arm = serving.arms["champion"]
    manifest = arm.loaded.manifest.model_copy(update={"operands": {"fee": "category", "plane": "category"}})
    assert serving.arms["champion"].loaded.completion.by_column
    assert not Completion(manifest, arm.loaded.completion._tables).by_column


def at_one_time(self: Completion, columns: Columns) -> list[list[str]] | None:
    return whole(self, replace(columns, one_time=True))


def without_flags(self: Completion, columns: Columns) -> None:
    whole(self, columns)


whole = Completion.complete_columns


@pytest.mark.parametrize(("broken", "changes"), [(at_one_time, {"event_time": "2013-05-03T14:03:00Z"}), (without_flags, {"plane": "p3"})])
def test_a_way_that_adds_something_else_is_caught(serving: Serving, monkeypatch: pytest.MonkeyPatch, broken: Any,
                                                  changes: dict[str, Any]) -> None:
    assert same_or_left_to_the_other(serving, records_of({}, changes))
    monkeypatch.setattr(Completion, "complete_columns", broken)
    with pytest.raises(AssertionError):
        same_or_left_to_the_other(serving, records_of({}, changes))


def test_a_way_that_looks_up_what_some_records_bring_is_caught(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.arms["champion"].loaded.completion, "looked_up", frozenset())
    with pytest.raises(AssertionError):
        same_or_left_to_the_other(serving, records_of({"trips.last": 1.0}, {}))


def test_a_way_that_tells_of_what_nobody_wants_is_caught(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """p2's last trip is stale; a record that brings its own is not told so."""
    records = records_of({"trips.last": 1.0, "plane": "p2"}, {"trips.last": 1.0})
    said = by_column(serving, records)
    assert said is not None
    assert [one["flags"] for one in said[0]] == [[], []]
    monkeypatch.setattr(completing, "_about", lambda wanted, flags: flags)
    broken = by_column(serving, records)
    assert broken is not None
    assert broken[0][0]["flags"] == ["stale:trips.last"]
