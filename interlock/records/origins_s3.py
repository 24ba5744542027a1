"""Source files in an S3 bucket: matching objects are copied to this machine once per version (ETag) and read from there."""

from __future__ import annotations

import hashlib
import os
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from interlock.errors import SourceError
from interlock.records.lake_s3 import mapped, s3_client
from interlock.settings import Settings

OBJECTS_MAX = 10_000  # listed for one pattern
OBJECT_BYTES_MAX = 1024**4  # copied to this machine's disk


class S3Folder:
    """Objects of a bucket (under `folder`), seen as files. Copies live in `cache`, named by key and ETag."""

    def __init__(self, client: Any, bucket: str, cache: Path, folder: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._cache = cache
        self._folder = f"{folder.strip('/')}/" if folder.strip("/") else ""

    def find(self, pattern: str) -> list[Path]:
        """Local copies of the objects whose key matches, sorted by key. `*` stays within a folder, `**` goes through folders."""
        found = sorted((item for item in self._objects(pattern) if _matches(item["Key"][len(self._folder):], pattern)),
                       key=lambda item: item["Key"])
        if not found:
            raise SourceError(f"there is no object s3://{self._bucket}/{self._folder}{pattern}", value=pattern,
                              next_step="check the bucket and the pattern")
        return [self._copy(item) for item in found]

    def _objects(self, pattern: str) -> list[dict[str, Any]]:
        start = self._folder + pattern[:_magic_at(pattern)]
        found: list[dict[str, Any]] = []
        with mapped("list", start):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start):
                found += page.get("Contents", [])
                if len(found) > OBJECTS_MAX:
                    raise SourceError(f"too many objects begin with s3://{self._bucket}/{start}", value=f"more than {OBJECTS_MAX:,}",
                                      allowed=f"{OBJECTS_MAX:,}", next_step="make the pattern's beginning longer")
        return found

    def _copy(self, item: dict[str, Any]) -> Path:
        key, size = str(item["Key"]), int(item["Size"])
        if size > OBJECT_BYTES_MAX:
            raise SourceError(f"s3://{self._bucket}/{key} is too large", value=f"{size:,} bytes", allowed=f"{OBJECT_BYTES_MAX:,} bytes")
        version = hashlib.sha256(f"{self._bucket}/{key}/{item['ETag']}".encode()).hexdigest()
        path = self._cache / version / PurePosixPath(key).name
        if path.is_file() and path.stat().st_size == size:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".copying-")
        try:
            with os.fdopen(handle, "wb") as file, mapped("read", key):
                body = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=item["ETag"])["Body"]
                for chunk in body.iter_chunks(1 << 20):
                    file.write(chunk)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return path


def origin_from(settings: Settings, bucket: str) -> S3Folder:
    """The bucket as an origin; credentials come from AWS's own chain, copies live under `home/run/s3`."""
    return S3Folder(s3_client(settings.s3_endpoint_url), bucket, settings.folder("run") / "s3")


def _magic_at(pattern: str) -> int:
    return min((place for mark in "*?[" if (place := pattern.find(mark)) >= 0), default=len(pattern))


def _matches(key: str, pattern: str) -> bool:
    """As a glob on paths: each part of the key by its part of the pattern; `**` stands for any number of parts."""
    return _parts_match(key.split("/"), pattern.split("/"))


def _parts_match(parts: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_parts_match(parts[skip:], patterns[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _parts_match(parts[1:], patterns[1:])
