"""Which rows a model learns from, is tuned on and judged by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from interlock.modeling.naive import last_known_labels, naive_answers
from interlock.modeling.split import split_rows
from interlock.spec.usecase import UseCase

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rows(hours: list[float], labels: list[Any], delay: float = 0.0) -> pl.DataFrame:
    """One row per entry: event so many hours after the start, label seen `delay` hours later."""
    times = [START + HOUR * hour for hour in hours]
    utc = pl.Datetime("us", "UTC")
    return pl.DataFrame({
        "age": pl.Series([1] * len(hours), dtype=pl.Int64), "_row_id": [f"r{place}" for place in range(len(hours))], "_label": labels,
        "_event_time": pl.Series(times, dtype=utc), "_label_seen_time": pl.Series([moment + HOUR * delay for moment in times], dtype=utc),
        "_split": pl.Series([None] * len(hours), dtype=pl.String)})


def case(adult: UseCase, **training: Any) -> UseCase:
    given = {"split": "time", "test_fraction": 0.2, "validation_fraction": 0.25, "rows_min": 20, **training}
    return adult.model_copy(update={"training": adult.training.model_copy(update=given)})


def alternating(count: int) -> list[float]:
    return [float(place % 2) for place in range(count)]


def test_time_holds_out_the_newest(adult: UseCase) -> None:
    split = split_rows(case(adult), rows(list(range(100)), alternating(100)))
    # 100 rows: the newest 20 held out, then a quarter of the other 80
    assert (split.train.height, split.validation.height, split.test.height) == (60, 20, 20)
    assert split.train["_event_time"].max() < split.validation["_event_time"].min() < split.test["_event_time"].min()


def test_rows_of_one_instant_stay_together(adult: UseCase) -> None:
    hours = [float(place // 10) for place in range(100)]
    split = split_rows(case(adult, test_fraction=0.15), rows(hours, alternating(100)))
    assert split.test.height == 20  # 15 asked for; the instant at which row 85 lies holds rows 80 to 89
    assert not set(split.test["_event_time"]) & set(split.fit_rows["_event_time"])


def test_labels_seen_after_the_held_out_rows_began_teach_nothing(adult: UseCase) -> None:
    split = split_rows(case(adult), rows(list(range(100)), alternating(100), delay=5))
    # held out: hours 80 to 99; labels seen by hour 80 are those of hours 0 to 75, of which the newest quarter (19) is for validation
    assert split.fit_rows["_label_seen_time"].max() <= split.test["_event_time"].min()
    assert split.validation.height == 19
    assert split.train["_label_seen_time"].max() <= split.validation["_event_time"].min()


def test_labels_not_yet_seen_at_as_of_are_not_used(adult: UseCase) -> None:
    frame = rows(list(range(100)), alternating(100), delay=5)
    split = split_rows(case(adult), frame, as_of=START + HOUR * 60)
    assert split.test["_event_time"].max() == START + HOUR * 55
    assert split.labels_until == START + HOUR * 60


def test_labels_until_rebuilds_the_same_split(adult: UseCase) -> None:
    frame = rows(list(range(100)), alternating(100), delay=5)
    first = split_rows(case(adult), frame, as_of=START + HOUR * 60.5)
    again = split_rows(case(adult), frame, as_of=first.labels_until)
    assert again.test.equals(first.test)
    assert again.train.equals(first.train)


def test_rows_without_label_are_left_out(adult: UseCase) -> None:
    labels = [None if place % 4 == 0 else float(place % 2) for place in range(100)]
    split = split_rows(case(adult), rows(list(range(100)), labels))
    assert split.train.height + split.validation.height + split.test.height == 75


def test_window_keeps_the_newest_days(adult: UseCase) -> None:
    split = split_rows(case(adult, window_days=2.0), rows(list(range(100)), alternating(100)))
    assert split.train["_event_time"].min() == START + HOUR * 52  # the newest row is at hour 99; 48 hours before it are out


def test_seeded_split_follows_the_row_not_its_place(adult: UseCase) -> None:
    frame = rows([0.0] * 400, alternating(400))
    one, other = (split_rows(case(adult, split="seeded"), given) for given in (frame, frame.reverse()))
    assert set(one.test["_row_id"]) == set(other.test["_row_id"])
    assert 50 <= one.test.height <= 110  # 80 expected, standard deviation 8


def test_another_seed_holds_out_other_rows(adult: UseCase) -> None:
    frame = rows([0.0] * 400, alternating(400))
    one, other = (split_rows(case(adult, split="seeded", seed=seed), frame) for seed in (1, 2))
    assert set(one.test["_row_id"]) != set(other.test["_row_id"])


def test_official_split_is_the_sources(adult: UseCase, adult_frame: pl.DataFrame) -> None:
    split = split_rows(adult, adult_frame)
    assert split.test.height == 16_281
    assert split.fit_rows.height == 32_561


@pytest.mark.parametrize(("frame", "text"), [
    (rows(list(range(10)), alternating(10)), "too few labelled rows"),
    (rows([0.0] * 100, alternating(100)), "cannot be split by time"),
    (rows(list(range(100)), [1.0] * 100), "one class only"),
])
def test_rows_that_cannot_teach_are_refused(adult: UseCase, frame: pl.DataFrame, text: str) -> None:
    with pytest.raises(DataError, match=text):
        split_rows(case(adult), frame)


def test_last_known_label_is_the_row_before_where_labels_come_at_once(adult: UseCase) -> None:
    labels = [1.0, 0.0, 0.0, 1.0] * 25
    split = split_rows(case(adult), rows(list(range(100)), labels))
    assert last_known_labels(case(adult), split).tolist() == labels[79:99]


def test_last_known_label_waits_for_the_label(adult: UseCase) -> None:
    labels = [1.0, 0.0, 0.0, 1.0, 0.0] * 20
    split = split_rows(case(adult), rows(list(range(100)), labels, delay=2))
    assert last_known_labels(case(adult), split).tolist() == labels[78:98]


def test_rows_of_one_instant_do_not_tell_each_other_their_labels(adult: UseCase) -> None:
    hours = [float(place // 2) for place in range(100)]
    split = split_rows(case(adult), rows(hours, [float(place // 2 % 2) for place in range(100)]))
    assert last_known_labels(case(adult), split).tolist() == [float((place // 2 - 1) % 2) for place in range(80, 100)]


def test_prior_is_the_rate_among_the_fitting_rows(adult: UseCase) -> None:
    labels = [1.0, 0.0, 0.0, 0.0] * 25
    split = split_rows(case(adult), rows(list(range(100)), labels))
    assert np.unique(naive_answers(case(adult), split).prior).tolist() == [0.25]


def test_last_label_is_naive_only_where_time_orders_rows(adult: UseCase, small: pl.DataFrame) -> None:
    assert naive_answers(adult, split_rows(adult, small)).last_label is None
