"""Leakage on real data: the known leaks are named, honest columns are not, however strong."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.leakage import power_findings, split_findings
from reports.leakage_power import is_calendar

HALF_HOUR = 1_800_000_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def read(path: Path, **options: object) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(gzip.decompress(path.read_bytes())), infer_schema_length=None, **options)


def coded(frame: pl.DataFrame) -> tuple[np.ndarray, list[str]]:
    numeric = [frame[name].dtype.is_numeric() for name in frame.columns]
    columns = [frame[name] if plain else frame[name].cast(pl.Categorical).to_physical()
               for name, plain in zip(frame.columns, numeric, strict=True)]
    return np.column_stack([column.cast(pl.Float64).to_numpy() for column in columns]), ["q" if plain else "c" for plain in numeric]


def powers(task: str, features: pl.DataFrame, y: np.ndarray, times: np.ndarray | None = None) -> tuple[object, object]:
    matrix, types = coded(features)
    clock = np.arange(y.size, dtype=np.int64) * HALF_HOUR if times is None else times
    return tuple(power_findings(task, matrix, y, features.columns, types, clock)[0])


@pytest.fixture(scope="module")
def bank(data_dir: Path) -> pl.DataFrame:
    whole = read(data_dir / "bank-additional-full.csv.gz", separator=";")
    return whole.head(int(0.8 * whole.height))  # what a split in time learns from


def test_duration_is_named_in_bank_marketing(bank: pl.DataFrame) -> None:
    single, strongest = powers("binary", bank.drop("y"), (bank["y"] == "yes").cast(pl.Float64).to_numpy())
    assert single.detail["feature"] == "duration"
    assert "Column 'duration'" in single.note
    assert single.value > 0.2  # the gate's threshold; measured 0.49
    assert strongest.detail["feature"] == "duration"


def test_bank_marketing_without_duration_is_clean(bank: pl.DataFrame) -> None:
    single, strongest = powers("binary", bank.drop("y", "duration"), (bank["y"] == "yes").cast(pl.Float64).to_numpy())
    assert single.value < 0.05
    assert strongest.value < 0.5


def test_a_world_that_moves_does_not_hide_the_leak(data_dir: Path) -> None:
    # over the whole file the interest rate tells the years apart, and with them the outcomes: without periods the lead is only 0.03
    whole = read(data_dir / "bank-additional-full.csv.gz", separator=";")
    single, _ = powers("binary", whole.drop("y"), (whole["y"] == "yes").cast(pl.Float64).to_numpy())
    assert single.detail["feature"] == "duration"
    assert single.value > 0.2  # measured 0.30


def test_strong_honest_columns_are_clean(data_dir: Path, adult: object) -> None:
    elec = read(data_dir / "elec2.csv.gz").head(36_000)
    credit = read(data_dir / "UCI_Credit_Card.csv.gz")
    target = "default.payment.next.month"
    found = {
        "adult": powers("binary", adult.train.select(list(adult.kinds)), adult.labels(adult.train), np.zeros(32_561, dtype=np.int64)),
        "elec2": powers("binary", elec.drop("Class", "Date"), (elec["Class"] == "yes").cast(pl.Float64).to_numpy()),
        "credit": powers("binary", credit.drop("ID", target), credit[target].cast(pl.Float64).to_numpy(), np.zeros(30_000, dtype=np.int64)),
    }
    assert {name: (single.value < 0.1, strongest.value < 0.75) for name, (single, strongest) in found.items()} == {
        "adult": (True, True), "elec2": (True, True), "credit": (True, True)}


def test_a_part_of_the_target_is_named_and_the_hour_is_not(data_dir: Path) -> None:
    bike = read(data_dir / "bike-hour.csv.gz")
    times = (bike["dteday"].str.to_datetime().dt.epoch("us") + bike["hr"] * 3_600_000_000).to_numpy()
    honest = ["season", "mnth", "hr", "weekday", "weathersit", "temp", "hum", "windspeed"]
    y = bike["cnt"].cast(pl.Float64).to_numpy()
    single, strongest = powers("regression", bike.select(honest), y, times)
    assert (single.value < 0, strongest.value < 0.5) == (True, True)
    _, strongest = powers("regression", bike.select([*honest, "registered"]), y, times)
    assert strongest.detail["feature"] == "registered"
    assert strongest.value > 0.9  # the gate's threshold; measured 0.94


def test_the_label_itself_as_a_feature_is_found_whatever_its_name() -> None:
    random = np.random.default_rng(1)
    y = (random.random(2000) < 0.3).astype(float)
    frame = pl.DataFrame({"harmless": y + random.normal(0, 0.05, 2000), "a": random.random(2000), "b": random.random(2000)})
    single, strongest = powers("binary", frame, y)
    assert (single.detail["feature"], strongest.detail["feature"]) == ("harmless", "harmless")
    assert strongest.value > 0.99


def test_the_same_rows_and_seed_give_the_same_bits(bank: pl.DataFrame) -> None:
    y = (bank["y"] == "yes").cast(pl.Float64).to_numpy()
    features = bank.select("age", "duration", "euribor3m")
    assert powers("binary", features, y) == powers("binary", features, y)


def test_multiclass_looks_at_every_class() -> None:
    random = np.random.default_rng(1)
    y = random.integers(0, 3, 3000).astype(float)
    frame = pl.DataFrame({"leak": (y == 2) * 1.0, "a": random.random(3000), "b": y + random.normal(0, 3, 3000)})
    single, strongest = powers("multiclass", frame, y)
    assert single.detail["feature"] == strongest.detail["feature"] == "leak"


def test_small_or_odd_input_is_not_called_clean() -> None:
    y = np.tile([1.0, 0.0], 99)
    frame = pl.DataFrame({"a": y, "b": y})
    assert {finding.state for finding in powers("binary", frame, y)} == {State.TOO_FEW}
    rare = np.array([1.0] * 9 + [0.0] * 991)
    assert {finding.state for finding in powers("binary", pl.DataFrame({"a": rare, "b": rare}), rare)} == {State.TOO_FEW}
    with pytest.raises(DataError, match="do not fit together"):
        power_findings("binary", np.ones((5, 2)), np.ones(5), ["a"], ["q"], np.zeros(5, dtype=np.int64))


def test_functions_of_the_calendar_are_recognised() -> None:
    times = np.arange(2000, dtype=np.int64) * HALF_HOUR
    assert is_calendar((times // 3_600_000_000 % 24).astype(float), times)
    assert is_calendar(np.ones(2000), times)
    assert not is_calendar(np.random.default_rng(1).random(2000), times)
    assert not is_calendar(np.arange(2000.0), times * 0)


def rows(ids: list[str], first_day: int) -> pl.DataFrame:
    times = [START + timedelta(days=first_day + number) for number in range(len(ids))]
    return pl.DataFrame({"_row_id": ids, "_event_time": times, "_label_seen_time": [time + timedelta(hours=1) for time in times]})


def split(learned: pl.DataFrame, held: pl.DataFrame, **options: object) -> dict[str, object]:
    settings = {"by_time": True, "model_columns": ["a", "b"], "later_columns": ["z"]} | options
    return {finding.metric.removeprefix("leakage."): finding for finding in split_findings(learned, held, **settings)}


def test_a_clean_split_counts_nothing() -> None:
    assert {name: finding.value for name, finding in split(rows(["1", "2"], 0), rows(["3"], 2)).items()} == {
        "later_columns": 0, "same_rows": 0, "time_travel": 0}


def test_each_fault_of_a_split_is_counted() -> None:
    found = split(rows(["1", "2", "3"], 0), rows(["3", "4"], 2), model_columns=["a", "z"])
    assert found["later_columns"].value == 1
    assert found["later_columns"].note == "Known only later: z."
    assert found["same_rows"].value == 1
    assert found["time_travel"].value == 1


def test_a_label_seen_after_the_split_is_time_travel() -> None:
    late = rows(["1", "2"], 0).with_columns(pl.col("_label_seen_time") + timedelta(days=5))
    assert split(late, rows(["3"], 2))["time_travel"].value == 2


def test_without_a_split_in_time_there_is_nothing_to_travel() -> None:
    finding = split(rows(["1"], 5), rows(["2"], 0), by_time=False)["time_travel"]
    assert (finding.state, finding.note) == (State.MISSING, "rows are not split by time")
