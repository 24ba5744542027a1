"""Captured rows leave after a stated time: whole days of the lake, in steps that a kill in between does not undo.

The manifest first names the files that leave (nobody reads them from then on), then the files go, then the manifest forgets them. A
run that died goes on where it was. Raw segments need no rule of their own: they go a day after they were compacted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from interlock.records.compaction import alone
from interlock.records.compaction_manifest import fresh_manifest, write_manifest
from interlock.records.ids import new_id
from interlock.records.lake import Lake
from interlock.rules.canonical import iso

FILES_MAX = 500  # leave in one run, oldest first; the rest has the next one


@dataclass(frozen=True)
class Removed:
    """What left: numbers, and the first and last event time (predictions, mirrored answers) or time of receipt (labels); "" without any."""

    id: str
    before: str
    predictions_files: int
    predictions_rows: int
    labels_files: int
    labels_rows: int
    first: str
    last: str
    mirrored_files: int = 0
    mirrored_rows: int = 0


def expire(folder: Path, lake: Lake, before: datetime, record: Callable[[Removed], None]) -> Removed | None:
    """Remove files of which every row is older than `before`; None where there is none, or another process is at work on them.

    `folder`: the use case's folder of the capture. `record` writes down what left, once the files are gone; after a kill it may be asked
    to write the same down again (by the same `id`).
    """
    with alone(folder) as mine:
        if not mine:
            return None
        manifest = fresh_manifest(folder)
        if "leaving" not in manifest and not _name_leaving(manifest, before):
            return None
        leaving = manifest["leaving"]
        write_manifest(folder, manifest)
        for key in leaving["keys"]:
            lake.delete(key)
        removed = Removed(**leaving["removed"])
        record(removed)
        rest = fresh_manifest(folder)
        rest.pop("leaving")
        write_manifest(folder, rest)
        return removed


def _name_leaving(manifest: dict[str, Any], before: datetime) -> bool:
    """Move the entries of what leaves from `files` to `leaving`; whether there is any."""
    edge = iso(before)  # texts of one length, ordered as the moments are
    old = sorted((file for file in manifest["files"] if file["last"] < edge), key=lambda file: (file["last"], file["key"]))[:FILES_MAX]
    if not old:
        return False
    of = {kind: [file for file in old if file["kind"] == kind] for kind in ("predictions", "labels", "shadow")}
    removed = Removed(new_id(), edge, len(of["predictions"]), sum(file["rows"] for file in of["predictions"]), len(of["labels"]),
                      sum(file["rows"] for file in of["labels"]), min(file["first"] for file in old), max(file["last"] for file in old),
                      len(of["shadow"]), sum(file["rows"] for file in of["shadow"]))
    keys = {file["key"] for file in old}
    manifest["files"] = [file for file in manifest["files"] if file["key"] not in keys]
    manifest["leaving"] = {"keys": sorted(keys), "removed": asdict(removed)}
    return True
