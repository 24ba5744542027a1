"""Answers of batches and streams as captured predictions, exactly once, so that monitoring sees them.

    stage     the frames as a whole segment under a hidden name beside the others (compaction does not look at it), fsynced
    commit    the caller's own: from here on the piece counts
    publish   one rename

After a crash a staged segment of a committed piece is published, any other removed; a published one is no longer staged, so nothing
is published twice, however often compaction has read and removed it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from interlock.records.segments import SegmentWriter, sync_folder
from interlock.settings import Settings

ROWS_PER_FRAME = 500  # a frame holds 64 MiB at most


class CapturedPieces:
    """Segments of one job or stream; `name` tells it from others and is part of their file names."""

    def __init__(self, settings: Settings, use_case: str, name: str) -> None:
        self.folder = settings.folder("capture") / use_case
        self.folder.mkdir(parents=True, exist_ok=True)
        self._name = name

    def stage(self, number: int, frames: list[dict[str, Any]]) -> None:
        """Write the piece's frames, to be published after the commit; replaces what an uncommitted attempt left."""
        path = self._staged(number)
        path.unlink(missing_ok=True)
        payloads = [msgspec.msgpack.encode(frame | {"rows": frame["rows"][start:start + ROWS_PER_FRAME]})
                    for frame in frames for start in range(0, len(frame["rows"]), ROWS_PER_FRAME)]
        if not payloads:
            return
        writer = SegmentWriter(path)
        try:
            writer.append(payloads)
            writer.sync()
        finally:
            writer.close()

    def publish(self, number: int) -> None:
        """Let compaction see the piece; publishing again changes nothing."""
        try:
            self._staged(number).rename(self.folder / f"{self._name}-{number:012d}.seg")
        except FileNotFoundError:
            return
        sync_folder(self.folder)

    def settle(self, committed: Callable[[int], bool]) -> None:
        """After a crash: publish what was committed, remove the rest."""
        for path in sorted(self.folder.glob(f".{self._name}-*.staged")):
            number = int(path.name.removesuffix(".staged").rsplit("-", 1)[1])
            if committed(number):
                self.publish(number)
            else:
                path.unlink()

    def _staged(self, number: int) -> Path:
        return self.folder / f".{self._name}-{number:012d}.staged"
