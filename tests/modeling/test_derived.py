"""Derived features: equal to a slow reference, blind to everything later, right by hand, fast, and in a trained model."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.errors import DataError
from interlock.modeling.derived import with_derived, with_formulas
from interlock.modeling.formulas import formula_of_record
from interlock.spec.derived import Derived
from interlock.spec.usecase import UseCase

START = datetime(2013, 5, 4, tzinfo=UTC)
HISTORY = [
    {"kind": "lag", "of": "x", "rows": 1}, {"kind": "lag", "of": "_label", "rows": 2, "by": ["carrier"]},
    {"kind": "lag", "of": "x", "hours": 3}, {"kind": "lag", "of": "_label", "hours": 1.5, "by": ["carrier"]},
    {"kind": "rolling", "of": "x", "statistic": "mean", "rows": 3, "by": ["carrier"]},
    {"kind": "rolling", "of": "x", "statistic": "sum", "hours": 4}, {"kind": "rolling", "of": "later", "statistic": "max", "hours": 4},
    {"kind": "rolling", "of": "x", "statistic": "std", "rows": 4, "include_self": True},
    {"kind": "rolling", "of": "x", "statistic": "min", "hours": 2, "include_self": True, "by": ["carrier", "night"]},
    {"kind": "rolling", "of": "_label", "statistic": "mean", "hours": 6},
    {"kind": "rolling", "statistic": "count", "hours": 5, "by": ["carrier"]}]


def features(declared: list[dict[str, Any]]) -> list[Derived]:
    return [Derived(**{"name": f"f{place}"} | made) for place, made in enumerate(declared)]


def use_case(declared: list[dict[str, Any]], delay_hours: float = 1.0) -> UseCase:
    return UseCase.model_validate({
        "spec_version": 1, "name": "late", "title": "t", "description": "d", "owner": "o",
        "prediction": {"task": "binary", "target": "y", "positive": [1], "moment": "m"},
        "source": {"kind": "files", "files": [{"path": "x.csv"}]}, "time": {"column": "at"}, "labels": {"delay_hours": delay_hours},
        "columns": {"at": {"type": "datetime", "role": "ignore"}, "x": {"type": "float"}, "carrier": {"type": "category"},
                    "night": {"type": "boolean"}, "later": {"type": "float", "role": "later"}, "y": {"type": "integer", "role": "target"}},
        "features": {"derived": [made.model_dump(exclude_defaults=True) for made in features(declared)]}})


def frame_of(rows: list[tuple[int, float | None, str | None, bool, float | None, int]]) -> pl.DataFrame:
    """Rows of (half-hours after the start, x, carrier, night, label, half-hours from event to label) as a snapshot."""
    moments = [START + timedelta(minutes=30 * row[0]) for row in rows]
    seen = [None if row[4] is None else moment + timedelta(minutes=30 * row[5]) for row, moment in zip(rows, moments, strict=True)]
    zone = pl.Datetime("us", "UTC")
    return pl.DataFrame({
        "x": pl.Series([row[1] for row in rows], dtype=pl.Float64), "carrier": pl.Series([row[2] for row in rows], dtype=pl.String),
        "night": pl.Series([row[3] for row in rows], dtype=pl.Boolean), "later": pl.Series([row[1] for row in rows], dtype=pl.Float64),
        "_row_id": [str(place) for place in range(len(rows))], "_event_time": pl.Series(moments, dtype=zone),
        "_seen_time": pl.Series(moments, dtype=zone), "_label": pl.Series([row[4] for row in rows], dtype=pl.Float64),
        "_label_seen_time": pl.Series(seen, dtype=zone)}).sort("_event_time", maintain_order=True)


def naive(made: Derived, frame: pl.DataFrame, place: int) -> float | None:
    """The definition, row by row: sort what was known by when it became known, take the window, make the statistic."""
    rows = frame.to_dicts()
    here = rows[place]
    if any(here[name] is None for name in made.by):
        return None
    late = made.of in {"_label", "later"}
    known = []
    for number, row in enumerate(rows):
        seen = (row["_label_seen_time"] or row["_event_time"] + timedelta(hours=1)) if late else row["_seen_time"]
        became = max(seen, row["_event_time"] + timedelta(microseconds=1))
        value = row[made.of] if made.of else 1.0
        same = all(row[name] == here[name] for name in made.by)
        if became <= here["_event_time"] and value is not None and math.isfinite(value) and same:
            known.append((became, row["_event_time"], number, value))
    known.sort()
    if made.kind == "lag" and made.hours is not None:
        bound = here["_event_time"] - timedelta(hours=made.hours)
        old = [(event, became, number, value) for became, event, number, value in known if event <= bound]
        return max(old)[-1] if old else None
    if made.kind == "lag":
        return known[-made.rows][-1] if len(known) >= (made.rows or 1) else None
    own = [here[made.of]] if made.include_self and here[str(made.of)] is not None else []
    if made.hours is not None:
        values = [value for became, _, _, value in known if became > here["_event_time"] - timedelta(hours=made.hours)] + own
    else:
        values = ([value for *_, value in known] + own)[-(made.rows or 1):]
    if made.statistic == "count":
        return float(len(values))
    if not values or (made.statistic == "std" and len(values) < 2):
        return None
    found = {"mean": np.mean, "sum": np.sum, "min": np.min, "max": np.max, "std": lambda v: np.std(v, ddof=1)}[str(made.statistic)](values)
    return float(found)


NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(
    st.integers(0, 20), st.none() | st.floats(-100, 100, width=32), st.sampled_from(["AA", "B6", None]), st.booleans(),
    st.none() | st.sampled_from([0.0, 1.0]), st.integers(0, 8)), min_size=1, max_size=25)


@given(rows=ROWS)
@settings(max_examples=40, deadline=None)
def test_equal_to_the_definition_row_by_row(rows: list[Any]) -> None:
    frame = frame_of(rows)
    case = use_case(HISTORY)
    found = with_derived(case, frame)
    for made in case.features.derived:
        expected = [naive(made, frame, place) for place in range(frame.height)]
        for value, wanted in zip(found[made.name].to_list(), expected, strict=True):
            assert (value is None) == (wanted is None), made
            assert value is None or value == pytest.approx(wanted, rel=1e-12, abs=1e-9), made


@given(rows=ROWS, cut=st.integers(0, 20), change=st.floats(-5, 5, width=32))
@settings(max_examples=40, deadline=None)
def test_nothing_later_can_enter(rows: list[Any], cut: int, change: float) -> None:
    """Every value of an event at or after the cut, and every label seen after it, is changed: rows up to the cut keep every bit."""
    frame, moment = frame_of(rows), START + timedelta(minutes=30 * cut)
    case, here = use_case(HISTORY), pl.col("_event_time") <= moment
    late = pl.coalesce("_label_seen_time", pl.col("_event_time") + timedelta(hours=1)) > moment
    new = pl.lit(change, dtype=pl.Float64)
    changed = frame.with_columns(x=pl.when(pl.col("_event_time") >= moment).then(new).otherwise("x"),
                                 later=pl.when(late).then(new).otherwise("later"), _label=pl.when(late).then(new).otherwise("_label"))
    names = [made.name for made in case.features.derived]
    selfless = [made.name for made in case.features.derived if not made.include_self]
    before, after = (with_derived(case, one) for one in (frame, changed))
    assert before.filter(here).select(selfless).equals(after.filter(here).select(selfless), null_equal=True)
    assert before.filter(here).select(names).equals(with_derived(case, frame.filter(here)).select(names), null_equal=True)
    older = pl.col("_event_time") < moment
    assert before.filter(older).select(names).equals(after.filter(older).select(names), null_equal=True)


def test_a_variant_that_forgets_when_outcomes_were_seen_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant takes labels as known with their event; then a label that comes an hour later changes a row before it."""
    rows = [(0, 1.0, "AA", False, 1.0, 2), (1, 2.0, "AA", False, 0.0, 2)]
    changed = [(0, 1.0, "AA", False, 0.0, 2), rows[1]]
    case = use_case([{"kind": "lag", "of": "_label", "rows": 1}])
    assert with_derived(case, frame_of(rows))["f0"].equals(with_derived(case, frame_of(changed))["f0"])
    monkeypatch.setattr("interlock.modeling.derived.seen_moments",
                        lambda case, frame, column: frame["_event_time"].dt.epoch("us").to_numpy())
    assert not with_derived(case, frame_of(rows))["f0"].equals(with_derived(case, frame_of(changed))["f0"])


