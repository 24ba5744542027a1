"""Real rows for modelling tests: Adult as a snapshot frame, without going through ingestion."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from interlock.modeling.making import Made, make_package
from interlock.spec.load import load_use_case
from interlock.spec.usecase import UseCase

ROOT = Path(__file__).resolve().parents[2]
CENSUS = datetime(1994, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def adult() -> UseCase:
    return load_use_case(ROOT / "usecases" / "adult_income.toml")


@pytest.fixture(scope="session")
def adult_frame(adult: UseCase, data_dir: Path) -> pl.DataFrame:
    """All 48,842 rows with the official split."""
    parts = []
    for split, file, skip in (("train", "adult.data.gz", 0), ("test", "adult.test.gz", 1)):
        lines = gzip.decompress((data_dir / file).read_bytes()).decode().splitlines()[skip:]
        rows = [[cell.strip().rstrip(".") for cell in line.split(",")] for line in lines if line.strip()]
        parts.append(pl.DataFrame(rows, schema=list(adult.columns), orient="row").with_columns(_split=pl.lit(split)))
    frame = pl.concat(parts)
    typed = [(pl.when(pl.col(name) != "?").then(pl.col(name)).cast(pl.Int64 if column.type == "integer" else pl.String)).alias(name)
             for name, column in adult.columns.items()]
    moment = pl.lit(CENSUS).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(*typed).with_columns(
        _row_id=pl.int_range(pl.len()).cast(pl.String), _event_time=moment, _seen_time=moment, _label_seen_time=moment,
        _label=(pl.col("income") == ">50K").cast(pl.Float64))


@pytest.fixture(scope="session")
def small(adult_frame: pl.DataFrame) -> pl.DataFrame:
    """2,000 rows to learn from and 1,000 held out."""
    learn, judge = (adult_frame.filter(pl.col("_split") == part) for part in ("train", "test"))
    return pl.concat([learn.head(2_000), judge.head(1_000)])


@pytest.fixture(scope="session")
def quick(adult: UseCase) -> UseCase:
    """Adult with a budget of 3 short trials."""
    return adult.model_copy(update={"training": adult.training.model_copy(update={"trials": 3, "rounds_max": 40})})


@pytest.fixture(scope="session")
def make(quick: UseCase, small: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Made]]:
    """Make a package in a folder of its own."""

    def run(use_case: UseCase = quick, frame: pl.DataFrame = small) -> tuple[Path, Made]:
        root = tmp_path_factory.mktemp("packages")
        return root, make_package(root, use_case, frame, snapshot_digest="sha256:" + "1" * 64, spec_digest="sha256:" + "2" * 64)

    return run


@pytest.fixture(scope="session")
def made(make: Callable[..., tuple[Path, Made]]) -> tuple[Path, Made]:
    """One package that no test changes."""
    return make()
