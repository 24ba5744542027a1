"""Rows for the ingestion benchmark: 20 columns, a clock, a unique key, missing cells and five kinds of bad rows at known places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

LEVELS = [f"level{number}" for number in range(12)]
FLOATS, WHOLES, WORDS = [f"f{n}" for n in range(9)], [f"k{n}" for n in range(3)], [f"c{n}" for n in range(5)]
PART_ROWS = 500_000
BAD_SHARE = 0.002  # of each kind


def columns() -> dict[str, dict[str, Any]]:
    """The declared columns."""
    found: dict[str, dict[str, Any]] = {
        "at": {"type": "datetime", "role": "ignore", "missing": False},
        "id": {"type": "integer", "role": "identifier", "unique": True, "missing": False}}
    found |= {name: {"type": "float", "min": -1_000, "max": 1_000} for name in FLOATS}
    found |= {name: {"type": "integer", "min": 0, "max": 1_000, "missing": False} for name in WHOLES}
    found |= {name: {"type": "category", "values": LEVELS} for name in WORDS}
    return found | {"y": {"type": "category", "role": "target", "values": ["yes", "no"]}}


def use_case(path: Path) -> UseCase:
    """The use case of the benchmark."""
    return UseCase.model_validate({
        "spec_version": 1, "name": "wide", "title": "Wide", "description": "For the benchmark.", "owner": "bench",
        "prediction": {"task": "binary", "target": "y", "positive": ["yes"], "moment": "now"}, "time": {"column": "at"},
        "source": {"kind": "files", "files": [{"path": str(path)}]}, "columns": columns()})


def write(path: Path, rows: int) -> None:
    """A CSV file of so many rows, made part by part."""
    with path.open("wb") as file:
        for start in range(0, rows, PART_ROWS):
            _part(start, min(PART_ROWS, rows - start)).write_csv(file, include_header=start == 0)


def _part(start: int, rows: int) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(start + 1)
    times = np.datetime64("2024-01-01T00:00:00") + (np.arange(start, start + rows) * 30).astype("timedelta64[s]")
    made: dict[str, Any] = {"at": pl.Series(times.astype("datetime64[us]")).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
                            "id": np.arange(start, start + rows)}
    made |= {name: np.round(draw.normal(size=rows) * 100, 3) for name in FLOATS}
    made |= {name: draw.integers(0, 1_000, rows) for name in WHOLES}
    made |= {name: np.array(LEVELS)[draw.integers(0, len(LEVELS), rows)] for name in WORDS}
    frame = pl.DataFrame(made | {"y": np.array(["no", "yes"])[draw.integers(0, 2, rows)]})
    bad = np.sort(draw.choice(rows, size=(5, int(rows * BAD_SHARE)), replace=False), axis=1)
    spots = {name: pl.Series(np.isin(np.arange(rows), chosen)) for name, chosen in zip("tmvrk", bad, strict=True)}
    text = pl.col("f1").cast(pl.String)
    return frame.with_columns(
        pl.when(pl.Series(draw.random(rows) < 0.01)).then(None).otherwise(pl.col("f0")).alias("f0"),
        pl.when(spots["t"]).then(pl.lit("oops")).otherwise(text).alias("f1"),          # not a number
        pl.when(spots["m"]).then(None).otherwise(pl.col("k0")).alias("k0"),            # missing where it must not be
        pl.when(spots["v"]).then(pl.lit("level99")).otherwise(pl.col("c0")).alias("c0"),  # not a value of the column
        pl.when(spots["r"]).then(5_000.0).otherwise(pl.col("f2")).alias("f2"),         # out of range
        pl.when(spots["k"]).then(pl.lit(start)).otherwise(pl.col("id")).alias("id"))   # occurred before
