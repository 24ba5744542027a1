"""Where the files of a file source lie: a folder here, or another place that hands out local copies. The seam of file sources."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Protocol

from interlock.errors import SourceError
from interlock.settings import Settings


class FileOrigin(Protocol):
    """Anything that holds source files; `interlock.records.origins_s3` is the other one."""

    def find(self, pattern: str) -> list[Path]:
        """Local paths of the files that match the path or glob, sorted by name; `SourceError` where there is none.

        Each path keeps the file's own name (its suffix says how it is compressed) and holds exactly its bytes.
        """
        ...


class LocalFolder:
    """Files in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, pattern: str) -> list[Path]:
        whole = self.root / pattern  # an absolute pattern stays absolute
        if glob.has_magic(str(whole)):
            found = sorted(Path(path) for path in glob.glob(str(whole), recursive=True) if Path(path).is_file())
        else:
            found = [whole] if whole.is_file() else []
        if not found:
            raise SourceError(f"there is no source file {whole}", value=pattern,
                              next_step="set INTERLOCK_DATA_DIR to the folder with the data; docs/data.md says how to obtain each set")
        return found


def origin_of(settings: Settings, path: str) -> tuple[FileOrigin, str]:
    """The origin of a `[[source.files]] path`, and the pattern within it: `s3://bucket/key*` or a path here."""
    if path.startswith("s3://"):
        from importlib import import_module

        bucket, _, pattern = path.removeprefix("s3://").partition("/")
        opened: FileOrigin = import_module("interlock.records.origins_s3").origin_from(settings, bucket)
        return opened, pattern
    return LocalFolder(settings.data_dir), path
