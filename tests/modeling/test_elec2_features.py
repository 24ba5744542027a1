"""Elec2's features are made of what is known at the row's moment: changing what comes later, or labels not yet seen, changes nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from interlock.modeling.derived import with_derived
from interlock.records.ingest import ingest
from interlock.records.snapshots import load_snapshot
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.load import find_use_case

FEATURES = ["up_1", "up_2", "up_3", "up_day", "up_share_3h", "up_share_day", "price_1", "price_step"]
ROWS = 2_000


@pytest.fixture
def rows(settings: Settings, store: Store, data_dir: Path) -> pl.DataFrame:
    use_case = find_use_case(settings, "elec2")[1]
    return load_snapshot(settings, store, ingest(settings, store, use_case).snapshot_digest).head(ROWS)


@pytest.mark.parametrize("at", [60, 777, 1_500])
def test_no_feature_of_a_row_knows_its_outcome_or_what_comes_later(rows: pl.DataFrame, settings: Settings, at: int) -> None:
    use_case = find_use_case(settings, "elec2")[1]
    place = pl.int_range(pl.len())
    other = rows.with_columns(
        pl.when(place >= at).then(1 - pl.col("_label")).otherwise(pl.col("_label")).alias("_label"),
        pl.when(place > at).then(1 - pl.col("APrice")).otherwise(pl.col("APrice")).alias("APrice"))
    kept, changed = with_derived(use_case, rows).select(FEATURES), with_derived(use_case, other).select(FEATURES)
    assert kept.head(at + 1).equals(changed.head(at + 1))
    assert not kept[at + 1:].equals(changed[at + 1:])  # later rows do use them


def test_lags_are_the_rows_before(rows: pl.DataFrame, settings: Settings) -> None:
    made = with_derived(find_use_case(settings, "elec2")[1], rows)
    for lag in (1, 2, 3):
        assert made[f"up_{lag}"].to_list()[lag:] == rows["_label"].to_list()[:-lag]
    assert made["up_day"].to_list()[48:] == rows["_label"].to_list()[:-48]
    assert made["price_1"].to_list()[1:] == rows["APrice"].to_list()[:-1]
    steps = (rows["APrice"] - rows["APrice"].shift(1)).to_list()[1:]
    assert made["price_step"].to_list()[1:] == pytest.approx(steps, abs=1e-12)