def test_by_hand() -> None:
    """Half-hours 0, 1, 2, 3; labels an hour late: at half-hour 2 only the first label is known, at 3 the first two."""
    frame = frame_of([(0, 1.0, "AA", False, 1.0, 2), (1, 2.0, "AA", True, 0.0, 2), (2, 4.0, "B6", False, 1.0, 2),
                      (3, None, "AA", True, 0.0, 2)])
    case = use_case([{"kind": "lag", "of": "_label", "rows": 1}, {"kind": "lag", "of": "x", "rows": 1, "by": ["carrier"]},
                     {"kind": "rolling", "of": "x", "statistic": "mean", "hours": 1}, {"kind": "rolling", "statistic": "count", "rows": 2},
                     {"kind": "rolling", "of": "x", "statistic": "sum", "rows": 2, "include_self": True},
                     {"kind": "ratio", "of": "x", "over": "f2"}, {"kind": "difference", "of": "x", "over": "f1"}])
    found = with_derived(case, frame)
    assert found["f0"].to_list() == [None, None, 1.0, 0.0]
    assert found["f1"].to_list() == [None, 1.0, None, 2.0]
    assert found["f2"].to_list() == [None, 1.0, 1.5, 3.0]          # x of the hour before: -, 1, (1+2)/2, (2+4)/2
    assert found["f3"].to_list() == [0.0, 1.0, 2.0, 2.0]
    assert found["f4"].to_list() == [1.0, 3.0, 6.0, 6.0]           # the last row has no x: the two before it
    assert found["f5"].to_list() == [None, 2.0, 4.0 / 1.5, None]
    assert found["f6"].to_list() == [None, 1.0, None, None]
    assert found.drop(f"f{place}" for place in range(7)).equals(frame, null_equal=True)


