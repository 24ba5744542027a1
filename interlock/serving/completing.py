"""What the server adds to a record before it is scored: values looked up in feature views, then features computed from the rest."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from interlock.errors import StoreError
from interlock.modeling.features import epoch_micros
from interlock.modeling.formulas import formula_of_record
from interlock.modeling.package import Manifest
from interlock.records.online import OnlineTable, entity_key, read_table, table_path

log = logging.getLogger("interlock.serving")
LOOK_S = 0.25  # a newer table is looked for this often
NO_TABLE, OTHER_TABLE = "no_table", "other_table"


class Tables:
    """The online tables of this process. A newer file is read in a thread; until then the one before answers."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._tables: dict[str, OnlineTable] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._looked: dict[str, float] = {}
        self._reading: set[str] = set()

    def open(self, view: str) -> None:
        """Read the view's table now, if there is one; when a model that needs it is loaded."""
        self._looked[view] = time.monotonic()
        stamp = self._stamp(view)
        if stamp is not None and stamp != self._stamps.get(view):
            self._read(view, stamp)

    def get(self, view: str) -> OnlineTable | None:
        """The table that answers now; None where there is none yet."""
        now = time.monotonic()
        if now - self._looked.get(view, 0.0) >= LOOK_S and view not in self._reading:
            self._looked[view] = now
            stamp = self._stamp(view)
            if stamp is not None and stamp != self._stamps.get(view):
                self._reading.add(view)
                threading.Thread(target=self._read, args=(view, stamp), name=f"table {view}", daemon=True).start()
        return self._tables.get(view)

    def _stamp(self, view: str) -> tuple[int, int] | None:
        try:
            found = table_path(self._home, view).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _read(self, view: str, stamp: tuple[int, int]) -> None:
        try:
            self._tables[view] = read_table(table_path(self._home, view))
        except (StoreError, OSError) as error:
            log.error("the online table of %s cannot be read, the one before goes on: %s", view, error)
        finally:
            self._stamps[view] = stamp
            self._reading.discard(view)


class Completion:
    """Completes the records of one model."""

    def __init__(self, manifest: Manifest, tables: Tables) -> None:
        self._tables = tables
        self._views = manifest.views
        self._formulas = [feature for feature in manifest.derived if not feature.from_history]
        self.needed = bool(self._views or self._formulas)
        for view in self._views:
            tables.open(view.view)

    def complete(self, values: dict[str, Any], event_time: datetime) -> list[str]:
        """Add the missing features to the values; flags say why a looked-up one is missing. A field that is there is not looked up."""
        micros = epoch_micros(event_time)
        flags: list[str] = []
        for view in self._views:
            wanted = {f"{view.view}.{name}": name for name in view.features if f"{view.view}.{name}" not in values}
            if not wanted:
                continue
            table = self._tables.get(view.view)
            if table is None or table.head.definition != view.definition:
                flags.append(f"{NO_TABLE if table is None else OTHER_TABLE}:{view.view}")
                values.update(dict.fromkeys(wanted))
                continue
            found, said = table.look_up(entity_key([values.get(name) for name in view.entity]), micros)
            values.update({output: found.get(name) for output, name in wanted.items()})
            flags += [flag for flag in said if not flag.startswith("stale:") or flag.removeprefix("stale:") in wanted]
        for feature in self._formulas:
            values.update(formula_of_record(feature, values, micros))
        return flags
