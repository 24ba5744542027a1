"""Columns, history and outcomes of a snapshot: each fault by hand, and no false alarm on honest data sets."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from interlock.rules.findings import Finding, State
from interlock.spec.data import Column
from reports.quality_alive import alive_findings
from reports.quality_columns import idle_findings, mixed_findings, promise_findings
from reports.quality_history import missing_change_finding, missing_counts, missing_findings, volume_finding
from reports.quality_labels import balance_findings, label_shift_finding
from reports.quality_shares import share_finding, wilson

TYPES = {"age": pl.Int64(), "job": pl.String(), "id": pl.String(), "rate": pl.Float64()}
COLUMNS = {"age": Column(type="integer", min=0, max=120), "job": Column(type="category", values=["a", "b"]),
           "id": Column(type="text", role="identifier"), "rate": Column(type="float", missing=False)}
FRAME = pl.DataFrame({"age": [1, 2, None, 4], "job": ["a", "b", "a", None], "id": ["1", "2", "3", "4"], "rate": [0.1, 0.2, 0.3, 0.4]})


def read(path: Path, **options: object) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(gzip.decompress(path.read_bytes())), infer_schema_length=None, **options)


def named(findings: list[Finding], metric: str) -> Finding:
    return next(finding for finding in findings if finding.metric == f"quality.{metric}")


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_is_scipys(part: int, more: int) -> None:
    whole = part + more
    expected = binomtest(part, whole).proportion_ci(0.95, "wilson")
    assert wilson(part, whole) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_share_of_nothing_is_not_zero() -> None:
    assert share_finding("quality.x", 0, 0).state is State.TOO_FEW


def test_a_snapshot_as_promised_has_nothing_to_report() -> None:
    found = promise_findings(FRAME, COLUMNS, TYPES)
    assert {finding.metric: finding.value for finding in found} == {"quality.schema": 0, "quality.repeated_ids": 0}


def test_each_broken_promise_is_counted_and_named() -> None:
    broken = FRAME.drop("job").with_columns(age=pl.Series([1, 200, -1, None]), rate=pl.Series([0.1, float("inf"), None, 0.4]),
                                            id=pl.Series(["1", "1", "1", None]))
    found = promise_findings(broken, COLUMNS, TYPES)
    assert named(found, "schema").value == 3  # job absent; age and rate outside
    assert named(found, "schema").detail == {"absent": ["job"], "types": {}, "outside": ["age", "rate"]}
    assert {finding.segment: finding.value for finding in found if finding.metric == "quality.out_of_range"} == {
        "column=age": 0.5, "column=rate": 0.5}
    assert (named(found, "repeated_ids").value, named(found, "repeated_ids").sample_size) == (2 / 3, 3)
    other = promise_findings(FRAME.with_columns(pl.col("age").cast(pl.String)), COLUMNS, TYPES)
    assert "age (String instead of Int64)" in named(other, "schema").note
    assert promise_findings(FRAME.head(0), COLUMNS, TYPES)[0].state is State.TOO_FEW


def test_features_that_say_nothing_are_named() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0], "c": [7, 7, 7], "d": [None, None, None], "e": ["x", None, "x"],
                          "f": [float("nan")] * 3, "g": [1, 2, 4]})
    found = idle_findings(frame, frame.columns)
    assert named(found, "constant_columns").detail == {"columns": ["c", "d", "f"], "empty": ["d", "f"]}
    assert named(found, "duplicated_columns").detail == {"copies": {"b": "a"}}
    assert (named(found, "idle_features").value, named(found, "idle_features").sample_size) == (4, 3)
    assert idle_findings(frame.head(1), frame.columns)[0].state is State.TOO_FEW


def test_numbers_among_words_are_shown() -> None:
    frame = pl.DataFrame({"plan": ["1", "2", "gold", None], "carrier": ["9E", "AA", "UA", "US"], "code": ["1", "2", "3", "4"]})
    assert [(one.segment, one.value) for one in mixed_findings(frame, frame.columns)] == [("column=plan", 2 / 3)]


def test_missing_values_and_their_change() -> None:
    frame = pl.DataFrame({"a": [None, 1.0, float("nan"), 2.0], "b": [1, 2, 3, 4]})
    assert missing_counts(frame, ["a", "b", "z"]) == {"a": 2, "b": 0}
    assert [(one.segment, one.value) for one in missing_findings(frame, ["a", "b"])] == [("column=a", 0.5)]
    change = missing_change_finding({"a": 50, "b": 0}, 100, {"a": 20, "b": 0}, 200)
    assert change.value == pytest.approx(0.4)  # 50 % - 10 %
    half = 1.959963984540054 * (0.5 * 0.5 / 100 + 0.1 * 0.9 / 200) ** 0.5
    assert (change.low, change.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert missing_change_finding({"a": 1}, 2, None, 0).state is State.MISSING
    assert missing_change_finding({"a": 1}, 2, {"z": 1}, 2).state is State.TOO_FEW


def test_volume_against_the_previous_snapshot() -> None:
    assert volume_finding(300, 400).value == 0.75
    assert volume_finding(300, None).note == "first snapshot: nothing to compare with"
    assert volume_finding(300, 0).state is State.TOO_FEW


def test_the_rarest_class_by_hand() -> None:
    found = balance_findings("multiclass", np.array([0.0, 0, 0, 1]), ["a", "b", "c"])
    assert (found[0].value, found[0].note) == (0.0, "Rarest class: c, 0 of 4 rows.")
    assert [finding.value for finding in found[1:]] == [0.75, 0.25, 0.0]
    assert balance_findings("regression", np.array([1.0]), [])[0].state is State.MISSING
    assert balance_findings("binary", np.array([]), ["no", "yes"])[0].state is State.TOO_FEW


def test_label_shift_by_hand() -> None:
    shift = label_shift_finding("binary", np.array([0.0] * 90 + [1.0] * 10), np.array([0.0] * 60 + [1.0] * 40), ["no", "yes"])
    assert shift.value == pytest.approx(0.3)
    half = 1.959963984540054 * (0.1 * 0.9 / 100 + 0.4 * 0.6 / 100) ** 0.5
    assert (shift.low, shift.high) == pytest.approx((0.3 - half, 0.3 + half))
    moved = label_shift_finding("regression", np.array([0.0, 2.0]), np.array([3.0, 3.0]), [])
    assert moved.value == pytest.approx(2 / 2**0.5)  # means 1 and 3, standard deviation sqrt(2)
    assert label_shift_finding("binary", np.array([1.0]), np.array([1.0, 0.0]), ["no", "yes"]).state is State.TOO_FEW
    assert label_shift_finding("regression", np.ones(9), np.ones(9), []).state is State.TOO_FEW


def timed(frame: pl.DataFrame) -> pl.Series:
    return pl.Series([datetime(1996, 5, 6, 14, tzinfo=UTC) + timedelta(minutes=30 * row) for row in range(frame.height)])


def test_the_three_columns_of_elec2_that_came_alive_are_named(data_dir: Path) -> None:
    elec = read(data_dir / "elec2.csv.gz")
    found = alive_findings(elec, [name for name in elec.columns if name != "Class"], timed(elec))
    assert found[0].detail["columns"] == ["BPrice", "BDemand", "ScheduledElectricityTransfer"]
    assert [(one.value, one.sample_size, one.detail["dead"]) for one in found[1:]] == [(17_424, 45_312, "before")] * 3
    assert "from 1997-05-04 14:00 UTC on" in found[1].note  # 363 days after the first half-hour


def test_honest_columns_are_not_called_dead(data_dir: Path) -> None:
    """Indices that move in steps, rare events, and campaigns that begin: bank_marketing has them all."""
    bank, bike = read(data_dir / "bank-additional-full.csv.gz", separator=";"), read(data_dir / "bike-hour.csv.gz")
    credit = read(data_dir / "UCI_Credit_Card.csv.gz")
    assert [alive_findings(frame, frame.columns, timed(frame))[0].value for frame in (bank, bike, credit)] == [0, 0, 0]


def test_a_column_that_dies_or_starts_empty_is_named_too() -> None:
    values = np.random.default_rng(3).random(3_000)
    frame = pl.DataFrame({"dies": np.where(np.arange(3_000) < 2_000, values, 0.5),
                          "empty": [None] * 1_000 + values[1_000:].tolist(), "honest": values, "constant": [1.0] * 3_000})
    found = alive_findings(frame, frame.columns, timed(frame))
    assert [(one.detail["column"], one.detail["row"], one.detail["dead"]) for one in found[1:]] == [
        ("dies", 2_000, "after"), ("empty", 1_000, "before")]
    assert alive_findings(frame.head(999), frame.columns, timed(frame))[0].state is State.TOO_FEW
