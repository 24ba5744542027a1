"""Times of rows: text to UTC, and the event time of each row by column, by row order or by ingestion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from interlock.errors import DataError
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

_ISO = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_ZONED = "%Y-%m-%dT%H:%M:%S%.f%#z"


def event_times(frame: pl.DataFrame, clean: pl.DataFrame, use_case: UseCase, *, first_row: int, now: datetime) -> pl.Series:
    """Event time of each row (UTC, microseconds; null where it cannot be told). `_row_number` counts within the source file, from 1.

    By column (plus minutes or hours), by row order (`first_row` rows came before this file), or else `now`: the time of ingestion.
    """
    import polars as pl

    time, utc = use_case.time, pl.Datetime("us", "UTC")
    if time.row_start is not None and time.row_step_minutes is not None:
        start = datetime.fromisoformat(time.row_start)
        begin = pl.lit(start.replace(tzinfo=start.tzinfo or UTC).astimezone(UTC)).cast(utc)
        step_us = round(time.row_step_minutes * 60_000_000)
        position = pl.col("_row_number").cast(pl.Int64) - 1 + first_row
        return clean.select((begin + pl.duration(microseconds=position * step_us)).cast(utc).alias("_event_time")).to_series()
    if time.column is None:
        return pl.Series("_event_time", [now] * clean.height, dtype=utc)
    kind = use_case.columns[time.column].type
    if kind == "datetime":
        moment = pl.col(time.column)
    elif kind == "date":
        moment = _localised(pl.col(time.column).cast(pl.Datetime("us")), time.zone)
    else:
        frame = frame.with_columns(clean[time.column])
        moment = parse_times(pl.col(time.column), time.format, time.zone)
    for name, unit in ((time.plus_minutes, 60_000_000), (time.plus_hours, 3_600_000_000)):
        if name is not None:
            moment = moment + pl.duration(microseconds=(pl.col(name).cast(pl.Float64) * unit).round(0).cast(pl.Int64))
    return frame.select(moment.cast(utc).alias("_event_time")).to_series()


def parse_times(text: pl.Expr, pattern: str | None, zone: str) -> pl.Expr:
    """Times in UTC from text: by the pattern, or ISO 8601 (date, date and time, with or without zone); null where neither fits."""
    import polars as pl

    iso = text.str.replace(r"^(\d{4}-\d{2}-\d{2}) ", "${1}T")
    if pattern is not None and _has_zone(pattern):
        return text.str.to_datetime(pattern, time_unit="us", time_zone="UTC", strict=False)
    patterns = _ISO if pattern is None else (pattern,)
    naive = [iso.str.to_datetime(one, time_unit="us", strict=False) for one in patterns if pattern is None or _has_hours(one)]
    naive.append(iso.str.to_date(pattern or "%Y-%m-%d", strict=False).cast(pl.Datetime("us")))
    local = _localised(pl.coalesce(naive), zone)
    if pattern is not None:
        return local
    return pl.coalesce(zoned_times(iso), local)


def zoned_times(text: pl.Expr) -> pl.Expr:
    """Times in UTC from ISO 8601 text with date, time and zone; null for any other."""
    return text.str.to_datetime(_ZONED, time_unit="us", time_zone="UTC", strict=False)


def _has_zone(pattern: str) -> bool:
    return "%z" in pattern or "%#z" in pattern or "%:z" in pattern


def _has_hours(pattern: str) -> bool:
    return any(mark in pattern for mark in ("%H", "%I", "%T", "%s", "%R", "%k"))


def _localised(naive: pl.Expr, zone: str) -> pl.Expr:
    """Wall-clock times of a zone in UTC; the hour that summer time skips does not exist, of a doubled hour the first counts."""
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def moment(text: str) -> datetime:
    """A time from ISO 8601 text, in UTC where it has no zone; `DataError` where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError("this is not a time", value=text, allowed="ISO 8601, for example 2013-04-01 or 2013-04-01T06:00:00Z") from error
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
