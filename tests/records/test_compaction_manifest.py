"""The kept manifest spares decoding and nothing else: what is changed starts from the bytes on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interlock.errors import StoreError
from interlock.records.compaction_manifest import MANIFEST, READ_MAX, fresh_manifest, read_manifest, write_manifest


def manifest(*keys: str) -> dict[str, object]:
    return {"version": 1, "segments": {"w0-a.seg": 12}, "files": [{"key": key} for key in keys], "gaps": []}


def test_a_change_that_was_not_written_is_forgotten(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest("a"))
    for change in (fresh_manifest(tmp_path), fresh_manifest(tmp_path)):
        change["files"] += [{"key": "b"}]
        change["segments"]["w0-a.seg"] = 99
        change["leaving"] = {"keys": []}
    assert fresh_manifest(tmp_path) == read_manifest(tmp_path) == manifest("a")


def test_a_change_starts_from_the_bytes_on_the_disk_whatever_the_file_claims(tmp_path: Path) -> None:
    """Same time, number and size, other bytes: what is kept must not be written over them."""
    write_manifest(tmp_path, manifest("a"))
    path = tmp_path / MANIFEST
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"b"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ino, after.st_size) == (before.st_mtime_ns, before.st_ino, before.st_size)
    assert fresh_manifest(tmp_path) == manifest("b")
    assert read_manifest(tmp_path) == manifest("b")


def test_a_file_emptied_or_cut_is_damage_also_where_none_was_before(tmp_path: Path) -> None:
    assert fresh_manifest(tmp_path)["files"] == []
    for data in (b"", b'{"version":1,"fil'):
        (tmp_path / MANIFEST).write_bytes(data)
        for read in (fresh_manifest, read_manifest):
            with pytest.raises(StoreError, match="damaged"):
                read(tmp_path)


def test_folders_are_kept_apart_and_few(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(READ_MAX + 3)]
    for folder in folders:
        write_manifest(folder, manifest(folder.name))
    for folder in folders * 2:
        assert fresh_manifest(folder) == read_manifest(folder) == manifest(folder.name)
