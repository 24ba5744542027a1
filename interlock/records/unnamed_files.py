"""What a killed compaction would leave behind: lake files that no manifest names, so that no retention ever finds them.

Each key is noted in `capture/<use_case>/compaction.unnamed`, durably, before its file is written or its name leaves the manifest; the
next run removes what is noted and not named. Nothing but noted keys is ever removed, whatever became of the manifest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from interlock.records.compaction_manifest import Manifest
from interlock.records.lake import Lake
from interlock.records.segments import sync_folder

NOTE = "compaction.unnamed"


def note(folder: Path, keys: Iterable[str]) -> None:
    """Add the keys to the note, durably. Called by the one process that compacts the folder."""
    new = not (folder / NOTE).exists()
    with (folder / NOTE).open("a") as file:
        file.writelines(f"{key}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync_folder(folder)


def remove_unnamed(folder: Path, lake: Lake, manifest: Manifest) -> list[str]:
    """Remove the files that are noted and that the manifest does not name, then the note; the keys. A last line that a power cut left
    unfinished is a key whose file was never begun."""
    path = folder / NOTE
    if not path.exists():
        return []
    named = {file["key"] for file in manifest["files"]} | set(manifest.get("leaving", {}).get("keys", []))
    whole = path.read_text(errors="replace").rpartition("\n")[0]
    gone = sorted(set(whole.splitlines()) - named)
    for key in gone:
        lake.delete(key)
    path.unlink()
    return gone
