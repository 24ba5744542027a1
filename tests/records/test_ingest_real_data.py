"""Row and missing counts of the real data sets, reproduced by ingestion. The figures are those of the sets' own documentation."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from interlock.records.ingest import IngestResult, ingest
from interlock.records.snapshots import load_snapshot
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.load import find_use_case

pytestmark = pytest.mark.usefixtures("data_dir")


def taken(settings: Settings, store: Store, name: str) -> tuple[IngestResult, pl.DataFrame]:
    result = ingest(settings, store, find_use_case(settings, name)[1])
    return result, load_snapshot(settings, store, result.snapshot_digest)


def missing(frame: pl.DataFrame) -> dict[str, int]:
    return {name: count for name, count in frame.select(pl.exclude("^_.*$")).null_count().row(0, named=True).items() if count}


def share(frame: pl.DataFrame, rows: pl.Expr) -> float:
    """Label rate of some rows in per cent, to two places."""
    return round(100 * float(frame.filter(rows)["_label"].mean() or 0), 2)  # type: ignore[arg-type]


def test_adult_income(settings: Settings, store: Store) -> None:
    result, frame = taken(settings, store, "adult_income")
    assert (result.rows_total, result.quarantined) == (48_842, 0)
    assert dict(frame["_split"].value_counts().iter_rows()) == {"train": 32_561, "test": 16_281}
    train, test = pl.col("_split") == "train", pl.col("_split") == "test"
    assert missing(frame.filter(train)) == {"workclass": 1_836, "occupation": 1_843, "native-country": 583}
    assert missing(frame.filter(test)) == {"workclass": 963, "occupation": 966, "native-country": 274}
    assert missing(frame) == {"workclass": 2_799, "occupation": 2_809, "native-country": 857}
    assert (share(frame, train), share(frame, test), share(frame, pl.lit(True))) == (24.08, 23.62, 23.93)
    any_missing = pl.any_horizontal(pl.col("workclass", "occupation", "native-country").is_null())
    assert [frame.filter(part & any_missing).height for part in (train, test)] == [2_399, 1_221]
    by_sex = {sex: (share(frame, pl.col("sex") == sex), frame.filter(pl.col("sex") == sex).height) for sex in ("Female", "Male")}
    assert by_sex == {"Female": (10.93, 16_192), "Male": (30.38, 32_650)}
    races = {"White": (25.40, 41_762), "Black": (12.08, 4_685), "Asian-Pac-Islander": (26.93, 1_519), "Amer-Indian-Eskimo": (11.70, 470),
             "Other": (12.32, 406)}
    assert {race: (share(frame, pl.col("race") == race), frame.filter(pl.col("race") == race).height) for race in races} == races
    assert int(frame.filter(train).select(pl.exclude("^_.*$")).is_duplicated().sum()) > 0  # equal rows are rows, not mistakes: kept


def test_credit_default(settings: Settings, store: Store) -> None:
    result, frame = taken(settings, store, "credit_default")
    assert (result.rows_total, result.quarantined, missing(frame)) == (30_000, 0, {})
    assert share(frame, pl.lit(True)) == 22.12
    assert [(share(frame, pl.col("SEX") == sex), frame.filter(pl.col("SEX") == sex).height) for sex in ("1", "2")] == [
        (24.17, 11_888), (20.78, 18_112)]
    assert [frame.filter(pl.col("EDUCATION") == code).height for code in ("0", "5", "6")] == [14, 280, 51]
    assert frame.filter(pl.col("MARRIAGE") == "0").height == 54
    assert (frame["AGE"].min(), frame["AGE"].max(), round(float(frame["AGE"].mean()), 2)) == (21, 79, 35.49)  # type: ignore[arg-type]
    assert frame["ID"].n_unique() == 30_000
    assert frame["ID"].str.starts_with("tok_").all()


def test_bank_marketing(settings: Settings, store: Store) -> None:
    result, frame = taken(settings, store, "bank_marketing")
    assert (result.rows_total, result.quarantined) == (41_188, 0)
    assert missing(frame) == {"default": 8_597, "education": 1_731, "housing": 990, "loan": 990, "job": 330, "marital": 80}
    assert share(frame, pl.lit(True)) == 11.27
    # Rows stay in their order, which is time: the share of `yes` per tenth of the file.
    tenths = [frame["_label"].slice(start * 4_118, 4_118).mean() for start in range(10)]  # 41,188 / 10, the rest left out
    documented = [0.028, 0.035, 0.042, 0.066, 0.062, 0.055, 0.102, 0.120, 0.157, 0.460]
    assert [float(rate) for rate in tenths] == pytest.approx(documented, abs=0.0015)  # type: ignore[arg-type]
    assert find_use_case(settings, "bank_marketing")[1].columns["duration"].role == "later"


def test_elec2(settings: Settings, store: Store) -> None:
    result, frame = taken(settings, store, "elec2")
    assert (result.rows_total, result.quarantined, missing(frame)) == (45_312, 0, {})
    assert share(frame, pl.lit(True)) == 42.45
    again = frame.select((pl.col("_label") == pl.col("_label").shift(1)).mean()).item()
    assert round(100 * again, 2) == 85.33
    steps = frame["_event_time"].diff().drop_nulls().unique()
    assert [step.total_seconds() for step in steps] == [1_800]
    assert str(frame["_event_time"][0]) == "1996-05-06 14:00:00+00:00"  # midnight of 7 May 1996 in Sydney, UTC+10
    assert all(frame[name][:17_424].n_unique() == 1 for name in ("BPrice", "BDemand", "ScheduledElectricityTransfer"))


def test_bike_hours(settings: Settings, store: Store) -> None:
    result, frame = taken(settings, store, "bike_hours")
    assert (result.rows_total, result.quarantined, missing(frame)) == (17_379, 0, {})
    assert round(float(frame["_label"].mean()), 2) == 189.46  # type: ignore[arg-type]
    assert [round(float(frame.filter(pl.col("yr") == year)["_label"].mean()), 2) for year in (0, 1)] == [143.79, 234.67]  # type: ignore[arg-type]
    assert (str(frame["_event_time"].min()), str(frame["_event_time"].max())) == ("2011-01-01 00:00:00+00:00", "2012-12-31 23:00:00+00:00")
    assert frame["_event_time"].dt.date().n_unique() == 731
    assert bool((frame["casual"] + frame["registered"] == frame["cnt"]).all())


def test_flight_delays(settings: Settings, store: Store) -> None:
    result, frame = taken(settings, store, "flight_delays")
    assert (result.rows_total, result.quarantined) == (336_776, 0)
    assert frame["arr_delay"].null_count() == 9_430
    assert frame.filter(pl.col("arr_delay").is_null())["_label"].unique().to_list() == [1.0]  # no arrival is late
    flown = frame.filter(pl.col("arr_delay").is_not_null())
    assert bool(((flown["arr_delay"] >= 15) == (flown["_label"] == 1)).all())
    assert frame["_event_time"].is_sorted()
    first = frame.row(0, named=True)
    # 05:15 in New York on 1 January (UTC-5) is 10:15 UTC; the label is known twelve hours later.
    assert (str(first["_event_time"]), str(first["_label_seen_time"])) == ("2013-01-01 10:15:00+00:00", "2013-01-01 22:15:00+00:00")
    later = set(find_use_case(settings, "flight_delays")[1].by_role("later"))
    assert later == {"dep_time", "dep_delay", "arr_time", "air_time"}


def test_loan_approvals(settings: Settings, store: Store) -> None:
    result, frame = taken(settings, store, "loan_approvals")
    assert (result.rows_total, result.quarantined) == (1_989, 0)
    assert {"male": 15, "married": 3, "min30": 183}.items() <= missing(frame).items()
    assert bool((frame["reject"].cast(pl.Int64) + frame["approve"] == 1).all())
    assert bool((frame["black"].cast(pl.Int64) + frame["hispan"].cast(pl.Int64) + frame["white"].cast(pl.Int64) == 1).all())


def test_a_missing_data_folder_says_where_the_data_come_from(settings: Settings, store: Store, tmp_path: Path) -> None:
    from interlock.errors import SourceError

    with pytest.raises(SourceError, match="INTERLOCK_DATA_DIR.*docs/data.md"):
        ingest(settings.model_copy(update={"data_dir": tmp_path}), store, find_use_case(settings, "elec2")[1])
