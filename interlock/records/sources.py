"""File sources: finding the files, reading their bytes, and giving their rows as text, exactly as they were written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.errors import SourceError, did_you_mean
from interlock.records.ahead import ahead
from interlock.records.origins import origin_of
from interlock.settings import Settings
from interlock.spec.data import FileSource, SourceFile

if TYPE_CHECKING:
    import polars as pl

    from interlock.records.plain_lines import PlainLines

ROWS_AT_A_TIME = 100_000  # of a Parquet file
DIGEST_BYTES = 2 * 1024**2  # read at a time


@dataclass(frozen=True)
class RawFile:
    """One file of a source: where it is, what is in it, and which official split it belongs to."""

    path: Path
    name: str
    digest: str
    split: str | None
    skip_rows: int


@dataclass(frozen=True)
class RawRows:
    """Rows as text: `frame` has `_row_number` (from 1) and the declared columns; `malformed` has `_row_number`, `_raw`, `_reason`.

    `last_number` is the number of the last record looked at, blank lines counted.
    """

    frame: pl.DataFrame
    malformed: pl.DataFrame
    last_number: int = 0

    @property
    def rows(self) -> int:
        """How many there are, malformed ones included."""
        return self.frame.height + self.malformed.height

    def evened(self) -> RawRows:
        """The same: each row has all its fields."""
        return self

    def text(self) -> pl.DataFrame:
        """The rows as text."""
        return self.frame

    def beyond(self, number: int) -> RawRows:
        """The records after the one with the number."""
        import polars as pl

        after = pl.col("_row_number") > number
        return RawRows(self.frame.filter(after), self.malformed.filter(after), self.last_number)


def find_files(settings: Settings, source: FileSource) -> list[RawFile]:
    """The source's files in the order of their rows, globs sorted by name; `SourceError` where one is missing or empty."""
    found = [RawFile(path, _shown(settings, path), _digest(path), entry.split, entry.skip_rows)
             for entry in source.files for path in _paths(settings, entry)]
    for file in found:
        if file.path.stat().st_size == 0:
            raise SourceError(f"the source file {file.name} is empty", value=file.path, next_step="deliver the file again")
    return found


def row_blocks(file: RawFile, source: FileSource, columns: list[str]) -> Iterator[RawRows | PlainLines]:
    """All rows of one file in file order, block by block: memory does not grow with the file.

    Raises `SourceError` where the file cannot be read, or where it was changed meanwhile.
    """
    from interlock.records.sources_csv import csv_blocks

    before = _state(file.path)
    yield from _parquet_blocks(file, columns) if source.format == "parquet" else csv_blocks(file, source, columns)
    if _state(file.path) != before:
        raise SourceError(f"{file.name} was changed while it was read", value=file.path, next_step="deliver the file again, whole")


def read_rows(file: RawFile, source: FileSource, columns: list[str]) -> RawRows:
    """All rows of one file at once, as text: for small files and tests."""
    import polars as pl

    blocks = [block.evened() for block in row_blocks(file, source, columns)]
    return RawRows(pl.concat([block.text() for block in blocks]), pl.concat([block.malformed for block in blocks]), blocks[-1].last_number)


def check_names(name: str, found: list[str], declared: list[str]) -> None:
    """Raise `SourceError` unless the file has exactly the declared columns; says which look renamed and when the separator is wrong."""
    missing = [column for column in declared if column not in found]
    extra = [column for column in found if column not in declared]
    if not missing and not extra and len(found) == len(set(found)):
        return
    hints = [f"'{column}' is missing ({did_you_mean(column, extra) or 'nothing similar in the file'})" for column in missing]
    hints += [f"'{column}' is not in [columns]" for column in extra]
    hints += [f"'{column}' occurs twice" for column in sorted({column for column in found if found.count(column) > 1})]
    separators = [mark for mark in ";\t|," if len(found) == 1 and mark in found[0]]
    if separators:
        raise SourceError(f"{name}: the first line is one single column: the separator looks wrong", value=found[0],
                          allowed=", ".join(declared), next_step=f"set separator = {separators[0]!r} in [source]")
    raise SourceError(f"{name}: its columns are not those of [columns]: " + "; ".join(hints), value=", ".join(found),
                      allowed=", ".join(declared), next_step='correct [columns] (a column of no use gets role = "ignore") or the file')


def _paths(settings: Settings, entry: SourceFile) -> list[Path]:
    if entry.path.startswith("package:"):
        return [_package_path(entry.path)]
    origin, pattern = origin_of(settings, entry.path)
    return origin.find(pattern)


def _package_path(path: str) -> Path:
    """A file inside an installed package, found without importing it (some data packages cannot be imported)."""
    package, _, inner = path.removeprefix("package:").partition("/")
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    for place in places:
        if (Path(place) / inner).is_file():
            return Path(place) / inner
    what = f"the package {package} has no file {inner}" if places else f"the Python package {package} is not installed"
    raise SourceError(what, value=path, next_step="pip install 'interlock-control[demo]'" if not places else "correct the path")


def _shown(settings: Settings, path: Path) -> str:
    return path.relative_to(settings.data_dir).as_posix() if path.is_relative_to(settings.data_dir) else path.name


def _digest(path: Path) -> str:
    """Digest of the file; what follows is read while the part before it goes in."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for part in ahead(iter(lambda: file.read(DIGEST_BYTES), b"")):
            found.update(part)
    return "sha256:" + found.hexdigest()


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _parquet_blocks(file: RawFile, columns: list[str]) -> Iterator[RawRows]:
    import polars as pl

    number = 0
    try:
        lazy = pl.scan_parquet(file.path, glob=False)
        check_names(file.name, lazy.collect_schema().names(), columns)
        for frame in lazy.select(columns).collect_batches(chunk_size=ROWS_AT_A_TIME, maintain_order=True):
            text = as_text(frame, file.name).with_row_index("_row_number", offset=number + 1)
            number += frame.height
            yield RawRows(text, no_malformed(), number)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{file.name} is not a Parquet file: {error}", value=file.path) from error
    if number == 0:
        yield RawRows(as_text(lazy.select(columns).collect(), file.name).with_row_index("_row_number", offset=1), no_malformed(), 0)


def as_text(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Typed columns as the text that reads back to the same value; nested ones are refused."""
    import polars as pl

    for column, kind in frame.schema.items():
        if kind.is_nested() or kind == pl.Binary or kind == pl.Object:
            raise SourceError(f"{name}: column '{column}' has type {kind}", allowed="text, numbers, booleans, dates, timestamps")
    booleans = [column for column, kind in frame.schema.items() if kind == pl.Boolean]
    zoned = [column for column, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    words = {True: "true", False: "false"}
    return frame.with_columns(
        *(pl.col(column).replace_strict(words, return_dtype=pl.String) for column in booleans),
        *(pl.col(column).dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") for column in zoned),
    ).cast(pl.String)


def no_malformed() -> pl.DataFrame:
    """An empty frame of malformed records."""
    import polars as pl

    return pl.DataFrame(schema={"_row_number": pl.UInt32, "_raw": pl.String, "_reason": pl.String})
