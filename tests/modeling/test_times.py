"""Event times: zones, summer time, added minutes, row order as the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from interlock.errors import DataError
from interlock.modeling.schema import typed
from interlock.modeling.times import event_times, moment
from interlock.spec.usecase import UseCase

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def times(time: dict[str, Any], texts: list[str], kind: str = "datetime", plus: list[str] | None = None, first_row: int = 0) -> list[str]:
    use_case = UseCase.model_validate({
        "spec_version": 1, "name": "tiny", "title": "t", "description": "d", "owner": "o", "time": time, "training": {"split": "seeded"},
        "prediction": {"task": "regression", "target": "y", "moment": "now"}, "source": {"kind": "files", "files": [{"path": "x"}]},
        "columns": {"at": {"type": kind, "role": "ignore"}, "plus": {"type": "float"}, "y": {"type": "float", "role": "target"}}})
    clean = pl.DataFrame({"at": texts, "plus": plus or ["0"] * len(texts), "y": ["1"] * len(texts)}).with_row_index("_row_number", offset=1)
    found = event_times(typed(clean.drop("_row_number"), use_case), clean, use_case, first_row=first_row, now=NOW)
    assert found.dtype == pl.Datetime("us", "UTC")
    return ["none" if value is None else value.strftime("%Y-%m-%dT%H:%M:%S") for value in found]


def test_a_time_without_a_zone_is_of_the_zone_of_the_file() -> None:
    # Vienna is UTC+1 in winter and UTC+2 in summer.
    assert times({"column": "at", "zone": "Europe/Vienna"}, ["2024-01-01T12:00:00", "2024-07-01 12:00", "2024-07-01T12:00:00Z"]) == [
        "2024-01-01T11:00:00", "2024-07-01T10:00:00", "2024-07-01T12:00:00"]


def test_the_hour_that_summer_time_skips_is_no_time_and_of_a_doubled_hour_the_first_counts() -> None:
    vienna = {"column": "at", "zone": "Europe/Vienna"}
    assert times(vienna, ["2024-03-31T02:30:00", "2024-10-27T02:30:00"]) == ["none", "2024-10-27T00:30:00"]


def test_an_own_format() -> None:
    assert times({"column": "at", "format": "%d.%m.%Y %H:%M"}, ["31.12.2024 23:59", "2024-12-31"]) == ["2024-12-31T23:59:00", "none"]
    assert times({"column": "at", "format": "%d.%m.%Y"}, ["31.12.2024"], kind="date") == ["2024-12-31T00:00:00"]
    assert times({"column": "at", "format": "%Y%m%d%H%M%z"}, ["202412312300+0100"]) == ["2024-12-31T22:00:00"]


def test_a_clock_may_be_text() -> None:
    assert times({"column": "at"}, ["2024-12-31", "soon"], kind="text") == ["2024-12-31T00:00:00", "none"]


def test_minutes_and_hours_are_added() -> None:
    assert times({"column": "at", "plus_minutes": "plus"}, ["2024-01-01"] * 2, plus=["90", ""]) == ["2024-01-01T01:30:00", "none"]
    assert times({"column": "at", "plus_hours": "plus"}, ["2024-01-01"], kind="date", plus=["13"]) == ["2024-01-01T13:00:00"]


def test_row_order_is_the_clock_across_files() -> None:
    clock = {"row_start": "2024-01-01T00:00:00Z", "row_step_minutes": 30}
    assert times(clock, [""] * 2) == ["2024-01-01T00:00:00", "2024-01-01T00:30:00"]
    assert times(clock, [""], first_row=4) == ["2024-01-01T02:00:00"]


def test_without_a_clock_it_is_now() -> None:
    assert times({}, [""]) == ["2025-01-01T00:00:00"]


def test_a_moment_is_utc_unless_it_says_otherwise() -> None:
    assert moment("2024-01-01") == moment("2024-01-01T01:00:00+01:00") == datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(DataError, match="ISO 8601"):
        moment("soon")
