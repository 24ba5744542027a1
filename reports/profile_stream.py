"""Profiles from batches of rows, in memory that does not grow with their number.

With `like=` one pass is enough. A baseline takes two: the first finds the bins (from a quantile sketch of 2,048 points) and the listed
categories (from heavy hitters with 4,096 counters), the second counts exactly. So the counts of a streamed baseline are as exact as those
of `fit_profile`; only its bin edges may lie elsewhere, by less than a bin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from reports.profile_category import CategoryCounter, rows_per_text
from reports.profile_columns import SUPPRESS_BELOW, CategoryProfile, ColumnProfile, Kind, NumericProfile
from reports.profile_numeric import NumericCounter, finite_part, ordered_values, summary_edges
from reports.profile_sketch import Runner, summarised
from reports.profiles import THREADS, Profile, base_of

BATCH_ROWS = 131_072
Source = pl.LazyFrame | Callable[[], Iterable[pl.DataFrame]]


def parquet_source(path: str | Path, *, batch_rows: int = BATCH_ROWS) -> Callable[[], Iterator[pl.DataFrame]]:
    """The rows of a Parquet file (or glob) as a source, one slice at a time: half the memory of a lazy frame, whose reader runs ahead.

    Best with row groups of `batch_rows` rows, which is how the lake writes them.
    """
    def batches() -> Iterator[pl.DataFrame]:
        lazy = pl.scan_parquet(path)
        rows = int(lazy.select(pl.len()).collect().item())
        for start in range(0, max(rows, 1), batch_rows):
            yield lazy.slice(start, batch_rows).collect()

    return batches


def profile_stream(source: Source, columns: Mapping[str, Kind], *, like: Profile | None = None, suppress_below: int = SUPPRESS_BELOW,
                   batch_rows: int = BATCH_ROWS) -> Profile:
    """What `fit_profile` gives for all rows together, read in batches of about `batch_rows`.

    `source` is a lazy frame, or a function that gives the batches (`parquet_source`); it is called once with `like`, twice without, and
    must give the same rows both times. No batch: a profile of 0 rows. Raises `DataError` as `fit_profile` does.
    """
    known = like if like is not None else _fitted(source, columns, suppress_below, batch_rows)
    counters = {name: _counter(kind, base_of(name, kind, list(columns), known)) for name, kind in columns.items()}
    rows = 0

    def count(name: str, batch: pl.DataFrame) -> None:
        counter, series = counters[name], batch[name]
        if isinstance(counter, NumericCounter):
            counter.add(ordered_values(series, columns[name]))
        else:
            counter.add(rows_per_text(series, columns[name]), series.len())  # type: ignore[arg-type]

    with ThreadPoolExecutor(THREADS + 1) as pool:
        batches = _batches(source, columns, batch_rows)
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)  # read while this one is counted
            rows += batch.height
            list(pool.map(count, columns, [batch] * len(columns)))
    done = {name: one.profile() if isinstance(one, NumericCounter) else one.profile(suppress_below) for name, one in counters.items()}
    return Profile(rows=rows, columns=done)


def _counter(kind: Kind, base: ColumnProfile | None) -> NumericCounter | CategoryCounter:
    if isinstance(base, NumericProfile) and (kind == "numeric" or kind == "date"):
        return NumericCounter(base.edges, kind)
    listed = base.categories if isinstance(base, CategoryProfile) else []
    return CategoryCounter("boolean" if kind == "boolean" else "category", listed)


def _fitted(source: Source, columns: Mapping[str, Kind], suppress_below: int, batch_rows: int) -> Profile:
    """The first pass: a profile of no rows with the bins and categories of all."""
    sketches = {name: Runner() for name, kind in columns.items() if kind in ("numeric", "date")}
    texts: dict[str, CategoryCounter] = {}
    ends: dict[str, tuple[float, float]] = {}
    for name, kind in columns.items():
        if kind == "category" or kind == "boolean":
            texts[name] = CategoryCounter(kind, None)
    for batch in _batches(source, columns, batch_rows):
        for name, runner in sketches.items():
            finite = finite_part(ordered_values(batch[name], columns[name]))
            if finite.size:
                low, high = ends.get(name, (finite[0], finite[-1]))
                ends[name] = float(min(low, finite[0])), float(max(high, finite[-1]))
                runner.add(summarised(finite))
        for name, counter in texts.items():
            counter.add(rows_per_text(batch[name], columns[name]), batch.height)  # type: ignore[arg-type]
    fitted: dict[str, ColumnProfile] = {}
    for name, kind in columns.items():
        if kind == "numeric" or kind == "date":
            low, high = ends.get(name, (None, None))
            fitted[name] = NumericCounter(summary_edges(sketches[name].total(), minimum=low, maximum=high), kind).profile()
        else:
            fitted[name] = CategoryCounter(kind, texts[name].listing(suppress_below)).profile(suppress_below)
    return Profile(rows=0, columns=fitted)


def _batches(source: Source, columns: Mapping[str, Kind], batch_rows: int) -> Iterator[pl.DataFrame]:
    if isinstance(source, pl.LazyFrame):
        names = source.collect_schema().names()
        for name, kind in columns.items():
            base_of(name, kind, names, None)
        yield from source.select(list(columns)).collect_batches(chunk_size=batch_rows, maintain_order=True)
        return
    for batch in source():
        for name, kind in columns.items():
            base_of(name, kind, batch.columns, None)
        for start in range(0, max(batch.height, 1), batch_rows):
            yield batch.slice(start, batch_rows)
