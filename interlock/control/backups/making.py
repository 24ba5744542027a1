"""`interlock backup`: the whole installation as of one moment, without stopping anything.

    store copy → files that it may name → what was captured → manifest (renamed into place: now the backup counts) → retention

Files are immutable and written before the store names them, so whatever the copied store names is there to be copied. Killed at any
moment, the previous backup stays as it was, and the next run goes on with the objects that are already there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from interlock.control.backups.bucket import copy_out
from interlock.control.backups.contents import (
    LEFT_OUT,
    capture_files,
    compaction_held,
    home_files,
    lake_keys,
    made_anew_of,
    overrides_of,
    use_cases_of,
    usecase_files,
)
from interlock.control.backups.store_copy import copy_store, open_copy
from interlock.control.backups.vault import Kept, Vault
from interlock.errors import DataError, StoreError
from interlock.records import ledger
from interlock.records.lake import Lake, lake_from
from interlock.records.pointer import write_durably
from interlock.records.store import Store, utc_now
from interlock.rules.canonical import iso
from interlock.settings import Settings

Progress = Callable[[str], None]
LAST = "backup.json"


@dataclass(frozen=True)
class Made:
    """A backup that counts. `new_bytes`: what this one added to the folder."""

    path: Path
    digest: str
    at: datetime
    head: ledger.Head
    files: int
    bytes: int
    new_bytes: int
    removed: int


@dataclass
class _Making:
    """What one backup has taken so far."""

    vault: Vault
    progress: Progress
    files: list[dict[str, Any]] = field(default_factory=list)
    lake: list[dict[str, Any]] = field(default_factory=list)
    new_bytes: int = 0

    def note(self, kept: Kept) -> dict[str, Any]:
        self.new_bytes += kept.size if kept.new else 0
        return {"digest": kept.digest, "bytes": kept.size}

    def take(self, name: str, path: Path) -> None:
        """A file of the home; one that was removed meanwhile is no longer part of it."""
        try:
            self.files.append({"path": name, **self.note(self.vault.put(path))})
        except FileNotFoundError:
            self.progress(f"{name}: removed while the backup ran")

    def take_key(self, lake: Lake, key: str, copied: bool) -> None:
        """A file of the lake: its name holds its digest, so one that is in the vault is not read again."""
        digest = "sha256:" + Path(key).name.split(".")[0]
        if not copied:
            self.lake.append({"key": key, "digest": digest, "bytes": 0})
            return
        kept = self.vault.kept(digest)
        if kept is None:
            try:
                kept = self.vault.put_bytes(lake.get(key))
            except DataError:
                if lake.exists(key):
                    raise
                self.progress(f"{key}: removed while the backup ran")
                return
        self.lake.append({"key": key, **self.note(kept)})


def make_backup(settings: Settings, store: Store, destination: Path, *, manifest_only: bool = False, keep: int = 7,
                actor: str = "interlock", now: Callable[[], datetime] = utc_now, progress: Progress = lambda text: None,
                after: Callable[[str], None] = lambda step: None) -> Made:
    """Write one backup of the installation to the folder. `manifest_only`: the lake's files are named, not copied.

    Raises `SettingsError` where the folder cannot be written or another backup runs, `DataError` where a file of the lake is damaged,
    `StoreError` where the store is; no backup is made then, and earlier ones stay. Where the bucket of `backup_s3` does not take its copy,
    that is raised too, after the backup was made. `after` is told each step by name (crash tests).
    """
    vault = Vault(_outside(settings, destination))
    with vault.alone():
        at, making = now(), _Making(vault, progress)
        body, head = _store(settings, store, making, at)
        after("store")
        names = body.pop("names")
        for name, path in [*home_files(settings.home.resolve()), *usecase_files(settings)]:
            making.take(name, path)
        after("files")
        _lake_and_capture(settings, making, names, copied=not manifest_only, after=after)
        body |= {"files": making.files, "lake": {"included": not manifest_only, "kind": settings.lake, "files": making.lake},
                 "overrides": overrides_of(settings.folder("run")), "made_anew": made_anew_of(settings.folder("run")),
                 "left_out": LEFT_OUT}
        name = iso(at).replace("-", "").replace(":", "").replace(".", "")
        digest = vault.write(name, body)
        after("manifest")
        removed = vault.prune(keep, name, body["installation"])
    made = Made(vault.root / "backups" / f"{name}.json", digest, at, head, len(making.files) + len(making.lake),
                sum(int(entry["bytes"]) for entry in [body["store"], *making.files, *making.lake]), making.new_bytes, removed)
    _tell(settings, store, made, actor)
    copy_out(settings, vault.root, progress)
    return made


def last_made(settings: Settings) -> dict[str, Any] | None:
    """What the last backup of this home was: `at`, `path`, `digest`; None where there was none or nobody can read it."""
    try:
        found: dict[str, Any] = json.loads((settings.folder("run") / LAST).read_bytes())
        datetime.fromisoformat(found["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _outside(settings: Settings, destination: Path) -> Path:
    """A backup inside the home would be deleted with it, and would back up itself."""
    from interlock.errors import SettingsError

    if destination.resolve().is_relative_to(settings.home.resolve()):
        raise SettingsError("a backup must lie outside the home that it is of", value=destination.resolve(),
                            allowed=f"a folder outside {settings.home.resolve()}, better on another disk")
    return destination


def _store(settings: Settings, store: Store, making: _Making, at: datetime) -> tuple[dict[str, Any], ledger.Head]:
    """The consistent copy, its ledger's head and revision, and the use cases that it knows (`names`)."""
    copy = making.vault.scratch()
    try:
        copy_store(store, copy)
        with closing(open_copy(copy)) as opened:
            if (report := ledger.verify(opened)).problems:
                raise StoreError("the ledger is broken: a backup of it would only keep the damage", value=report.problems[0],
                                 next_step="interlock verify; restore an older backup")
            revision = opened.revision()
            with opened.reading() as session:
                names, first = use_cases_of(session, settings), ledger.first_hash(session)
        for beside in ("-wal", "-shm"):
            copy.with_name(copy.name + beside).unlink(missing_ok=True)
        kept = making.note(making.vault.put(copy))
    finally:
        copy.unlink(missing_ok=True)
    making.progress(f"store: {report.entries:,} ledger entries, head {report.head.hash[:19]}…")
    head = report.head
    return {"format": 1, "at": iso(at), "installation": first, "environment": settings.environment, "team": settings.team, "names": names,
            "store": {**kept, "revision": revision, "from": store.engine.dialect.name},
            "ledger": {"seq": head.seq, "hash": head.hash, "at": head.at}}, head


