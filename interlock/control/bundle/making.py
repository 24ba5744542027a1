"""Make a bundle: gather, list with digests, sign, write the archive, say in the ledger who made it, and only then put it in place.

Killed at any moment, there is no archive under its name that the ledger does not tell of; an entry without its archive may be left.
"""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import select

from interlock.control.access.people import Person, name_of, require
from interlock.control.bundle.contents import Gathering
from interlock.control.bundle.period import Period
from interlock.control.bundle.signing import fingerprint, public_pem, signing_key
from interlock.control.readmodel.directory import entries
from interlock.errors import DataError, StoreError
from interlock.records import ledger
from interlock.records.segments import sync_folder
from interlock.records.store import Store, utc_now
from interlock.records.tables import LedgerEntry
from interlock.rules.canonical import canonical, digest_bytes, iso
from interlock.settings import Settings

FORMAT = 1
MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "signature.bin", "public_key.pem"
KEY_KIND, MADE_KIND = "bundle.key", "bundle.made"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes: times of files say nothing here


@dataclass(frozen=True)
class Made:
    """A bundle on disk. `missing`: what belongs to the period and is not in it, with the reason."""

    path: Path
    digest: str
    bytes: int
    files: int
    fingerprint: str
    ledger_seq: int
    missing: tuple[str, ...]


def make_bundle(settings: Settings, store: Store, *, actor: str | Person, reason: str, since: datetime, until: datetime,
                use_case: str | None = None, path: Path | None = None, clock: Callable[[], datetime] = utc_now) -> Made:
    """Write the signed archive of a period (from `since` to before `until`) to `path`, by default under `<home>/bundles`.

    Raises `DecisionRefused` (role, reason), `DataError` (empty period, unknown use case), `SettingsError` (signing key), `StoreError`
    (cannot be written). Nothing that goes wrong leaves half a file under the final name.
    """
    standing, actor = require(settings, actor, "export bundle", reason), name_of(actor)
    period, now = Period(since, until, use_case), clock()
    known = [entry.name for entry in entries(settings, store)]
    if use_case is not None and use_case not in known:
        raise DataError("there is no such use case", value=use_case, allowed=", ".join(known) or "none yet")
    key = signing_key(settings)
    pem = public_pem(key)
    _tell_key(store, pem)
    gathering = Gathering(settings, store, period, known if use_case is None else [use_case])
    target = path or settings.home.resolve() / "bundles" / f"interlock-{use_case or 'all'}-{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}.zip"
    head = {"format": FORMAT, "interlock": version("interlock-control"), "made_at": now, "made_by": name_of(actor), "reason": reason,
            "since": since, "until": until, "use_cases": gathering.names, "whole_installation": use_case is None}
    part = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        files = _write(part, gathering, head, key.sign, pem)
        digest, size = digest_bytes(part.read_bytes()), part.stat().st_size
        with store.writing() as session:
            entry = ledger.append(session, MADE_KIND, {
                "actor": name_of(actor), "reason": reason, "standing": standing, "since": iso(since), "until": iso(until),
                "file": target.name, "digest": digest, "key": fingerprint(pem), "missing": len(gathering.missing)}, use_case, at=now)
            seq = entry.seq
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"the bundle cannot be written: {error.strerror}", value=target,
                         next_step="free space, or give another --out") from error
    finally:
        part.unlink(missing_ok=True)
    return Made(target, digest, size, files, fingerprint(pem), seq, tuple(gathering.missing))


def _tell_key(store: Store, pem: bytes) -> None:
    """The public key stands in the ledger before its first signature."""
    mark = fingerprint(pem)
    with store.writing() as session:
        told = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == KEY_KIND))
        if all(ledger.body_of(entry).get("fingerprint") != mark for entry in told):
            ledger.append(session, KEY_KIND, {"fingerprint": mark, "public_key": pem.decode(), "algorithm": "Ed25519"})


def _write(part: Path, gathering: Gathering, head: dict[str, object], sign: Callable[[bytes], bytes], pem: bytes) -> int:
    """Write the archive and sync it; the answer is the number of files in it. Raises OSError."""
    listed: dict[str, dict[str, object]] = {}
    part.parent.mkdir(parents=True, exist_ok=True)
    _sweep(part)
    with part.open("wb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in gathering.files():
                listed[name] = {"digest": digest_bytes(data), "bytes": len(data)}
                _add(archive, name, data)
            manifest = canonical(head | {"files": listed, "missing": gathering.missing})
            for name, data in ((MANIFEST, manifest), (SIGNATURE, sign(manifest)), (PUBLIC_KEY, pem)):
                _add(archive, name, data)
        file.flush()
        os.fsync(file.fileno())
    return len(listed) + 3


def _sweep(part: Path) -> None:
    """What processes that died left half made of this archive: nobody was told of it, so nobody may find it."""
    for left in part.parent.glob(f"{escape(part.stem)}.*"):
        pid = left.suffix[1:].partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            left.unlink(missing_ok=True)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    archive.writestr(info, data)