def test_ratio_and_difference_are_missing_where_they_are_no_number() -> None:
    frame = frame_of([(0, 1.0, None, False, None, 0), (1, 1e308, None, False, None, 0)]).with_columns(later=pl.Series([0.0, 1e-10]))
    found = with_derived(use_case([]), frame, features([{"kind": "ratio", "of": "x", "over": "later"}]))
    assert found["f0"].to_list() == [None, None]  # 1 / 0, and 1e308 / 1e-10 beyond float64


def test_captured_requests_get_the_formulas_that_they_lack() -> None:
    """Context is captured as text; what is there already stays; a lag cannot be made of one request."""
    made = features([{"kind": "ratio", "of": "x", "over": "fee"}, {"kind": "lag", "of": "x", "rows": 1},
                     {"kind": "difference", "of": "x", "over": "gone"}, {"kind": "difference", "of": "x", "over": "f0"}])
    captured = frame_of([(0, 3.0, None, False, None, 0), (1, 1.0, None, False, None, 0)]).with_columns(fee=pl.Series(["2", "no number"]))
    found = with_formulas(made, captured)
    assert found["f0"].to_list() == [1.5, None]
    assert found["f3"].to_list() == [1.5, None]
    assert not {"f1", "f2"} & set(found.columns)
    assert with_formulas(made, captured.with_columns(f0=pl.lit(7.0)))["f0"].to_list() == [7.0, 7.0]


@pytest.mark.parametrize(("part", "sine", "cosine"), [
    ("hour", 0.5, math.cos(math.pi / 6)), ("weekday", math.sin(10 * math.pi / 7), math.cos(10 * math.pi / 7)),
    ("month", math.sin(8 * math.pi / 12), math.cos(8 * math.pi / 12))])
