"""A copy of the backup folder in an S3 bucket, under the same names: objects first, manifests after, so that what is there is whole.

Nothing is ever removed in the bucket: somebody who gets hold of this machine must not be able to take the backups along. How long they
stay is the bucket's own rule (lifecycle, versions, object lock).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.control.backups.vault import Vault, entries_of, read_backup
from interlock.errors import SettingsError, StoreError
from interlock.records.lake_s3 import mapped, s3_client
from interlock.records.pointer import write_durably
from interlock.settings import Settings

SCHEME = "s3://"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Copied:
    """What one copy added to the bucket."""

    objects: int
    manifests: int


def copy_out(settings: Settings, root: Path, progress: Progress = lambda text: None) -> Copied | None:
    """Bring to the bucket of `backup_s3` what the backup folder has and the bucket has not; None where no bucket is set.

    Safe to repeat and to kill: an object is whole or not there, and a manifest comes after everything that it names. Raises
    `SettingsError` where S3 refuses, `Unavailable` where it does not answer; the backup in the folder counts all the same.
    """
    if settings.backup_s3 is None:
        return None
    vault, bucket = Vault(root), _Bucket(settings, settings.backup_s3)
    there, objects, manifests = bucket.names(), 0, 0
    for path in vault.backups():
        name = f"backups/{path.name}"
        if name in there:
            continue
        for entry in entries_of(read_backup(path)[0]):
            key = _object(entry["digest"])
            if key not in there:
                bucket.put(key, vault.path(entry["digest"]))
                there.add(key)
                objects += 1
        bucket.put(name, path)
        manifests += 1
    progress(f"{settings.backup_s3}: {objects:,} objects and {manifests:,} backups are new there")
    return Copied(objects, manifests)


@contextmanager
def folder_of(settings: Settings, source: str) -> Iterator[Path]:
    """The folder or manifest to restore from. An address `s3://bucket/folder` (its newest backup) or `…/backups/<time>.json` is fetched
    into a folder of its own first, which goes at the end."""
    if not source.startswith(SCHEME):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="interlock-backup-") as folder:
        yield _fetched(settings, source, Path(folder))


def _fetched(settings: Settings, source: str, folder: Path) -> Path:
    address, found, manifest = source.partition("/backups/")[0], "/backups/" in source, source.rpartition("/")[2]
    bucket, vault = _Bucket(settings, address), Vault(folder)
    names = sorted(name for name in bucket.names("backups/") if name.endswith(".json"))
    wanted = f"backups/{manifest}" if found else names[-1] if names else ""
    if wanted not in names:
        raise StoreError("there is no such backup in the bucket", value=source, allowed=", ".join(names[-5:]) or "none")
    path = folder / wanted
    path.parent.mkdir()
    write_durably(path, bucket.get(wanted))
    for entry in entries_of(read_backup(path)[0]):
        if vault.kept(entry["digest"]) is None:  # whether it is what was kept, the restore looks itself
            target = vault.path(entry["digest"])
            target.parent.mkdir(parents=True, exist_ok=True)
            bucket.download(_object(entry["digest"]), target)
    return path


def _object(digest: str) -> str:
    name = digest.removeprefix("sha256:")
    return f"objects/{name[:2]}/{name}"


class _Bucket:
    """Names below `s3://bucket/folder`."""

    def __init__(self, settings: Settings, address: str) -> None:
        self._name, _, folder = address.removeprefix(SCHEME).partition("/")
        if not address.startswith(SCHEME) or not self._name:
            raise SettingsError("this is no address of a bucket", value=address, allowed="s3://bucket or s3://bucket/folder")
        self._prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        self._client: Any = s3_client(settings.s3_endpoint_url)

    def names(self, below: str = "") -> set[str]:
        """What is there."""
        start = self._prefix + below
        with mapped("list", start):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=start)
            return {str(item["Key"])[len(self._prefix):] for page in pages for item in page.get("Contents", [])}

    def put(self, name: str, path: Path) -> None:
        """Copy a file there; large ones go in parts."""
        from boto3.exceptions import S3UploadFailedError

        with mapped("write", name):
            try:
                self._client.upload_file(str(path), self._name, self._prefix + name)
            except S3UploadFailedError as error:
                raise (error.__context__ or error) from None  # what S3 said

    def get(self, name: str) -> bytes:
        """The bytes of a small one."""
        with mapped("read", name):
            return bytes(self._client.get_object(Bucket=self._name, Key=self._prefix + name)["Body"].read())

    def download(self, name: str, target: Path) -> None:
        """Copy one to a file."""
        with mapped("read", name):
            self._client.download_file(self._name, self._prefix + name, str(target))
