"""The files of compacted predictions: what the manifest says of them, oldest first."""

from __future__ import annotations

import io
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from interlock.records.compaction_manifest import read_manifest
from interlock.records.lake import lake_from
from interlock.settings import Settings


class CapturedFile(NamedTuple):
    """A file of predictions in the lake, with the first and last event time in it."""

    key: str
    first: datetime
    last: datetime


def captured_entries(settings: Settings, use_case: str) -> list[dict[str, Any]]:
    """What the manifest says of the files of compacted predictions (`key`, `first`, `last` …), for reading only; oldest first."""
    files = read_manifest(settings.folder("capture") / use_case)["files"]
    return sorted((file for file in files if file["kind"] == "predictions"), key=itemgetter("first", "last"))


def captured_file(entry: dict[str, Any]) -> CapturedFile:
    """The file of an entry."""
    return CapturedFile(entry["key"], datetime.fromisoformat(entry["first"]), datetime.fromisoformat(entry["last"]))


def captured_files(settings: Settings, use_case: str) -> list[CapturedFile]:
    """The files of compacted predictions, each of one day of event time; oldest first."""
    return [captured_file(entry) for entry in captured_entries(settings, use_case)]


def event_times(settings: Settings, file: CapturedFile) -> list[datetime]:
    """The event times in a file of compacted predictions, each once."""
    import polars as pl

    data = io.BytesIO(lake_from(settings).get(file.key))
    return pl.read_parquet(data, columns=["_event_time"])["_event_time"].unique().to_list()
