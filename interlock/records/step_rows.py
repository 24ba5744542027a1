"""Compacted answers of one generation of a route: what a step of a release answered, and what was mirrored in the shadow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from interlock.records.captured_frames import predictions_schema
from interlock.records.compaction_manifest import MANIFEST, read_manifest
from interlock.records.lake import lake_from
from interlock.settings import Settings

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("_request_id", "_generation", "_arm", "_seen_time", "_score", "_prediction")


def rows_of_generation(settings: Settings, use_case: str, generation: int, since: datetime, kinds: Sequence[str], extra: str | None = None
                       ) -> pl.DataFrame:
    """The system columns (and `extra`) of what was answered under this generation, the first answer of each request and arm.

    `since`: when the generation began; files answered wholly before that day are not read. At most `window_rows_max` rows, the first
    ones. Without any, an empty frame with the columns.
    """
    import polars as pl

    day, lake, parts, rows = since.date().isoformat(), lake_from(settings), [], 0
    for file in read_manifest(settings.folder("capture") / use_case)["files"]:
        if file["kind"] not in kinds or max(file.get("answered", {day: 0}), default=day) < day or rows >= settings.window_rows_max:
            continue
        data = io.BytesIO(lake.get(file["key"]))
        there = pl.read_parquet_schema(data)
        wanted = [*COLUMNS, *([extra] if extra is not None and extra in there else [])]
        part = pl.read_parquet(data, columns=wanted).filter(pl.col("_generation") == generation)
        rows += part.height
        parts.append(part)
    if not rows:
        schema = predictions_schema()
        return pl.DataFrame(schema={name: schema[name] for name in COLUMNS})
    frame = pl.concat(parts, how="diagonal_relaxed").sort("_seen_time", maintain_order=True)
    return frame.unique(["_request_id", "_arm"], keep="first", maintain_order=True).head(settings.window_rows_max)


def stamp_of(settings: Settings, use_case: str) -> int:
    """Changes whenever compaction has brought something new; 0 before the first time."""
    try:
        return (settings.folder("capture") / use_case / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0