def test_cyclic_is_a_place_on_the_circle(part: str, sine: float, cosine: float) -> None:
    """Saturday 4 May 2013, 02:00: hour 2 of 24, weekday 5 of 7, month 5 (the fifth from 0: 4) of 12."""
    made = Derived(name="c", kind="cyclic", part=part)
    found = with_derived(use_case([]), frame_of([(4, 1.0, None, False, None, 0)]), [made])
    assert found["c_sin"][0] == pytest.approx(sine, abs=1e-15)
    assert found["c_cos"][0] == pytest.approx(cosine, abs=1e-15)


@given(left=NUMBER, right=NUMBER,
       minutes=st.integers(0, 5_000_000), kind=st.sampled_from(["ratio", "difference"]),
       part=st.sampled_from(["hour", "weekday", "month", "day_of_year", "minute_of_day"]))
@settings(max_examples=80, deadline=None)
def test_a_record_gets_the_bits_of_the_frame(left: float | None, right: float | None, minutes: int, kind: str, part: str) -> None:
    made = features([{"kind": kind, "of": "x", "over": "later"}, {"kind": "cyclic", "part": part}])
    frame = frame_of([(0, left, None, False, None, 0)] * 3).with_columns(
        later=pl.Series([right] * 3, dtype=pl.Float64), _event_time=pl.col("_event_time") + timedelta(minutes=minutes))
    expected = with_derived(use_case([]), frame, made).select(name for one in made for name in one.outputs).row(1, named=True)
    micros = int(frame["_event_time"].dt.epoch("us")[1])
    found = {name: value for one in made for name, value in formula_of_record(one, {"x": left, "later": right}, micros).items()}
    assert found == expected


@pytest.mark.parametrize("rows", [[], [(0, None, None, False, None, 0)], [(0, 1.0, "AA", True, 1.0, 0)] * 5])
def test_no_row_one_row_and_one_instant(rows: list[Any]) -> None:
    """Rows of one instant know nothing of each other."""
    found = with_derived(use_case([made for made in HISTORY if not made.get("include_self")]), frame_of(rows))
    counts = found["f8"].to_list()
    assert counts == [0.0 if row[2] else None for row in rows]
    assert all(found[f"f{place}"].null_count() == len(rows) for place in range(8))


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"'f0'(.|\n)*speed"):
        with_derived(use_case([]), frame_of([(0, 1.0, None, False, None, 0)]), features([{"kind": "lag", "of": "speed", "rows": 1}]))
    with pytest.raises(DataError, match="needs numbers"):
        with_derived(use_case([]), frame_of([(0, 1.0, "AA", False, None, 0)]), features([{"kind": "lag", "of": "carrier", "rows": 1}]))


def test_fifty_thousand_rows_take_less_than_a_second() -> None:
    """Measured 0.04 s per feature, 50,000 levels included; processor time, as the machine may be busy."""
    draw = np.random.default_rng(2013)
    minutes = np.sort(draw.integers(0, 180 * 24 * 60, 50_000))
    moments = pl.Series([START]).dt.epoch("us")[0] + minutes * 60_000_000
    stamp = pl.Series(moments).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    frame = pl.DataFrame({"x": draw.normal(size=50_000), "carrier": [f"c{place}" for place in draw.integers(0, 50_000, 50_000)],
                          "_event_time": stamp, "_seen_time": stamp, "_label": draw.integers(0, 2, 50_000).astype(float),
                          "_label_seen_time": stamp + timedelta(hours=12)})
    made = features([{"kind": "lag", "of": "_label", "rows": 1, "by": ["carrier"]}, {"kind": "lag", "of": "x", "hours": 24},
                     {"kind": "rolling", "of": "_label", "statistic": "mean", "hours": 168},
                     {"kind": "rolling", "of": "x", "statistic": "std", "hours": 24}])
    began = time.process_time()
    with_derived(use_case([], 12.0), frame, made)
    assert time.process_time() - began < 4
