"""Which values of unique columns have occurred before: exact, and with memory that does not grow with the rows.

Whole numbers are kept as they are, other values by a 64-bit hash that is confirmed by the value itself. The keys lie in sorted runs;
beyond `KEYS_IN_MEMORY` they go to files in a temporary folder, as do the values that confirm a hash.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

KEYS_IN_MEMORY = 2_000_000  # per column, 8 bytes each
KEYS_PER_READ = 262_144  # of a run on disk


class Seen:
    """The values that each unique column has had. Use as a context: leaving it removes its files."""

    def __init__(self, folder: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=folder, prefix="unique-")
        self._columns: dict[str, _Column] = {}

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._folder.cleanup()

    def known(self, values: pl.Series) -> pl.Series:
        """Which of the values (n,) occurred in earlier calls of `add` under the series' name; missing ones never did."""
        return self._column(values).known(values)

    def add(self, values: pl.Series) -> None:
        """Remember the values; missing ones are passed over."""
        self._column(values).add(values.drop_nulls().unique())

    def _column(self, values: pl.Series) -> _Column:
        if values.name not in self._columns:
            folder = Path(self._folder.name) / str(len(self._columns))
            folder.mkdir()
            self._columns[values.name] = _Column(folder, exact=values.dtype.is_integer())
        return self._columns[values.name]


@dataclass
class _Run:
    """Sorted keys on disk; `fences` are every `KEYS_PER_READ`-th of them, and the last."""

    path: Path
    size: int
    fences: list[int]

    def holds(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the sorted keys are in the run; only the parts that can hold one are read."""
        import numpy as np

        found = np.zeros(len(keys), dtype=bool)
        for part in range(len(self.fences) - 1):
            low, high = np.searchsorted(keys, self.fences[part], "left"), np.searchsorted(keys, self.fences[part + 1], "right")
            if low < high:
                held = np.fromfile(self.path, dtype=np.int64, count=KEYS_PER_READ, offset=8 * part * KEYS_PER_READ)
                found[low:high] |= _held(held, keys[low:high])
        return found


@dataclass
class _Column:
    folder: Path
    exact: bool
    runs: list[NDArray[np.int64]] = field(default_factory=list)
    stored: list[_Run] = field(default_factory=list)
    values: list[Path] = field(default_factory=list)

    def known(self, values: pl.Series) -> pl.Series:
        import numpy as np
        import polars as pl

        keys = self._keys(values)
        usable = values.is_not_null().to_numpy()
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        hit = np.zeros(len(keys), dtype=bool)
        for run in self.runs:
            hit |= _held(run, ordered)
        for stored in self.stored:
            hit |= stored.holds(ordered)
        found = np.zeros(len(keys), dtype=bool)
        found[order] = hit
        mask = pl.Series(values.name, found & usable)
        return mask if self.exact or not mask.any() else self._confirmed(values, mask)

    def add(self, values: pl.Series) -> None:
        import numpy as np

        if values.is_empty():
            return
        self.runs.append(np.sort(self._keys(values)))
        while len(self.runs) > 1 and len(self.runs[-2]) <= 2 * len(self.runs[-1]):
            last, before = self.runs.pop(), self.runs.pop()
            self.runs.append(np.sort(np.concatenate((before, last)), kind="stable"))
        if sum(map(len, self.runs)) > KEYS_IN_MEMORY:
            self._store()
        if not self.exact:
            path = self.folder / f"values-{len(self.values)}.arrow"
            values.rename("value").to_frame().write_ipc(path)
            self.values.append(path)

    def _store(self) -> None:
        import numpy as np

        keys = np.sort(np.concatenate(self.runs), kind="stable")
        path = self.folder / f"keys-{len(self.stored)}"
        keys.tofile(path)
        self.stored.append(_Run(path, len(keys), [*keys[::KEYS_PER_READ].tolist(), int(keys[-1])]))
        self.runs = []

    def _keys(self, values: pl.Series) -> NDArray[np.int64]:
        import numpy as np
        import polars as pl

        if self.exact:
            return values.cast(pl.Int64).fill_null(0).to_numpy()
        return values.hash(seed=1).to_numpy().view(np.int64)

    def _confirmed(self, values: pl.Series, mask: pl.Series) -> pl.Series:
        """The mask without values whose hash only looks the same."""
        import polars as pl

        asked = values.filter(mask).unique().implode()
        met = [pl.read_ipc(path)["value"] for path in self.values]
        same = pl.concat([part.filter(part.is_in(asked)) for part in met])
        return mask & values.is_in(same.implode()).fill_null(False)


def _held(run: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the sorted keys are in the sorted run."""
    import numpy as np

    if not len(run) or not len(keys) or keys[-1] < run[0] or keys[0] > run[-1]:
        return np.zeros(len(keys), dtype=bool)
    places = np.searchsorted(run, keys)
    found: NDArray[np.bool_] = run[np.minimum(places, len(run) - 1)] == keys
    return found
