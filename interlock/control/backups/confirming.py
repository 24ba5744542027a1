"""A restored home does nothing by itself until a person says so: two installations with one history would both decide and alert."""

from __future__ import annotations

import json
from typing import Any

from interlock.control.access.people import Person, name_of, require
from interlock.errors import SettingsError, StaleState
from interlock.records import ledger
from interlock.records.segments import sync_folder
from interlock.records.store import Store
from interlock.settings import Settings

KIND = "restore.confirmed"
MARKER = "restored.json"  # in `run/` of a restored home until a person confirms it


def unconfirmed(settings: Settings) -> dict[str, Any] | None:
    """What this home was restored from, where nobody confirmed it yet."""
    path = settings.home.resolve() / "run" / MARKER
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {"backup": "a backup that cannot be told any more: the marker is damaged", "at": "", "seq": 0}
    return found


def require_confirmed(settings: Settings) -> None:
    """Raise `SettingsError` in a home that was restored and not confirmed."""
    found = unconfirmed(settings)
    if found is not None:
        raise SettingsError("this home was restored from a backup, and nobody confirmed that it should work", value=found["backup"],
                            next_step="make sure that the installation it is a copy of has stopped, then: interlock confirm-restore")


def confirm(settings: Settings, store: Store, *, actor: str | Person, reason: str) -> int:
    """Let the restored home work: written to the ledger, then the mark goes; the entry's number. Asking twice gives one entry.

    Raises `StaleState` where nothing waits to be confirmed.
    """
    right, actor = require(settings, actor, "confirm restore", reason), name_of(actor)
    found = unconfirmed(settings)
    if found is None:
        raise StaleState("this home waits for no confirmation", value=settings.home.resolve())
    body = {"sentence": f"{actor} lets the installation restored from {found['backup']} work: {reason}", "actor": actor, "reason": reason,
            "backup": found["backup"], "restored_at": found["at"], "seq": found["seq"], **right}
    with store.writing() as session:
        known = [entry for entry in ledger.entries(session, kinds=[KIND], limit=1)
                 if ledger.body_of(entry)["restored_at"] == found["at"]]
        seq = known[0].seq if known else ledger.append(session, KIND, body).seq
    path = settings.home.resolve() / "run" / MARKER
    path.unlink()
    sync_folder(path.parent)
    return seq
