"""True outcomes of served predictions: those that were posted, and those that a file or table of the use case holds."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.errors import SourceError
from interlock.records.captured_files import CapturedFile
from interlock.records.compaction import label_history
from interlock.records.lake import lake_from
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("id", "label", "label_seen_time")
ROWS_MAX = 10_000_000
FILES_READ_MAX = 64  # files of captured predictions whose ids are looked through for labels' requests


def labels_seen(settings: Settings, use_case: UseCase, as_of: datetime, *, since: datetime | None = None) -> pl.DataFrame:
    """`_request_id`, `_label` (binary 0/1 and regression Float64; multiclass String) and `_label_seen_time`, one row per request.

    Only labels seen by `as_of`; posted ones received before `since` may be left out (their files are not read). Of several for one
    request the one learned last counts, in whatever order they were delivered (`label_history` keeps them all). Posted labels and those
    of `[labels] source` are put together. Labels of a file or table follow the same convention as posted ones: binary is 0 or 1. Raises
    `SourceError` where the source cannot be read.
    """
    import polars as pl

    posted = label_history(settings, use_case.name, since)
    frames = [_typed(posted.select("_request_id", "_label", "_label_seen_time"), use_case)] if posted.height else []
    if use_case.labels.source != "post":
        read = _from_file(settings, use_case) if use_case.labels.source == "file" else _from_table(use_case, as_of)
        frames.append(_typed(read.select(*COLUMNS).rename(
            {"id": "_request_id", "label": "_label", "label_seen_time": "_label_seen_time"}), use_case))
    if not frames:
        types = {"_request_id": pl.String(), "_label": _label_type(use_case), "_label_seen_time": pl.Datetime("us", "UTC")}
        return pl.DataFrame(schema=types)
    seen = pl.concat(frames).filter(pl.col("_label_seen_time") <= as_of, pl.col("_label").is_not_null())
    return seen.sort("_label_seen_time", maintain_order=True).unique("_request_id", keep="last", maintain_order=True)


def without_request(settings: Settings, files: Sequence[CapturedFile], ids: pl.Series) -> tuple[int, datetime | None]:
    """How many of the request ids are in none of the newest `FILES_READ_MAX` files, and the first event time in the oldest file read.

    `files` oldest first. Reads nothing but the ids, newest file first, and stops where none is left.
    """
    strange, oldest = ids.n_unique(), None
    for file, _, left in _searched(settings, files, ids.unique()):
        strange, oldest = left.len(), file.first
    return strange, oldest


def files_labelled_since(settings: Settings, use_case: str, files: Sequence[CapturedFile], since: datetime) -> set[str]:
    """Keys of those of the newest `FILES_READ_MAX` files that hold a request for which a label was received at or after `since`.

    `files` oldest first. Reads nothing but their ids, newest file first, and stops where every such label has its request.
    """
    import polars as pl

    ids = label_history(settings, use_case, since).filter(pl.col("_received_at") >= since)["_request_id"].unique()
    return {file.key for file, found, _ in _searched(settings, files, ids) if found}


def _searched(settings: Settings, files: Sequence[CapturedFile], left: pl.Series) -> Iterator[tuple[CapturedFile, bool, pl.Series]]:
    """Newest file first: whether it holds any of the ids, and those that are left."""
    import polars as pl

    lake = lake_from(settings)
    for file in list(reversed(files))[:FILES_READ_MAX]:
        if left.is_empty():
            return
        there = left.is_in(pl.read_parquet(io.BytesIO(lake.get(file.key)), columns=["_request_id"])["_request_id"].implode())
        left = left.filter(~there)
        yield file, bool(there.any()), left


def _from_file(settings: Settings, use_case: UseCase) -> pl.DataFrame:
    import polars as pl

    path = (settings.data_dir / Path(use_case.labels.path or "")).resolve()
    try:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"the labels of '{use_case.name}' cannot be read: {error}", value=str(path)) from error
    return _checked(frame, str(path))


def _from_table(use_case: UseCase, as_of: datetime) -> pl.DataFrame:
    import polars as pl
    from sqlalchemy import column, create_engine, select, table
    from sqlalchemy.exc import SQLAlchemyError

    address = os.environ.get(use_case.labels.url_env or "", "")
    if not address:
        raise SourceError(f"the labels of '{use_case.name}' have no database", value=use_case.labels.url_env,
                          next_step=f"set {use_case.labels.url_env} to an SQLAlchemy URL")
    schema, _, name = (use_case.labels.table or "").rpartition(".")
    source = table(name, *(column(each) for each in COLUMNS), schema=schema or None)
    engine = create_engine(address)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(source).limit(ROWS_MAX + 1)).all()
    except SQLAlchemyError as error:
        raise SourceError(f"the labels of '{use_case.name}' cannot be read: {type(error).__name__}", value=use_case.labels.table) from error
    finally:
        engine.dispose()
    if len(rows) > ROWS_MAX:
        raise SourceError(f"the labels of '{use_case.name}' are too many", value=f"more than {ROWS_MAX:,}", allowed=f"{ROWS_MAX:,}",
                          next_step="give `[labels] table` a view of the recent ones")
    text = [[None if value is None else str(value) for value in values] for values in zip(*rows, strict=True)] or [[], [], []]
    return pl.DataFrame(dict(zip(COLUMNS, text, strict=True)), schema=dict.fromkeys(COLUMNS, pl.String))


def _checked(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise SourceError(f"the labels in {where} have no column {', '.join(missing)}", value=", ".join(frame.columns),
                          allowed=", ".join(COLUMNS))
    return frame


def _typed(frame: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Types as promised; a label that is no number where one is needed, or a time that cannot be read, is left out (null)."""
    import polars as pl

    seen = pl.col("_label_seen_time")
    if frame.schema["_label_seen_time"] == pl.String:
        seen = seen.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    elif getattr(frame.schema["_label_seen_time"], "time_zone", None) is None:
        seen = seen.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return frame.select(pl.col("_request_id").cast(pl.String), pl.col("_label").cast(_label_type(use_case), strict=False),
                        seen.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")))


def _label_type(use_case: UseCase) -> pl.DataType:
    import polars as pl

    return pl.String() if use_case.prediction.task == "multiclass" else pl.Float64()
