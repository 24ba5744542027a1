"""The manifest of compaction: how far each segment has been read, and which lake files hold the rows.

One JSON file beside the segments, replaced as a whole. Kept in memory after reading or writing, because with a long history it is large.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from interlock.errors import StoreError
from interlock.records.pointer import write_durably

MANIFEST = "compaction.json"
READ_MAX = 4  # manifests kept in memory
Manifest = dict[str, Any]
Version = tuple[int, int, int] | None
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_READ: dict[Path, tuple[Version, Manifest]] = {}


def read_manifest(folder: Path) -> Manifest:
    """The manifest, for reading only."""
    version = _version(folder)
    kept = _READ.get(folder)
    return kept[1] if kept is not None and kept[0] == version else _keep(folder, version, fresh_manifest(folder))


def _version(folder: Path) -> Version:
    """Tells one manifest from another: every write is a new file that replaces the old one."""
    path = folder / MANIFEST
    stat = path.stat() if path.is_file() else None
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size) if stat else None


def fresh_manifest(folder: Path) -> Manifest:
    """The manifest, free to be changed; an empty one where nothing was compacted yet. `StoreError` where it is damaged."""
    try:
        found: Manifest = _decode((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return {"version": 1, "segments": {}, "files": [], "gaps": []}
    except (ValueError, msgspec.DecodeError) as error:
        raise StoreError(f"{folder / MANIFEST} is damaged", next_step="restore it from the backup") from error
    return found


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace it at once and durably; the caller changes `manifest` no more."""
    write_durably(folder / MANIFEST, _encode(manifest))
    _keep(folder, _version(folder), manifest)


def _keep(folder: Path, version: Version, manifest: Manifest) -> Manifest:
    while len(_READ) >= READ_MAX:
        _READ.pop(next(iter(_READ)))
    _READ[folder] = version, manifest
    return manifest
