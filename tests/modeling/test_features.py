"""One path from raw values to the matrix: training frames and served records agree bit for bit."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.errors import DataError
from interlock.modeling.features import FeatureSpace, FeatureSpec
from interlock.spec.usecase import UseCase

NOON = datetime(2013, 5, 4, 12, 30, tzinfo=UTC)  # a Saturday, the 124th day of the year
PARTS = ["hour", "weekday", "month", "day_of_year", "minute_of_day"]
SPACE = FeatureSpace(specs=[
    FeatureSpec(name="amount", kind="numeric"), FeatureSpec(name="count", kind="numeric", required=True),
    FeatureSpec(name="member", kind="boolean"), FeatureSpec(name="colour", kind="category", categories=["blue", "red", "été"]),
    *(FeatureSpec(name=part, kind="calendar") for part in PARTS)])
ROW = st.fixed_dictionaries({
    "amount": st.none() | st.floats(allow_nan=True, allow_infinity=True), "count": st.none() | st.integers(-(2**63), 2**63 - 1),
    "member": st.none() | st.booleans(), "colour": st.none() | st.sampled_from(["blue", "red", "été", "green", "", " red"])})
TIME = st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(rows=st.lists(st.tuples(ROW, TIME), min_size=1, max_size=20))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_frame_and_records_give_the_same_bits(rows: list[tuple[dict[str, object], datetime]]) -> None:
    records, times = [row for row, _ in rows], [moment for _, moment in rows]
    schema = {"amount": pl.Float64, "count": pl.Int64, "member": pl.Boolean, "colour": pl.String}
    frame = pl.DataFrame(records, schema=schema).with_columns(_event_time=pl.Series(times, dtype=pl.Datetime("us", "UTC")))
    matrix, _ = SPACE.encode_records(records, times)
    assert matrix.dtype == np.float32
    assert matrix.tobytes() == SPACE.encode_frame(frame).tobytes()


def test_adult_frame_and_records_give_the_same_bits(adult: UseCase, small: pl.DataFrame) -> None:
    space = FeatureSpace.fit(adult, small)
    matrix, _ = space.encode_records(small.select(space.input_names).to_dicts(), small["_event_time"].to_list())
    assert matrix.tobytes() == space.encode_frame(small).tobytes()


def test_values_by_hand() -> None:
    matrix, flags = SPACE.encode_records([{"amount": 1.5, "count": 3, "member": True, "colour": "red"}], [NOON])
    assert matrix.tolist() == [[1.5, 3.0, 1.0, 1.0, 12.0, 5.0, 5.0, 124.0, 750.0]]
    assert flags == [[]]


def test_calendar_is_utc_whatever_the_zone_of_the_request() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-9)))
    record = {"count": 1}
    assert SPACE.encode_records([record], [there])[0].tobytes() == SPACE.encode_records([record], [NOON])[0].tobytes()


def test_event_time_without_a_zone_is_refused() -> None:
    with pytest.raises(DataError, match="without a zone"):
        SPACE.encode_records([{}], [NOON.replace(tzinfo=None)])


def test_null_nan_and_absent_all_mean_missing() -> None:
    records = [{"amount": None, "count": 1}, {"amount": float("nan"), "count": 1}, {"count": 1}]
    matrix, flags = SPACE.encode_records(records, [NOON] * 3)
    assert np.isnan(matrix[:, 0]).all()
    assert flags == [[], [], []]


def test_flags_say_what_was_odd() -> None:
    record = {"amount": 1e300, "count": None, "colour": "green"}
    assert SPACE.encode_records([record], [NOON])[1] == [["infinite:amount", "missing:count", "unseen:colour"]]


@pytest.mark.parametrize(("field", "value"), [("amount", "1.5"), ("amount", True), ("count", [1]), ("member", "yes"), ("member", 2),
                                              ("colour", 1.5), ("colour", {"a": 1})])
def test_mistyped_value_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(DataError, match=f"feature '{field}'"):
        SPACE.encode_records([{field: value}], [NOON])


def test_integer_beyond_float_is_infinite_not_a_crash() -> None:
    assert "infinite:amount" in SPACE.encode_records([{"amount": 10**400, "count": 1}], [NOON])[1][0]


def test_columns_as_arrays_are_taken_as_they_are() -> None:
    columns = {"amount": np.array([1.0, np.nan]), "count": np.array([1, 2]), "colour": ["red", None]}
    matrix, _ = SPACE.encode_columns(columns, 2, [NOON, NOON])
    assert matrix[0, :4].tolist()[:2] == [1.0, 1.0]
    assert np.isnan(matrix[1, 0])


def test_sensitive_columns_stay_out_unless_asked_for(adult: UseCase, small: pl.DataFrame) -> None:
    assert not {"sex", "race", "income", "fnlwgt"} & set(FeatureSpace.fit(adult, small).names)
    asked = adult.model_copy(update={"features": adult.features.model_copy(update={"include_sensitive": True})})
    assert {"sex", "race"} <= set(FeatureSpace.fit(asked, small).names)


def test_categories_do_not_depend_on_row_order(adult: UseCase, small: pl.DataFrame) -> None:
    assert FeatureSpace.fit(adult, small) == FeatureSpace.fit(adult, small.reverse())


def test_date_as_feature_is_refused(adult: UseCase, small: pl.DataFrame) -> None:
    columns = {**adult.columns, "age": adult.columns["age"].model_copy(update={"type": "date"})}
    with pytest.raises(DataError, match="'age' of type date"):
        FeatureSpace.fit(adult.model_copy(update={"columns": columns}), small)


def test_serving_side_imports_no_heavy_library() -> None:
    code = ("import sys, interlock.modeling.features, interlock.modeling.package;"
            "print([n for n in ('polars','pandas','sklearn','xgboost','sqlalchemy') if n in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
