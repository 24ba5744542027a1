"""Whatever the rows are: every row is either accepted or refused with a reason, and refused rows keep their text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.records.quarantine import Judged, Origin, judge_rows
from interlock.records.sources import RawRows, no_malformed
from interlock.spec.usecase import UseCase

NAMES = ["id", "at", "age", "city", "pay", "y"]
CELL = st.one_of(st.sampled_from(["", "0", "1", "-1", "121", "30", "x", "nan", "inf", "1e400", "yes", "no", "2024-01-01",
                                  "2024-01-01T10:00:00Z", "9" * 30, " 5 "]), st.text(max_size=5))


def use_case() -> UseCase:
    columns = {"id": {"type": "integer", "role": "identifier", "unique": True, "missing": False},
               "at": {"type": "datetime", "role": "ignore"},
               "age": {"type": "integer", "min": 0, "max": 120}, "city": {"type": "category"}, "pay": {"type": "float"},
               "y": {"type": "category", "role": "target", "values": ["yes", "no"]}}
    return UseCase.model_validate({
        "spec_version": 1, "name": "tiny", "title": "t", "description": "d", "owner": "o", "columns": columns, "time": {"column": "at"},
        "source": {"kind": "files", "files": [{"path": "x"}], "cell_bytes_max": 12},
        "prediction": {"task": "binary", "target": "y", "positive": ["yes"], "moment": "now"},
        "checks": [{"name": "short", "kind": "regex", "column": "city", "pattern": ".{0,3}"}]})


def judged(rows: list[list[str]], window: tuple[Any, Any] = (None, None)) -> Judged:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String), orient="row").with_row_index("_row_number", offset=1)
    now = datetime(2024, 1, 1, tzinfo=UTC)
    return judge_rows(RawRows(frame, no_malformed()), use_case(), Origin("tiny.csv", "abc"), now=now, window=window)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELL, min_size=6, max_size=6), max_size=12))
def test_nothing_is_lost_and_nothing_is_doubled(rows: list[list[str]]) -> None:
    result = judged(rows)
    assert result.accepted.height + result.refused.height == len(rows)
    accepted = [int(identity.split("-")[1]) for identity in result.accepted["_row_id"]]
    refused = result.refused["_row_number"].to_list()
    assert sorted(accepted + refused) == list(range(1, len(rows) + 1))
    assert all(result.refused["_reasons"].list.len() > 0)
    for number, *texts in result.refused.select("_row_number", *NAMES).rows():
        assert texts == rows[number - 1]
    kept = result.accepted
    assert kept["age"].drop_nulls().is_between(0, 120).all()
    assert kept["pay"].drop_nulls().is_finite().all()
    assert kept["id"].n_unique() == kept.height
    assert kept["_event_time"].null_count() == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(CELL, min_size=6, max_size=6), max_size=12))
def test_two_windows_take_what_one_takes(rows: list[list[str]]) -> None:
    cut = datetime(2024, 1, 1, 5, tzinfo=UTC)
    first, second = judged(rows, (None, cut)), judged(rows, (cut, None))
    assert first.accepted.height + first.refused.height + second.accepted.height + second.refused.height == len(rows)
