"""What the control room's lists need, made ready before anybody looks: what use-case files say, and what their newest windows say."""

from __future__ import annotations

from interlock.control.readmodel.directory import entries
from interlock.control.readmodel.panel import watched
from interlock.records.store import Store
from interlock.settings import Settings


def prepare(settings: Settings, store: Store) -> int:
    """Prepare and store whatever has changed since the last time; how many use cases are ready. Where nothing changed: two queries.

    Nobody depends on it: a page that finds something not prepared makes it itself, and takes longer.
    """
    started = [entry for entry in entries(settings, store, keep=True) if entry.started]
    return len(watched(store, started, keep=True))
