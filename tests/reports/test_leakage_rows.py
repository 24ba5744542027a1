"""Learned and held-out rows that are too much alike, and values whose absence tells the outcome."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.leakage_missing import missing_tells
from reports.leakage_rows import content_findings, entity_finding

LEARNED = pl.DataFrame({"a": [1.0, 2.0, 2.0, None],
                        "b": ["x", "y", "y", None], "who": ["p", "q", "r", None], "_label": [1.0, 0.0, 1.0, 0.0]})


def test_the_same_content_and_its_contradictions_are_counted() -> None:
    held = pl.DataFrame({"a": [1.0, 1.0, 2.0, None, 9.0], "b": ["x", "x", "y", None, "x"], "_label": [1.0, 0.0, 1.0, 0.0, 0.0]})
    seen, against = content_findings(LEARNED, held, ["a", "b"])
    assert (seen.value, seen.sample_size) == (0.8, 5)
    assert against.value == 0.4  # (1, x) with 0; (2, y), which was learned with both outcomes
    assert {one.state for one in content_findings(LEARNED, held.head(0), ["a"])} == {State.TOO_FEW}
    with pytest.raises(DataError, match="no feature in common"):
        content_findings(LEARNED, held, ["z"])


def test_nan_and_minus_zero_are_no_new_values() -> None:
    learned = pl.DataFrame({"a": [float("nan"), 0.0], "_label": [1.0, 1.0]})
    held = pl.DataFrame({"a": [None, -0.0], "_label": [1.0, 1.0]}, schema={"a": pl.Float64, "_label": pl.Float64})
    assert content_findings(learned, held, ["a"])[0].value == 1.0


def test_entities_on_both_sides_are_counted() -> None:
    held = pl.DataFrame({"who": ["p", "p", "s", None]})
    found = entity_finding(LEARNED, held, ["who"])
    assert (found.value, found.sample_size, found.segment) == (0.5, 4, "column=who")
    assert entity_finding(LEARNED, held, []).note == "no column says whom a row is about"
    assert entity_finding(LEARNED, held.head(0), ["who"]).state is State.TOO_FEW


def test_a_column_filled_in_afterwards_is_named() -> None:
    y = np.tile([1.0, 0.0], 200)
    honest = np.random.default_rng(1).random(400)
    matrix = np.column_stack([honest, np.where(y == 1, honest, np.nan)])
    found = missing_tells(matrix, ["honest", "closed_on"], y, classes=2)
    assert (found.value, found.segment, found.detail["missing"]) == (1.0, "column=closed_on", 200)
    third = np.tile([0.0, 1.0, 2.0], 200)
    matrix = np.column_stack([np.where((third == 2) & (np.arange(600) % 2 == 0), np.nan, 1.0)])
    assert missing_tells(matrix, ["half"], third, classes=3).value == 0.5
    slope = np.column_stack([np.where(np.arange(400) < 200, np.nan, 1.0)])
    assert missing_tells(slope, ["gone"], (np.arange(400) >= 200) * 3.0, classes=0).value == pytest.approx(1.0)


def test_missing_values_of_real_data_tell_little(data_dir: Path) -> None:
    """Adult: unknown occupation goes with low income; the strongest of the honest columns."""
    lines = [line.split(", ") for line in gzip.decompress((data_dir / "adult.data.gz").read_bytes()).decode().splitlines() if line]
    frame = pl.DataFrame(lines, orient="row")
    matrix = np.column_stack([np.where((frame[name] == "?").to_numpy(), np.nan, 0.0) for name in frame.columns[:-1]])
    found = missing_tells(matrix, frame.columns[:-1], (frame["column_14"] == ">50K").to_numpy().astype(float), classes=2)
    assert found.segment == "column=column_6"  # occupation
    assert found.value == pytest.approx(1_652 / 24_720 - 191 / 7_841)  # missing among low and among high incomes
    data = gzip.decompress((data_dir / "bank-additional-full.csv.gz").read_bytes())
    bank = pl.read_csv(io.BytesIO(data), separator=";", infer_schema_length=None)
    gone = np.column_stack([np.where((bank[name] == "unknown").to_numpy(), np.nan, 0.0) for name in ("job", "default", "education")])
    assert missing_tells(gone, ["job", "default", "education"], (bank["y"] == "yes").to_numpy().astype(float), classes=2).value < 0.15


def test_little_or_odd_input_is_not_called_clean() -> None:
    y = np.tile([1.0, 0.0], 99)
    assert missing_tells(np.ones((198, 1)), ["a"], y, classes=2).state is State.TOO_FEW
    assert missing_tells(np.ones((300, 1)), ["a"], np.ones(300), classes=2).state is State.TOO_FEW
    assert missing_tells(np.full((300, 1), np.nan), ["a"], np.tile([1.0, 0, 0], 100), classes=2).value == 0.0
    with pytest.raises(DataError, match="do not fit together"):
        missing_tells(np.ones((3, 2)), ["a"], np.ones(3), classes=2)


def test_entities_that_are_missing_throughout_are_no_clean_split() -> None:
    """Nothing was compared, so nothing may pass: the gate asks for rows."""
    blank = pl.DataFrame({"who": pl.Series([None, None, None], dtype=pl.String)})
    named = pl.DataFrame({"who": ["a", "b", "c"]})
    for learned, held_out in ((named, blank), (blank, named)):
        found = entity_finding(learned, held_out, ["who"])
        assert (found.state, found.value) == (State.TOO_FEW, None)
    assert entity_finding(named, pl.DataFrame({"who": ["a", None, None]}), ["who"]).value == pytest.approx(1 / 3)
