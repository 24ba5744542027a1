"""API keys of the predictions port: added, rotated, revoked, each in the ledger without the secret. The server follows within 0.3 s.

A key counts once it is in the ledger; a revocation counts at once, also while the store is down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from interlock.control.access.people import Person, name_of, require
from interlock.control.access.run_lock import one_change_at_a_time
from interlock.errors import DecisionRefused, SettingsError, StoreError, Unavailable
from interlock.records import ledger
from interlock.records.store import Store, utc_now
from interlock.serving.keys import ALL, KEYS_MAX, Key, new_secret, read_keys, write_keys
from interlock.settings import Settings

OVERLAP_S = 3_600.0


@dataclass(frozen=True)
class Issued:
    """A new key. `secret` is the whole key, shown once and kept nowhere."""

    key: Key
    secret: str


def add_key(settings: Settings, store: Store, *, actor: str | Person, reason: str, client: str, use_cases: list[str],
            days: float | None = None, requests_per_s: float | None = None, clock: Callable[[], datetime] = utc_now) -> Issued:
    """Make a key for a client. Raises `DecisionRefused` (role, reason), `SettingsError` (too many keys, wrong values)."""
    standing, actor, now = require(settings, actor, "change keys", reason), name_of(actor), clock()
    with one_change_at_a_time(settings, "keys") as run:
        keys = _read(run)
        issued = _issue(client=client, use_cases=sorted(set(use_cases)), created_at=now, requests_per_s=requests_per_s,
                        expires_at=None if days is None else now + timedelta(days=days))
        _record(store, "key.added", issued.key, actor, reason, standing, now)
        _write(run, [*keys, issued.key], now)
    return issued


def rotate_key(settings: Settings, store: Store, *, actor: str | Person, reason: str, key_id: str, overlap_s: float = OVERLAP_S,
               clock: Callable[[], datetime] = utc_now) -> Issued:
    """Make a key like this one; the old one goes on for `overlap_s` seconds, so that its client has time to change over."""
    standing, actor, now = require(settings, actor, "change keys", reason), name_of(actor), clock()
    with one_change_at_a_time(settings, "keys") as run:
        keys = _read(run)
        old = _find(keys, key_id)
        if old.state(now) != "valid":
            raise DecisionRefused(f"this key is {old.state(now)}: it has nothing to hand on", value=key_id, next_step="interlock keys add")
        issued = _issue(client=old.client, use_cases=old.use_cases, created_at=now, requests_per_s=old.requests_per_s,
                        expires_at=None if old.expires_at is None else now + (old.expires_at - old.created_at))
        until = now + timedelta(seconds=overlap_s)
        ending = old.model_copy(update={"expires_at": min(until, old.expires_at or until)})
        _record(store, "key.rotated", issued.key, actor, reason, standing, now, replaces=old.id, old_until=ending.expires_at)
        _write(run, [*(ending if key.id == old.id else key for key in keys), issued.key], now)
    return issued


def revoke_key(settings: Settings, store: Store, *, actor: str | Person, reason: str, key_id: str,
               clock: Callable[[], datetime] = utc_now) -> tuple[Key, list[str]]:
    """End a key now; the key, and warnings where the store could not write it down. Safe to repeat: then the ledger gets it."""
    standing, actor, now = require(settings, actor, "change keys", reason), name_of(actor), clock()
    with one_change_at_a_time(settings, "keys") as run:
        keys = _read(run)
        old = _find(keys, key_id)
        gone = old.model_copy(update={"revoked_at": old.revoked_at or now})
        _write(run, [gone if key.id == old.id else key for key in keys], now)
    try:
        _record(store, "key.revoked", gone, actor, reason, standing, now)
    except (Unavailable, StoreError, SQLAlchemyError) as error:
        return gone, [f"the key is revoked, but not in the ledger: {error}".partition("\n")[0] + "; revoke it again when the store is back"]
    return gone, []


def list_keys(settings: Settings) -> list[Key]:
    """All keys, the newest first; hashes only. Raises `StoreError` when the file is damaged."""
    return sorted(_read(settings.folder("run")), key=lambda key: key.created_at, reverse=True)


def _issue(**fields: Any) -> Issued:
    key_id, secret, hash_ = new_secret()
    try:
        return Issued(Key(id=key_id, hash=hash_, **fields), secret)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"a key cannot have this {first['loc'][0]}: {first['msg']}", value=first["input"]) from error


def _record(store: Store, kind: str, key: Key, actor: str, reason: str, standing: dict[str, Any], now: datetime, **more: Any) -> None:
    until = "" if key.expires_at is None else f" until {key.expires_at:%Y-%m-%d %H:%M}Z"
    place = f" in place of {more['replaces']}" if "replaces" in more else ""
    said = f"{actor}: {kind.removeprefix('key.')} key {key.id}{place} of {key.client} for {', '.join(key.use_cases)}{until} ({reason})"
    body = {"actor": actor, "reason": reason, "standing": standing, "sentence": said, **key.model_dump(exclude={"hash"}), **more}
    with store.writing() as session:
        ledger.append(session, kind, body, None if ALL in key.use_cases or len(key.use_cases) > 1 else key.use_cases[0], at=now)


def _find(keys: list[Key], key_id: str) -> Key:
    for key in keys:
        if key.id == key_id:
            return key
    raise SettingsError("there is no such key", value=key_id, allowed=", ".join(key.id for key in keys[:20]) or "none yet",
                        next_step="interlock keys list")


def _read(run: Path) -> list[Key]:
    try:
        return read_keys(run)
    except (ValidationError, OSError) as error:
        raise StoreError("the keys cannot be read: nobody is let in until they can", value=str(run / "keys.json"),
                         next_step="restore the file from a backup, or remove it and add keys anew") from error


def _write(run: Path, keys: list[Key], now: datetime) -> None:
    """Write them; keys that ended over 90 days ago go: the ledger remembers them."""
    old = now - timedelta(days=90)
    kept = [key for key in keys if min(key.revoked_at or now, key.expires_at or now) > old]
    if len(kept) > KEYS_MAX:
        raise SettingsError("there are too many keys", value=len(kept), allowed=f"{KEYS_MAX}", next_step="revoke those that nobody uses")
    try:
        write_keys(run, kept)
    except OSError as error:
        raise Unavailable("the keys cannot be written, nothing was changed in the server", value=error) from error
