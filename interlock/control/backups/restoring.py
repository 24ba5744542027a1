"""`interlock restore`: an installation from a backup, in a new home, verified by every digest and by the ledger.

    every object of the backup → a folder beside the new home → every file written, read again → store, ledger, routes, lake → renamed

Refuses a home that holds anything. Until the last step there is no new home, so a restore that was killed leaves none. What was
restored does not serve by itself: the keeper refuses such a home until a person confirms it (`interlock confirm-restore`), because an
installation that runs twice would decide, retrain and alert twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.backups.confirming import MARKER
from interlock.control.backups.contents import LEFT_OUT, keys_named
from interlock.control.backups.store_copy import load_copy, open_copy
from interlock.control.backups.vault import Body, Vault, entries_of, newest, read_backup
from interlock.errors import InterlockError, SettingsError, StoreError
from interlock.records import ledger
from interlock.records.lake import Lake, lake_from
from interlock.records.pointer import write_durably
from interlock.records.routes import all_routes
from interlock.records.segments import sync_folder
from interlock.records.served import KIND as ROUTE_CHANGED
from interlock.records.served import genuine
from interlock.records.store import Store, utc_now
from interlock.records.tables import LedgerEntry
from interlock.rules.canonical import iso
from interlock.rules.routes import Route
from interlock.settings import Settings

Progress = Callable[[str], None]
SHOWN = 10


@dataclass(frozen=True)
class Restored:
    """A home that was restored and verified, and is not confirmed yet. `notes`: what a person should know before confirming."""

    home: Path
    backup: Path
    at: str
    head: ledger.Head
    files: int
    routes: dict[str, str]
    notes: list[str]


def check_backup(source: Path, progress: Progress = lambda text: None) -> tuple[Path, Body]:
    """Read every object that the backup names; `StoreError` naming those that are missing or were altered."""
    path = newest(source)
    body, _ = read_backup(path)
    vault, entries = Vault(path.parent.parent), entries_of(body)
    problems = [f"{_name(entry)} {problem}" for entry in entries if (problem := vault.problem(entry["digest"], entry["bytes"]))]
    if problems:
        raise _refused("the backup is damaged", problems, path)
    progress(f"{path.name}: {len(entries):,} objects, every digest is right")
    return path, body


def restore(settings: Settings, source: Path, home: Path, *, head: Path | None = None, without_lake: bool = False,
            progress: Progress = lambda text: None) -> Restored:
    """Restore the newest backup of a folder (or the one whose manifest is given) into `home`, which must be empty or not there.

    `head`: a ledger head exported elsewhere, against which a ledger written anew shows. `without_lake`: for a backup of manifests only,
    whose lake files are brought by other means. Raises `SettingsError` or `StoreError`; then there is no new home.
    """
    home = home.resolve()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise SettingsError("the home to restore into is not empty: nothing was changed", value=home, allowed="an empty or a new folder")
    path, body = check_backup(source, progress)
    if body["environment"] != settings.environment:
        raise SettingsError("the backup is of another environment: its lake keys begin otherwise", value=settings.environment,
                            allowed=body["environment"], next_step=f"set INTERLOCK_ENVIRONMENT={body['environment']}")
    if not body["lake"]["included"] and not without_lake:
        raise SettingsError("this backup names the lake's files and does not hold them", value=path.name,
                            next_step="restore with --without-lake and bring the lake yourself, or restore a whole backup")
    with _staging(home) as staging:
        found = _restored(settings.model_copy(update={"home": staging}), path, body, head, progress)
        write_durably(staging / "run" / MARKER, json.dumps({"backup": str(path), "at": iso(utc_now()), "seq": found.head.seq}).encode())
        if home.exists():
            home.rmdir()
        staging.rename(home)
        sync_folder(home.parent)
    return Restored(home, path, body["at"], found.head, len(body["files"]) + len(body["lake"]["files"]), found.routes, _notes(body))


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    """An empty folder beside the home, for one restore alone; what is left of it afterwards is removed, as is what a killed one left.

    The lock is on the folder itself and moves with it, so a second restore that opened it just before it became the home is refused too.
    """
    staging = home.with_name(f".{home.name}.restoring")
    staging.mkdir(parents=True, exist_ok=True)
    handle = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(handle), staging.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise SettingsError("another restore into this home is at work: nothing was changed", value=home, next_step="wait for its end")
        _emptied(staging)
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    finally:
        os.close(handle)


def _emptied(folder: Path) -> None:
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


@dataclass(frozen=True)
class _Verified:
    head: ledger.Head
    routes: dict[str, str]


def _restored(settings: Settings, path: Path, body: Body, head: Path | None, progress: Progress) -> _Verified:
    vault, home = Vault(path.parent.parent), settings.home
    for entry in body["files"]:
        _write(vault, entry, home / entry["path"], home)
    lake = lake_from(settings)
    for entry in body["lake"]["files"] if body["lake"]["included"] else []:
        _put(lake, entry["key"], vault.path(entry["digest"]).read_bytes())
    _write(vault, body["store"], home / "store.db", home)
    for folder in {entry.parent for entry in home.rglob("*")}:
        sync_folder(folder)
    progress(f"{len(body['files']):,} files and {len(body['lake']['files']):,} files of the lake written and read again")
    found = _verify(settings, body, head, lake)
    progress(f"ledger: {found.head.seq:,} entries, the chain holds and ends where the backup says")
    if settings.store_url is not None:
        with closing(Store(settings.store_address)) as target:
            load_copy(home / "store.db", target)
        (home / "store.db").unlink()
    return found


def _verify(settings: Settings, body: Body, head: Path | None, lake: Lake) -> _Verified:
    """Ledger against the recorded (and the exported) head; packages of every route; lake files of every snapshot."""
    from interlock.modeling.package import read_package

    recorded = ledger.Head(body["ledger"]["seq"], body["ledger"]["hash"], body["ledger"]["at"])
    exported = None if head is None else ledger.read_head(head)
    if head is not None and exported is None:
        raise StoreError("there is no exported head", value=head)
    with closing(open_copy(settings.home / "store.db")) as store:
        problems = ledger.verify(store, recorded).problems + (ledger.verify(store, exported).problems if exported else [])
        with store.reading() as session:
            last, routes = ledger.head_of(session), all_routes(session)
            problems += _unwitnessed(session, {route.use_case: route for route in routes})
            named = set(keys_named(session)) | set(_captured_keys(body, settings.home))
        if last.seq != recorded.seq:
            problems.append(f"the ledger ends at entry {last.seq}, the backup was made at entry {recorded.seq}")
    for beside in ("-wal", "-shm"):
        settings.home.joinpath(f"store.db{beside}").unlink(missing_ok=True)
    for slot in {slot.digest: slot for route in routes for slot in route.slots()}.values():
        try:
            read_package(settings.home / "packages", slot.digest)
        except InterlockError as error:
            problems.append(f"version {slot.version} of a route: {error.what}")
    problems += [f"{key} is named and not in the backup" for key in sorted(named - {entry["key"] for entry in body["lake"]["files"]})]
    if body["lake"]["included"]:
        problems += [f"{key} is not in the lake" for key in sorted(named) if not lake.exists(key)]
    if problems:
        raise _refused("what was restored is not what was backed up", problems, body["at"])
    answering = {route.use_case: f"version {route.champion.version} {route.champion.digest}" for route in routes if route.champion}
    return _Verified(last, answering)


def _unwitnessed(session: Session, routes: dict[str, Route]) -> list[str]:
    """Routes that are not the last ones that the ledger saw being made: an edited one would put another version before customers."""
    query = select(LedgerEntry.use_case).where(LedgerEntry.kind == ROUTE_CHANGED).distinct()
    names = {*routes, *(str(name) for name in session.scalars(query))}
    return [f"the route of '{name}' is not the one that the ledger tells of" for name in sorted(names)
            if (route := routes.get(name)) is None or _told(session, name) != route]


def _told(session: Session, use_case: str) -> Route | None:
    """The route after its last change in the ledger; None where there is none, or the entry is not what was written."""
    entries = ledger.entries(session, use_case=use_case, kinds=[ROUTE_CHANGED], limit=1)
    try:
        return Route.model_validate(ledger.body_of(entries[0])["after"]) if entries and genuine(entries[0]) else None
    except (ValueError, KeyError):
        return None


def _captured_keys(body: Body, home: Path) -> Iterator[str]:
    for entry in body["files"]:
        if entry["path"].startswith("capture/") and entry["path"].endswith("/compaction.json"):
            yield from (file["key"] for file in json.loads((home / entry["path"]).read_bytes())["files"])


def _write(vault: Vault, entry: dict[str, Any], target: Path, home: Path) -> None:
    """Copy one object to its place and read it back; a path that leads out of the home is a `StoreError`."""
    if not target.resolve().is_relative_to(home.resolve()):
        raise StoreError("a path in the manifest leads out of the home", value=_name(entry))
    if str(entry.get("path", "")).split("/")[0] in LEFT_OUT.keys() - {"capture"}:
        raise StoreError("the manifest names what no backup holds", value=_name(entry), next_step="restore an older backup")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(vault.path(entry["digest"]), target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
        found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    if found != entry["digest"]:
        raise StoreError("a file was not written as it was read", value=_name(entry), next_step="check the disk, then restore again")


def _put(lake: Lake, key: str, data: bytes) -> None:
    """Store a file of the lake under its key, and read it back (the lake verifies it)."""
    _, use_case, kind, _, day, _ = key.split("/")
    made = lake.put(use_case, kind, date.fromisoformat(day.removeprefix("date=")), data)
    if made != key:
        raise StoreError("a file of the lake would lie under another key than before", value=made, allowed=key)
    lake.get(key)


def _notes(body: Body) -> list[str]:
    told = [f"not in the backup: {name} ({why})" for name, why in body["left_out"].items() if why.startswith("secrets")]
    told += [f"{one['use_case']}: {one['actor']} had rolled back on the server ({one['reason']}), and the store had not recorded it: "
             f"the restored route still names the version before. Roll back again after confirming." for one in body["overrides"]]
    made_anew = body.get("made_anew", {})
    keys = made_anew.get("api_keys", 0)
    if keys != 0:
        keys = "an unknown number of" if keys is None else keys
        named = f"{keys} API key{'' if keys == 1 else 's'}"
        told.append(f"not in the backup: {named} of clients that were in force: give them new ones (interlock keys add)")
    told += [f"{name}: the new server does not know yet that versions {', '.join(map(str, versions))} answered here: by number they can be "
             "asked for once they have been live again; `interlock rollback --to-version` works from the ledger"
             for name, versions in made_anew.get("served", {}).items() if versions]
    if not body["lake"]["included"]:
        told.append("the lake's files are not in this backup: bring them before you train, monitor or score")
    return told


def _refused(what: str, problems: list[str], value: object) -> StoreError:
    more = f"; and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
    return StoreError(f"{what}: {'; '.join(problems[:SHOWN])}{more}", value=value, next_step="restore an older backup")


def _name(entry: dict[str, Any]) -> str:
    return str(entry.get("path") or entry.get("key") or "the store")
