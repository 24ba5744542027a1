"""Where backups lie: a folder of objects named by the digest of their bytes, and of manifests that name them.

    objects/<2 digits>/<64 digits>   one file's bytes, written once, shared by all backups (so every backup is incremental)
    backups/<time>.json              one backup: {"body": …, "digest": …}; written last, so a backup is whole or not there

Every write goes to a temporary file, is fsynced, renamed, and the folder fsynced. An object is never changed; only `prune`
removes objects, and only those that no manifest names.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.errors import SettingsError, StoreError
from interlock.records.pointer import write_durably
from interlock.records.segments import sync_folder
from interlock.rules.canonical import canonical, digest_bytes

PIECE = 1 << 20
NEW = ".new-"
Body = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """One object: digest and length of its bytes; `new`: whether this call wrote it."""

    digest: str
    size: int
    new: bool = False


class Vault:
    """A backup folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder for one backup; what an earlier one left behind half written is removed. `SettingsError` where another runs."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / ".lock").open("a+")
        except OSError as error:
            raise SettingsError(f"the backup folder cannot be written: {error.strerror}", value=self.root) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SettingsError("another backup is being written to this folder", value=self.root) from error
            for left in [*self.root.glob(f"{NEW}*"), *self.root.glob(f"objects/*/{NEW}*")]:
                left.unlink(missing_ok=True)
            yield

    def scratch(self) -> Path:
        """A new name for a file that is not an object yet; removed by the next backup if it is left behind."""
        return self.root / f"{NEW}{uuid.uuid4().hex}"

    def path(self, digest: str) -> Path:
        """Where the object lies, or would."""
        name = digest.removeprefix("sha256:")
        return self.root / "objects" / name[:2] / name

    def kept(self, digest: str, size: int | None = None) -> Kept | None:
        """The object, None where it is not there or has another length than `size`."""
        try:
            found = self.path(digest).stat().st_size
        except FileNotFoundError:
            return None
        return Kept(digest, found) if size is None or size == found else None

    def put(self, source: Path) -> Kept:
        """Keep a copy of the file as it is now; the same bytes are kept once."""
        copy, hashed, size = self.scratch(), hashlib.sha256(), 0
        try:
            with source.open("rb") as reading, copy.open("xb") as writing:
                while piece := reading.read(PIECE):
                    hashed.update(piece)
                    size += writing.write(piece)
                writing.flush()
                os.fsync(writing.fileno())
            return self._adopt(copy, "sha256:" + hashed.hexdigest(), size)
        finally:
            copy.unlink(missing_ok=True)

    def put_bytes(self, data: bytes) -> Kept:
        """The same for bytes."""
        digest = digest_bytes(data)
        if self.kept(digest, len(data)) is not None:
            return Kept(digest, len(data))
        write_durably(self._ready(digest), data)
        return Kept(digest, len(data), new=True)

    def problem(self, digest: str, size: int) -> str | None:
        """What is wrong with an object, read whole; None: nothing."""
        try:
            with self.path(digest).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                length = file.tell()
        except OSError as error:
            return f"is missing ({error.strerror})"
        if "sha256:" + found != digest or length != size:
            return f"was altered: {length:,} bytes with digest sha256:{found[:12]}…, {size:,} bytes with {digest[:19]}… were kept"
        return None

    def write(self, name: str, body: Body) -> str:
        """Make a backup count: its manifest, whole and last; the digest of its body."""
        digest = digest_bytes(canonical(body))
        write_durably(self.root / "backups" / f"{name}.json", canonical({"body": body, "digest": digest}))
        return digest

    def backups(self) -> list[Path]:
        """Manifests, oldest first."""
        return sorted((self.root / "backups").glob("[!.]*.json"))

    def prune(self, keep: int, made: str = "", installation: str = "") -> int:
        """Keep the newest `keep` backups of the `installation` (at least 1) and what they name; the number of backups removed.

        Several installations may write into one folder, each keeps its own number; a backup that does not say whose it is counts as
        this one's. The one just `made` stays in any case: a clock that was put back makes it look like the oldest.
        A manifest that cannot be read is nobody's and names objects nobody knows: it stays, and then no object is removed.
        """
        own = [path for path in self.backups() if _of(path) in {installation, ""}]
        gone = [path for path in own[:-max(keep, 1)] if path.stem != made]
        for path in gone:
            path.unlink()
        if not gone:
            return 0
        sync_folder(self.root / "backups")
        try:
            named = {entry["digest"] for path in self.backups() for entry in entries_of(read_backup(path)[0])}
        except StoreError:
            return len(gone)
        for path in self.root.glob("objects/*/*"):
            if f"sha256:{path.name}" not in named:
                path.unlink()
        return len(gone)

    def _adopt(self, copy: Path, digest: str, size: int) -> Kept:
        if self.kept(digest, size) is not None:
            return Kept(digest, size)
        target = self._ready(digest)
        copy.replace(target)
        sync_folder(target.parent)
        return Kept(digest, size, new=True)

    def _ready(self, digest: str) -> Path:
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _of(path: Path) -> str | None:
    """The installation that a backup is of; empty where it does not say so, None where nobody can read it."""
    try:
        return str(read_backup(path)[0].get("installation", ""))
    except StoreError:
        return None


def read_backup(path: Path) -> tuple[Body, str]:
    """Body and digest of a manifest; `StoreError` where it is not whole or was altered."""
    try:
        found = json.loads(path.read_bytes())
        body, digest = found["body"], found["digest"]
    except FileNotFoundError as error:
        raise StoreError("there is no such backup", value=path, next_step="interlock backup") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError("the manifest of the backup is not whole", value=path, next_step="restore an older backup") from error
    if digest_bytes(canonical(body)) != digest or body.get("format") != 1:
        raise StoreError("the manifest of the backup was altered", value=path, next_step="restore an older backup")
    return body, digest


def newest(root: Path) -> Path:
    """The manifest of the newest backup in a folder, or the manifest itself where a file is given; `StoreError` where there is none."""
    if root.is_file():
        return root
    found = Vault(root).backups()
    if not found:
        raise StoreError("there is no backup in this folder", value=root, allowed="a folder that `interlock backup` wrote to")
    return found[-1]


def entries_of(body: Body) -> list[dict[str, Any]]:
    """Everything that a backup holds as an object: store, files, and lake files unless the backup is of manifests only."""
    lake = body["lake"]["files"] if body["lake"]["included"] else []
    return [body["store"], *body["files"], *lake]
