"""The short way to the matrix equals the general one, bit for bit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.errors import DataError
from interlock.modeling.features import FeatureSpace, FeatureSpec
from interlock.serving import encoding
from interlock.serving.encoding import Encoder

SPACE = FeatureSpace(specs=[
    FeatureSpec(name="number", kind="numeric"), FeatureSpec(name="needed", kind="numeric", required=True),
    FeatureSpec(name="word", kind="category", categories=["", "1", "a", "true"]), FeatureSpec(name="yes", kind="boolean"),
    *(FeatureSpec(name=part, kind="calendar") for part in ("hour", "weekday", "month", "day_of_year", "minute_of_day"))])
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**40), 10**40)
RECORDS = st.fixed_dictionaries({}, optional={
    "number": NUMBERS, "needed": NUMBERS, "word": st.none() | st.sampled_from(["", "1", "a", "true", "z", 1, True]),
    "yes": st.none() | st.booleans()})
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


@pytest.mark.parametrize("few", [16, 0])
@given(rows=st.lists(st.tuples(RECORDS, MOMENTS), min_size=1, max_size=16))
@settings(max_examples=300)
def test_all_ways_give_the_same_matrix_and_flags(few: int, rows: list[tuple[dict[str, Any], datetime]]) -> None:
    records, moments = [record for record, _ in rows], [moment for _, moment in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "ROWS_MAX", few)  # 0: every batch is encoded column by column
        short, flags = Encoder(SPACE).encode(records, moments)
    general, expected = SPACE.encode_records(records, moments)
    assert short.tobytes() == general.tobytes()
    assert short.dtype == np.float32
    assert flags == expected


def test_a_wrong_type_is_refused_both_ways() -> None:
    for wrong in ({"number": True}, {"number": "1"}, {"yes": "true"}, {"word": 1.5}):
        for encode in (Encoder(SPACE).encode, SPACE.encode_records):
            with pytest.raises(DataError, match=next(iter(wrong))):
                encode([wrong], [datetime(2013, 1, 1, tzinfo=UTC)])
