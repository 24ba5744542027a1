"""What the server adds to a record before it is scored: values looked up in feature views, then features computed from the rest."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import StoreError
from interlock.modeling.features import epoch_micros
from interlock.modeling.formulas import formula_of_record, formula_values
from interlock.modeling.inputs import accepted_fields, looked_up
from interlock.modeling.package import Manifest, ViewInput
from interlock.records.online import OnlineTable, entity_key, read_table, table_path

if TYPE_CHECKING:
    from interlock.serving.columns import Columns

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
        self.looked_up = frozenset(looked_up(manifest))
        kinds = accepted_fields(manifest)
        self.by_column = all(kinds.get(str(name), "numeric") in ("numeric", "boolean")  # what is computed must be made of numbers
                             for feature in self._formulas for name in (feature.of, feature.over))
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
            flags += _about(wanted, said)
        for feature in self._formulas:
            values.update(formula_of_record(feature, values, micros))
        return flags

    def complete_columns(self, columns: Columns) -> list[list[str]] | None:
        """As `complete` for every row of checked columns, to which the features are added; flags by row, None where no row has one."""
        values, numbers, rows = columns.values, columns.numbers, len(columns.ids)
        micros = [epoch_micros(columns.event_times[0])] * rows if columns.one_time else list(map(epoch_micros, columns.event_times))
        flags: list[list[str]] | None = None
        for view in self._views:
            wanted = {f"{view.view}.{name}": name for name in view.features if f"{view.view}.{name}" not in values}
            if wanted:
                said = self._look_up_all(view, wanted, columns, micros)
                flags = said if flags is None else flags if said is None else [a + b for a, b in zip(flags, said, strict=True)]
        moments = np.array(micros, dtype=np.int64)
        for feature in self._formulas:
            made = formula_values(feature, lambda name: numbers[name] if name in numbers else np.full(rows, np.nan), moments)
            for name, column in made.items():
                numbers[name], values[name] = column, _with_nulls(column)
        return flags

    def _look_up_all(self, view: ViewInput, wanted: dict[str, str], columns: Columns, micros: list[int]) -> list[list[str]] | None:
        """Add the view's columns; all rows are looked up in one table."""
        values, numbers, rows, table = columns.values, columns.numbers, len(micros), self._tables.get(view.view)
        if table is None or table.head.definition != view.definition:
            values.update({output: [None] * rows for output in wanted})
            numbers.update({output: np.full(rows, np.nan) for output in wanted})
            return [[f"{NO_TABLE if table is None else OTHER_TABLE}:{view.view}"] for _ in range(rows)]
        parts = [values.get(name, [None] * rows) for name in view.entity]
        entities = map(entity_key, zip(*parts, strict=True))
        looked = list(map(table.look_up, entities, micros))
        for output, name in wanted.items():
            values[output] = [found.get(name) for found, _ in looked]
            numbers[output] = np.array(values[output], dtype=np.float64)
        if not any(said for _, said in looked):
            return None
        return [_about(wanted, said) for _, said in looked]


def _about(wanted: dict[str, str], said: list[str]) -> list[str]:
    """The table's flags, without those on features that nobody wants."""
    return [flag for flag in said if not flag.startswith("stale:") or flag.removeprefix("stale:") in wanted]


def _with_nulls(column: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]
