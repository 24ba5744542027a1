"""Columns whose absence tells the outcome: filled in afterwards, and only where something happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State

ROWS_MIN = 200
CLASS_ROWS = 10
Floats = NDArray[np.float64]


def missing_tells(matrix: NDArray[Any], names: Sequence[str], outcomes: Floats, *, classes: int) -> Finding:
    """`leakage.missing_tells`: how well the mere absence of one column's value tells the outcome, the worst column.

    `matrix` (n, f) encoded learned rows, NaN = missing; `outcomes` (n,) 0/1 or places of `classes` classes; `classes` 0: a regression. A
    column that is filled in after the outcome is missing exactly where it did not happen. Value: |share missing among a class -
    share missing among the others|, the largest over classes; regression: R² of the outcome on the indicator. Range [0, 1]; 1 = missing
    tells everything. Fewer than 200 rows, or than 10 of a class: TOO_FEW (of the class: left out). Own rule, measured (docs/gates.md).
    """
    metric, rows = "leakage.missing_tells", int(outcomes.size)
    if matrix.shape != (rows, len(names)):
        raise DataError("matrix, outcomes and names do not fit together", value=f"{matrix.shape}, {rows}, {len(names)} names")
    if rows < ROWS_MIN:
        return Finding(metric=metric, sample_size=rows, needed=ROWS_MIN, state=State.TOO_FEW,
                       note=f"not enough evidence: n = {rows:,}, at least {ROWS_MIN} rows needed")
    gone = np.isnan(matrix)
    sides = [(outcomes == number).astype(np.float64) for number in range(classes)] if classes else [outcomes]
    sides = [side for side in sides if not classes or min(side.sum(), rows - side.sum()) >= CLASS_ROWS]
    if not sides or not len(names):
        return Finding(metric=metric, sample_size=rows, state=State.TOO_FEW, note=f"fewer than {CLASS_ROWS} rows of a class, or no column")
    told = np.array([[_told(gone[:, place], side, binary=bool(classes)) for place in range(len(names))] for side in sides]).max(axis=0)
    worst = int(np.argmax(told))
    if not told[worst] > 0:
        return Finding(metric=metric, value=0.0, sample_size=rows, note="No missing value says anything about the outcome.")
    return Finding(metric=metric, value=float(told[worst]), sample_size=rows, segment=f"column={names[worst]}",
                   note=f"Whether '{names[worst]}' is missing ({int(gone[:, worst].sum()):,} rows) tells the outcome.",
                   detail={"feature": names[worst], "missing": int(gone[:, worst].sum())})


def _told(gone: NDArray[np.bool_], side: Floats, *, binary: bool) -> float:
    if not gone.any() or gone.all():
        return 0.0
    if binary:
        return float(abs(gone[side == 1].mean() - gone[side == 0].mean()))
    if np.ptp(side) == 0:
        return 0.0
    return float(np.corrcoef(gone.astype(np.float64), side)[0, 1] ** 2)
