"""Feature views: as of each row's moment in training, the same from the online table at the same instant, stale where too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.errors import StoreError
from interlock.modeling.derived import entity_keys
from interlock.modeling.views import ViewHistory, definition_digest, micros
from interlock.records.online import OnlineTable, TableHead, entity_key, read_table, table_path, write_table
from interlock.spec.usecase import UseCase
from interlock.spec.views import View

START = datetime(2013, 5, 4, tzinfo=UTC)
ORIGIN = 1_367_625_600_000_000  # µs from 1970 to the start
SOURCE = UseCase.model_validate({
    "spec_version": 1, "name": "flights", "title": "t", "description": "d", "owner": "o",
    "prediction": {"task": "binary", "target": "y", "positive": [1], "moment": "m"},
    "source": {"kind": "files", "files": [{"path": "x.csv"}]}, "time": {"column": "at"}, "labels": {"delay_hours": 2},
    "columns": {"at": {"type": "datetime", "role": "ignore"}, "x": {"type": "float"}, "carrier": {"type": "category"},
                "gate": {"type": "integer"}, "y": {"type": "integer", "role": "target"}}})


def view(**changes: Any) -> View:
    features = [{"name": "last", "kind": "lag", "of": "x", "rows": 1},
                {"name": "late", "kind": "rolling", "of": "_label", "statistic": "mean", "hours": 5},
                {"name": "flights", "kind": "rolling", "statistic": "count", "hours": 3},
                {"name": "old", "kind": "lag", "of": "x", "hours": 4},
                {"name": "spread", "kind": "rolling", "of": "x", "statistic": "std", "rows": 3}]
    return View.model_validate({"spec_version": 1, "name": "carriers", "title": "t", "description": "d", "owner": "o", "source": "flights",
                                "entity": ["carrier", "gate"], "ttl_hours": 6, "keep_hours": 8, "features": features} | changes)


def frame_of(rows: list[tuple[int, float | None, str | None, int, float | None]]) -> pl.DataFrame:
    """Rows of (half-hours after the start, x, carrier, gate, label); labels are seen two hours later."""
    moments = pl.Series([START + timedelta(minutes=30 * row[0]) for row in rows], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({
        "x": pl.Series([row[1] for row in rows], dtype=pl.Float64), "carrier": pl.Series([row[2] for row in rows], dtype=pl.String),
        "gate": pl.Series([row[3] for row in rows], dtype=pl.Int64), "_event_time": moments, "_seen_time": moments,
        "_label": pl.Series([row[4] for row in rows], dtype=pl.Float64),
        "_label_seen_time": moments + timedelta(hours=2)}).sort("_event_time", maintain_order=True)


def table_of(found: View, frame: pl.DataFrame, made: int, folder: Path) -> OnlineTable:
    """Written and read again."""
    history = ViewHistory.of(found, SOURCE, frame)
    names = [feature.name for feature in found.features]
    head = TableHead(found.name, names, made, made - micros(found.keep_hours), micros(found.ttl_hours), definition_digest(found),
                     "sha256:x", 0, "")
    write_table(table_path(folder, found.name), head, history.steps(made))
    return read_table(table_path(folder, found.name))


ROWS = st.lists(st.tuples(st.integers(0, 40), st.none() | st.floats(-9, 9, width=32), st.sampled_from(["AA", "B6", None]),
                          st.integers(1, 2), st.none() | st.sampled_from([0.0, 1.0])), min_size=1, max_size=30)


@given(rows=ROWS, made=st.integers(0, 48), asked=st.lists(st.integers(-16, 30), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_training_and_online_values_are_equal_at_every_instant_of_the_table(tmp_path_factory: pytest.TempPathFactory, rows: list[Any],
                                                                            made: int, asked: list[int]) -> None:
    """Half-hours before and after the table was made. After it, training too must not know more than the table did."""
    frame, found = frame_of(rows), view()
    moment = ORIGIN + made * 1_800_000_000
    table = table_of(found, frame, moment, tmp_path_factory.mktemp("online"))
    names = [feature.name for feature in found.features]
    known = ViewHistory.of(found, SOURCE, frame)._until(moment)
    full = ViewHistory.of(found, SOURCE, frame)
    for carrier, gate in (("AA", 1), ("B6", 2), ("ZZ", 9)):
        keys = entity_keys(pl.DataFrame({"carrier": [carrier], "gate": [gate]}), found.entity)
        for half_hours in asked:
            now = moment + half_hours * 1_800_000_000
            answer, flags = table.look_up(entity_key([carrier, gate]), now)
            columns, stale = (full if half_hours <= 0 else known).columns(names, keys, np.array([now]))
            expected = {name: None if np.isnan(values[0]) else float(values[0]) for name, values in columns.items()}
            assert answer == expected
            old = {f"stale:carriers.{name}" for name, count in stale.items() if count}
            assert {flag for flag in flags if flag.startswith("stale")} == old


def test_by_hand(tmp_path: Path) -> None:
    """Two flights of AA at gate 1, at 0:00 (late) and 1:00 (not late); outcomes known at 2:00 and 3:00; a time to live of 6 hours."""
    frame, found = frame_of([(0, 1.5, "AA", 1, 1.0), (2, 2.5, "AA", 1, 0.0)]), view()
    table = table_of(found, frame, ORIGIN + micros(4), tmp_path)

    def at(hours: float) -> tuple[dict[str, float | None], list[str]]:
        return table.look_up("AA\x1f1", ORIGIN + micros(hours))

    assert at(0) == (dict.fromkeys(["last", "late", "flights", "old", "spread"]), ["no_entity:carriers"])  # a row knows nothing of itself
    assert at(2)[0] == {"last": 2.5, "late": 1.0, "flights": 2.0, "old": None, "spread": np.std([1.5, 2.5], ddof=1)}
    assert at(3)[0] == {"last": 2.5, "late": 0.5, "flights": 2.0, "old": None, "spread": np.std([1.5, 2.5], ddof=1)}
    assert at(4)[0]["old"] == 1.5
    assert at(7)[0] == {"last": 2.5, "late": 0.0, "flights": 0.0, "old": 2.5, "spread": np.std([1.5, 2.5], ddof=1)}
    assert at(7.5)[0]["last"] is None
    assert at(7.5)[1] == [f"stale:carriers.{name}" for name in ("last", "flights", "old", "spread")]
    assert table.look_up("UA\x1f1", ORIGIN + micros(4))[1] == ["no_entity:carriers"]
    assert table.look_up(None, ORIGIN + micros(4))[1] == ["no_entity:carriers"]
    assert at(-4.5)[1] == ["early:carriers"]


def test_stale_values_are_counted_and_missing_in_training() -> None:
    found = view(ttl_hours=1)
    frame = frame_of([(0, 1.0, "AA", 1, None), (2, 2.0, "AA", 1, None), (9, 3.0, "AA", 1, None), (9, 3.0, None, 1, None)])
    moments = frame["_event_time"].dt.epoch("us").to_numpy()
    columns, stale = ViewHistory.of(found, SOURCE, frame).columns(["last", "flights"], entity_keys(frame, found.entity), moments)
    assert np.array_equal(columns["last"], [np.nan, 1.0, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(columns["flights"], [np.nan, 1.0, np.nan, np.nan], equal_nan=True)
    assert stale == {"last": 1, "flights": 1}


def test_the_same_content_gives_the_same_bytes_and_a_changed_byte_is_found(tmp_path: Path) -> None:
    frame = frame_of([(0, 1.5, "AA", 1, 1.0), (2, 2.5, "B6", 1, 0.0)])
    first = table_of(view(), frame, ORIGIN + micros(4), tmp_path)
    assert table_of(view(), frame, ORIGIN + micros(4), tmp_path).digest == first.digest
    path = table_path(tmp_path, "carriers")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(StoreError, match="damaged"):
        read_table(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="damaged"):
        read_table(path)
    with pytest.raises(StoreError, match="not the name"):
        table_path(tmp_path, "../carriers")


def test_definition_changes_with_what_it_means_only() -> None:
    first = definition_digest(view())
    assert definition_digest(view(title="other", owner="other", keep_hours=1)) == first
    assert definition_digest(view(ttl_hours=7)) != first
    assert definition_digest(view(features=[{"name": "last", "kind": "lag", "of": "x", "rows": 2}])) != first


@pytest.mark.parametrize(("values", "key"), [
    (["AA", 1], "AA\x1f1"), (["AA", 1.0], "AA\x1f1"), ([True], "true"), ([None], None), ([1.5], None)])
def test_keys_are_the_texts_of_the_snapshot(values: list[Any], key: str | None) -> None:
    assert entity_key(values) == key


def test_no_rows_at_all() -> None:
    found, frame = view(), frame_of([(0, None, None, 1, None)]).head(0)
    history = ViewHistory.of(found, SOURCE, frame)
    assert history.steps(ORIGIN) == {}
    columns, stale = history.columns(["last"], pl.Series(["AA\x1f1"]), np.array([ORIGIN]))
    assert np.isnan(columns["last"]).all()
    assert stale == {"last": 0}
