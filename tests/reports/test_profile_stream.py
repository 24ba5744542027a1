"""Streaming gives the counts of reading everything at once, in memory that does not grow with the rows."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from reports.profile_stream import parquet_source, profile_stream
from reports.profiles import BINS, Profile, fit_profile

KINDS = {"x": "numeric", "c": "category", "b": "boolean", "d": "date"}
LOOSE = {"mean", "m2", "sums", "sketch", "heavy", "heavy_error"}


def rows(count: int, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    return pl.DataFrame({
        "x": np.where(random.random(count) < 0.1, np.nan, random.lognormal(size=count)), "c": random.choice(["a", "b", "c", "d"], count),
        "b": random.random(count) < 0.3, "d": (random.integers(0, 10_000, count)).astype("datetime64[D]")})


def exact(profile: Profile) -> dict:
    return {name: column.model_dump(exclude=LOOSE) for name, column in profile.columns.items()}


def test_batches_with_a_baseline_count_like_all_rows_at_once(tmp_path: Path) -> None:
    baseline, whole = fit_profile(rows(3_000, 1), KINDS), rows(10_000, 2)
    at_once = fit_profile(whole, KINDS, like=baseline)
    whole.write_parquet(tmp_path / "rows.parquet")
    for source in (pl.scan_parquet(tmp_path / "rows.parquet"), whole.lazy(), lambda: whole.iter_slices(700),
                   parquet_source(tmp_path / "rows.parquet", batch_rows=900)):
        streamed = profile_stream(source, KINDS, like=baseline, batch_rows=1_000)
        assert exact(streamed) == exact(at_once)
        assert streamed.rows == 10_000
        assert streamed.columns["x"].mean == pytest.approx(at_once.columns["x"].mean)
        assert streamed.columns["x"].sums == pytest.approx(at_once.columns["x"].sums)


def test_a_streamed_baseline_counts_exactly_in_bins_of_nearly_equal_size() -> None:
    whole = rows(20_000, 3)
    streamed = profile_stream(lambda: whole.iter_slices(1_500), KINDS)
    column, values = streamed.columns["x"], whole["x"].drop_nans().to_numpy()
    bins = np.bincount(np.searchsorted(column.edges, values, side="right"), minlength=len(column.edges) + 1)
    assert column.counts == bins.tolist()
    assert (column.counts[0], column.counts[-1]) == (0, 0), "the ends are exact"
    assert max(column.counts) <= 2 * values.size / BINS
    assert streamed.columns["c"].model_dump(exclude=LOOSE) == fit_profile(whole, KINDS).columns["c"].model_dump(exclude=LOOSE)


@pytest.mark.parametrize("like", [True, False])
def test_a_file_read_column_by_column_gives_the_bytes_of_whole_batches(tmp_path: Path, like: bool) -> None:
    whole, baseline = rows(5_000, 6), fit_profile(rows(3_000, 1), KINDS) if like else None
    for place in range(2):  # two files, whose seam lies inside a batch
        whole.slice(place * 2_500, 2_500).write_parquet(tmp_path / f"part{place}.parquet", row_group_size=600)
    by_column = profile_stream(parquet_source(tmp_path / "part*.parquet", batch_rows=700), KINDS, like=baseline)
    assert by_column.to_json() == profile_stream(lambda: whole.iter_slices(700), KINDS, like=baseline).to_json()


def test_a_file_is_never_read_wider_than_one_column_or_longer_than_a_batch(tmp_path: Path) -> None:
    rows(2_000, 6).write_parquet(tmp_path / "rows.parquet")
    source = parquet_source(tmp_path / "rows.parquet", batch_rows=600)
    assert source.rows == 2_000
    assert [(part.name, part.len()) for part in source.column("c")] == [("c", 600), ("c", 600), ("c", 600), ("c", 200)]


def stream_peak(batches: int) -> int:
    """Bytes held at most while `batches` of 60,000 rows are profiled."""
    baseline, part = fit_profile(rows(3_000, 1), KINDS), rows(60_000, 4)

    def source() -> Iterator[pl.DataFrame]:
        for _ in range(batches):
            gc.collect()  # what is held counts, not cycles that wait to be freed
            yield part

    profile_stream(source, KINDS, like=baseline)
    tracemalloc.start()
    assert profile_stream(source, KINDS, like=baseline).rows == 60_000 * batches
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_rows() -> None:
    """In a process of its own: the threads of a long test run allocate too, and tracemalloc counts them all.

    28 more batches hold 13 MB in one numeric column alone. Allowed is what chance makes of the same peak: how many of the columns' working
    copies (0.5 MB each) are alive at once depends on the threads.
    """
    script = "from test_profile_stream import stream_peak; print(stream_peak(4), stream_peak(32))"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    few, many = map(int, done.stdout.split())
    assert many - few <= 3 * 60_000 * 8


def test_no_batch_and_empty_batches_are_a_profile_of_no_rows(tmp_path: Path) -> None:
    baseline = fit_profile(rows(300, 1), KINDS)
    rows(0, 1).write_parquet(tmp_path / "empty.parquet")
    for source in (lambda: [], lambda: [rows(0, 1)], rows(0, 1).lazy(), parquet_source(tmp_path / "empty.parquet")):
        empty = profile_stream(source, KINDS, like=baseline)
        assert (empty.rows, sum(empty.columns["x"].counts), empty.columns["c"].other) == (0, 0, 0)
        assert profile_stream(source, KINDS).columns["x"].edges == []


def test_columns_that_do_not_fit_are_named(tmp_path: Path) -> None:
    rows(5, 1).write_parquet(tmp_path / "rows.parquet")
    for kinds, told in (({"z": "numeric"}, "no column 'z'"), ({"c": "numeric"}, "not numeric")):
        with pytest.raises(DataError, match=told):
            profile_stream(parquet_source(tmp_path / "rows.parquet"), kinds)
    with pytest.raises(DataError, match="no column 'z'"):
        profile_stream(rows(5, 1).lazy(), {"z": "numeric"})
    with pytest.raises(DataError, match="not numeric"):
        profile_stream(lambda: [rows(5, 1)], {"c": "numeric"})
    with pytest.raises(DataError, match="the baseline has no category column"):
        profile_stream(lambda: [rows(5, 1)], {"c": "category"}, like=fit_profile(rows(5, 1), {"x": "numeric"}))
