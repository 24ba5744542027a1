"""How much history a model learns from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from interlock.modeling.held_out import hold_out
from interlock.modeling.making import make_package
from interlock.modeling.split import group_keys, split_rows
from interlock.modeling.windows import choose_window
from interlock.spec.usecase import UseCase

START = datetime(2013, 1, 1, tzinfo=UTC)
ROWS = 2_400
DRIFT = START + timedelta(hours=1_200)


def with_training(use_case: UseCase, **keys: Any) -> UseCase:
    given = {"split": "time", "rows_min": 100, "trials": 1, "rounds_max": 30, "proposals": 0, **keys}
    return use_case.model_copy(update={"training": use_case.training.model_copy(update=given)})


@pytest.fixture(scope="module")
def turned(small: pl.DataFrame) -> pl.DataFrame:
    """Real people, one an hour; from the middle on the label means the opposite."""
    frame = small.head(ROWS)
    moment = pl.lit(START).cast(pl.Datetime("us", "UTC")) + pl.int_range(pl.len()) * timedelta(hours=1)
    frame = frame.with_columns(_event_time=moment, _seen_time=moment, _label_seen_time=moment)
    return frame.with_columns(_label=pl.when(pl.col("_event_time") < DRIFT).then(pl.col("_label")).otherwise(1 - pl.col("_label")))


def test_backtest_forgets_what_has_turned_around(quick: UseCase, turned: pl.DataFrame) -> None:
    """Cut-offs at 55, 70 and 85 % of the first 80 %: hours 1056, 1344 and 1632. Labels turn at 1200."""
    chosen = choose_window(with_training(quick, window="auto", window_days=5.0), turned, None, DRIFT)
    change = chosen.figures["backtest"]["change"]
    assert chosen.kind in {"sliding", "since_drift"}
    assert change["all history"] == 0
    assert min(change.values()) < -0.2
    assert chosen.figures["backtest"]["losses"][f"since the drift of {DRIFT:%Y-%m-%d %H:%M} UTC"][0] is None  # the drift was yet to come


def test_backtest_keeps_all_history_where_nothing_changed(quick: UseCase, turned: pl.DataFrame) -> None:
    steady = turned.with_columns(_label=pl.when(pl.col("_event_time") < DRIFT).then(pl.col("_label")).otherwise(1 - pl.col("_label")))
    chosen = choose_window(with_training(quick, window="auto"), steady, None, None)
    assert chosen.kind == "all"
    assert chosen.since is None


def test_backtest_never_sees_the_held_out_rows(quick: UseCase, turned: pl.DataFrame) -> None:
    use_case = with_training(quick, window="auto", window_days=5.0)
    held_out = split_rows(with_training(quick), turned).test["_row_id"]
    label = pl.col("_label")
    other = turned.with_columns(_label=pl.when(pl.col("_row_id").is_in(held_out.implode())).then(1 - label).otherwise(label))
    assert choose_window(use_case, turned, None, DRIFT) == choose_window(use_case, other, None, DRIFT)


def test_window_of_a_package_is_rebuilt_from_its_manifest(quick: UseCase, turned: pl.DataFrame, tmp_path: Path) -> None:
    use_case = with_training(quick, window="since_drift")
    made = make_package(tmp_path, use_case, turned, snapshot_digest="s", spec_digest="p", drifted_at=DRIFT)
    assert made.package.manifest.training["window"]["kind"] == "since_drift"
    held = hold_out(use_case, made.package, turned)
    assert held.split.train["_event_time"].min() == DRIFT
    assert held.split.test.equals(made.split.test)
    assert made.package.manifest.baseline["auc"] > 0.6


def test_young_drift_gives_way_to_all_history(quick: UseCase, turned: pl.DataFrame) -> None:
    chosen = choose_window(with_training(quick, window="since_drift"), turned, None, START + timedelta(hours=ROWS - 20))
    assert chosen.kind == "all"
    assert "too few labelled rows" in chosen.note


def test_no_known_drift_means_all_history(quick: UseCase, turned: pl.DataFrame) -> None:
    assert choose_window(with_training(quick, window="since_drift"), turned, None, None).note == "all history: no drift is known"


def test_sliding_window_is_that_of_the_split(quick: UseCase, turned: pl.DataFrame) -> None:
    use_case = with_training(quick, window_days=30.0)
    chosen = choose_window(use_case, turned, None, None)
    one, other = split_rows(use_case, turned), split_rows(use_case, turned, None, chosen.since)
    assert chosen.kind == "sliding"
    assert one.train.equals(other.train)


# --- groups ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def customers(turned: pl.DataFrame) -> pl.DataFrame:
    """Every person stands in four rows, a few without a name."""
    draw = np.random.default_rng(1).integers(0, ROWS // 4, turned.height)
    return turned.with_columns(customer=pl.Series([f"c{number}" if number > 4 else None for number in draw]))


def entities(part: pl.DataFrame) -> set[str]:
    return set(group_keys(part, "customer"))


def test_no_entity_is_in_two_parts(quick: UseCase, customers: pl.DataFrame) -> None:
    split = split_rows(with_training(quick, split="grouped", group="customer"), customers)
    parts = [entities(part) for part in (split.train, split.validation, split.test)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert sum(part.height for part in (split.train, split.validation, split.test)) == ROWS
    assert 0.15 < split.test.height / ROWS < 0.25


def test_an_entity_stays_where_it_was_when_rows_are_added(quick: UseCase, customers: pl.DataFrame) -> None:
    use_case = with_training(quick, split="grouped", group="customer")
    few, many = split_rows(use_case, customers.head(1_500)), split_rows(use_case, customers)
    assert entities(few.test) <= entities(many.test)


def test_rows_without_an_entity_are_on_their_own(customers: pl.DataFrame) -> None:
    lonely = customers.filter(pl.col("customer").is_null())
    assert lonely.height > 1
    assert group_keys(lonely, "customer").n_unique() == lonely.height


def test_entities_of_later_parts_teach_nothing_in_a_split_by_time(quick: UseCase, customers: pl.DataFrame) -> None:
    split = split_rows(with_training(quick, group="customer"), customers)
    assert not entities(split.train) & (entities(split.validation) | entities(split.test))
    assert not entities(split.validation) & entities(split.test)
    assert "rows removed whose customer is also in a later part" in split.note
    stated = split_rows(with_training(quick, group="customer", group_overlap="state"), customers)
    assert entities(stated.train) & entities(stated.test)
    assert "belong to a customer that is also in a later part" in stated.note


@pytest.mark.parametrize(("frame", "text"), [("gone", "no column 'customer'"), ("one", "has no rows")])
def test_groups_that_cannot_be_split_are_refused(quick: UseCase, customers: pl.DataFrame, frame: str, text: str) -> None:
    from interlock.errors import DataError

    given = customers.drop("customer") if frame == "gone" else customers.with_columns(customer=pl.lit("same"))
    with pytest.raises(DataError, match=text):
        split_rows(with_training(quick, split="grouped", group="customer"), given)
