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
COLUMNS_AT_ONCE = 2 * THREADS  # of a file: half of them wait for it while the others are counted
Batches = pl.LazyFrame | Callable[[], Iterable[pl.DataFrame]]


class ParquetSource:
    """The rows of a Parquet file (or glob), one column and `batch_rows` rows at a time.

    So only what is being counted is in memory, and it stays in the processor's cache: whole rows, or a lazy frame, whose reader runs ahead,
    take several times the memory and longer. Best with row groups of `batch_rows` rows, which is how the lake writes them.
    """

    def __init__(self, path: str | Path, batch_rows: int) -> None:
        self._lazy, self._batch_rows = pl.scan_parquet(path), batch_rows  # one scan for all reads: the file's index is read once
        self.names = self._lazy.collect_schema().names()
        self.rows = int(self._lazy.select(pl.len()).collect().item())

    def column(self, name: str) -> Iterator[pl.Series]:
        """Its values in the order of the file; one empty batch for a file without rows."""
        lazy = self._lazy.select(name)
        for start in range(0, max(self.rows, 1), self._batch_rows):
            yield lazy.slice(start, self._batch_rows).collect().to_series()


Source = ParquetSource | Batches


def parquet_source(path: str | Path, *, batch_rows: int = BATCH_ROWS) -> ParquetSource:
    """The rows of a Parquet file (or glob) as a source for `profile_stream`, in a quarter of the memory of a lazy frame."""
    return ParquetSource(path, batch_rows)


def profile_stream(source: Source, columns: Mapping[str, Kind], *, like: Profile | None = None, suppress_below: int = SUPPRESS_BELOW,
                   batch_rows: int = BATCH_ROWS) -> Profile:
    """What `fit_profile` gives for all rows together, read in batches of about `batch_rows`.

    `source` is a Parquet file (`parquet_source`), a lazy frame, or a function that gives the batches; it is read once with `like`, twice
    without, and must give the same rows both times. No batch: a profile of 0 rows. Raises `DataError` as `fit_profile` does.
    """
    known = like if like is not None else _fitted(source, columns, suppress_below, batch_rows)
    counters = {name: _counter(kind, base_of(name, kind, list(columns), known)) for name, kind in columns.items()}

    def count(name: str, series: pl.Series) -> None:
        counter = counters[name]
        if isinstance(counter, NumericCounter):
            counter.add(ordered_values(series, columns[name]))
        else:
            counter.add(rows_per_text(series, columns[name]), series.len())  # type: ignore[arg-type]

    rows = _feed(source, columns, batch_rows, count)
    done = {name: one.profile() if isinstance(one, NumericCounter) else one.profile(suppress_below) for name, one in counters.items()}
    return Profile(rows=rows, columns=done)


def _feed(source: Source, columns: Mapping[str, Kind], batch_rows: int, take: Callable[[str, pl.Series], None]) -> int:
    """Give every column's batches to `take`, some columns at once, those of one column in order and one at a time; how many rows."""
    if isinstance(source, ParquetSource):
        known = source
        for name, kind in columns.items():
            base_of(name, kind, known.names, None)

        def whole(name: str) -> None:
            for part in known.column(name):
                take(name, part)

        with ThreadPoolExecutor(COLUMNS_AT_ONCE) as pool:
            list(pool.map(whole, columns))
        return known.rows
    rows = 0
    with ThreadPoolExecutor(THREADS + 1) as pool:
        batches = _batches(source, columns, batch_rows)
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)  # read while this one is counted
            rows += batch.height
            list(pool.map(take, columns, [batch[name] for name in columns]))
    return rows


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

    def note(name: str, series: pl.Series) -> None:
        if name in texts:
            texts[name].add(rows_per_text(series, columns[name]), series.len())  # type: ignore[arg-type]
            return
        finite = finite_part(ordered_values(series, columns[name]))
        if finite.size:
            low, high = ends.get(name, (finite[0], finite[-1]))
            ends[name] = float(min(low, finite[0])), float(max(high, finite[-1]))
            sketches[name].add(summarised(finite))

    _feed(source, columns, batch_rows, note)
    fitted: dict[str, ColumnProfile] = {}
    for name, kind in columns.items():
        if kind == "numeric" or kind == "date":
            low, high = ends.get(name, (None, None))
            fitted[name] = NumericCounter(summary_edges(sketches[name].total(), minimum=low, maximum=high), kind).profile()
        else:
            fitted[name] = CategoryCounter(kind, texts[name].listing(suppress_below)).profile(suppress_below)
    return Profile(rows=0, columns=fitted)


def _batches(source: Batches, columns: Mapping[str, Kind], batch_rows: int) -> Iterator[pl.DataFrame]:
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