def _lake_and_capture(settings: Settings, making: _Making, names: list[str], *, copied: bool, after: Callable[[str], None]) -> None:
    lake = lake_from(settings)
    for name in names:
        for key in lake_keys(lake, name, captured=False):
            making.take_key(lake, key, copied)
        folder = settings.folder("capture") / name
        if folder.is_dir():
            with compaction_held(folder):
                for key in lake_keys(lake, name, captured=True):
                    making.take_key(lake, key, copied)
                for path in capture_files(folder):
                    making.take(f"capture/{name}/{path.name}", path)
        after(f"use case {name}")
    making.progress(f"{len(making.files):,} files, {len(making.lake):,} files of the lake")


def _tell(settings: Settings, store: Store, made: Made, actor: str) -> None:
    """Remember it for the status, and write it to the ledger."""
    write_durably(settings.folder("run") / LAST, json.dumps(
        {"at": iso(made.at), "path": str(made.path), "digest": made.digest, "bytes": made.bytes, "files": made.files}).encode())
    with store.writing() as session:
        ledger.append(session, "backup.made", {
            "sentence": f"{actor} backed up {made.files:,} files and the store as of ledger entry {made.head.seq}", "actor": actor,
            "backup": made.path.name, "digest": made.digest, "head": {"seq": made.head.seq, "hash": made.head.hash}, "bytes": made.bytes})
