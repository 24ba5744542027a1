"""The manifest of compaction: how far each segment has been read, and which lake files hold the rows.

One JSON file beside the segments, replaced as a whole. Kept in memory after reading or writing, because with a long history it is large:
whoever only reads trusts the file's time, number and size; whoever changes it has every byte compared, and only the decoding is spared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from interlock.errors import StoreError
from interlock.records.pointer import write_durably

MANIFEST = "compaction.json"
READ_MAX = 4  # manifests kept in memory
Manifest = dict[str, Any]
Version = tuple[int, int, int] | None
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Kept(NamedTuple):
    version: Version
    data: bytes | None  # of the file; None: there was none
    manifest: Manifest


_READ: dict[Path, _Kept] = {}


def read_manifest(folder: Path) -> Manifest:
    """The manifest, for reading only."""
    version = _version(folder)
    kept = _READ.get(folder)
    return kept.manifest if kept is not None and kept.version == version else _read(folder, version)


def _version(folder: Path) -> Version:
    """Tells one manifest from another: every write is a new file that replaces the old one."""
    path = folder / MANIFEST
    stat = path.stat() if path.is_file() else None
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size) if stat else None


def fresh_manifest(folder: Path) -> Manifest:
    """The manifest, free to be changed but for the entries in its lists; an empty one where nothing was compacted yet. `StoreError` where
    it is damaged."""
    return {name: value.copy() if isinstance(value, list | dict) else value for name, value in _read(folder, _version(folder)).items()}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace it at once and durably; the caller changes `manifest` no more."""
    data = _encode(manifest)
    write_durably(folder / MANIFEST, data)
    _keep(folder, _Kept(_version(folder), data, manifest))


def _read(folder: Path, version: Version) -> Manifest:
    """What the file says now, decoded only where its bytes are not the kept ones. `version`: asked before reading, so never too new."""
    kept = _READ.get(folder)
    try:
        data = (folder / MANIFEST).read_bytes()
        found: Manifest = kept.manifest if kept is not None and kept.data == data else _decode(data)
    except FileNotFoundError:
        data, found = None, {"version": 1, "segments": {}, "files": [], "gaps": []}
    except (ValueError, msgspec.DecodeError) as error:
        raise StoreError(f"{folder / MANIFEST} is damaged", next_step="restore it from the backup") from error
    return _keep(folder, _Kept(version, data, found))


def _keep(folder: Path, kept: _Kept) -> Manifest:
    while len(_READ) >= READ_MAX:
        _READ.pop(next(iter(_READ)))
    _READ[folder] = kept
    return kept.manifest
