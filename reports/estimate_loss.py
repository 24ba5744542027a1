"""Performance of a regression without labels: a second, small model of the first one's error (direct loss estimation)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.intervals import NORMAL_95, Interval
from reports.measured import measured

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Fitted = Callable[[Matrix], Floats]
Fit = Callable[[Matrix, Floats], Fitted]

ROWS_MIN = 200
UNIT = "units of the target"


@dataclass(frozen=True)
class Level:
    """How the model of one loss did on rows it had not learned from: `scale` makes its mean right, `spread` is the standard deviation
    of loss - estimate per row, `rows` how many rows say so."""

    scale: float
    spread: float
    rows: int


def examine(matrix: Matrix, loss: Floats, fit: Fit, *, seed: int = 2013) -> Level:
    """Fit on one half, examine on the other, both ways round.

    `matrix` (n, features), the model's inputs and its answer; `loss` (n,) of each row, ≥ 0; `fit(matrix, loss)` returns what estimates
    losses. Raises `DataError` with fewer than 200 rows or a loss that is missing or infinite.
    """
    if loss.size < ROWS_MIN or matrix.shape[0] != loss.size:
        raise DataError("too few held-out rows to learn the error from", value=f"{loss.size:,}", allowed=f"at least {ROWS_MIN}")
    if not np.isfinite(loss).all():
        raise DataError("a loss is missing or infinite", next_step="leave rows without a label out first")
    half = np.zeros(loss.size, dtype=np.bool_)
    half[np.random.default_rng(seed).permutation(loss.size)[:loss.size // 2]] = True
    told = np.empty(loss.size)
    told[~half] = np.maximum(fit(matrix[half], loss[half])(matrix[~half]), 0.0)
    told[half] = np.maximum(fit(matrix[~half], loss[~half])(matrix[half]), 0.0)
    mean = float(told.mean())
    scale = float(loss.mean()) / mean if mean > 0 else 1.0
    return Level(scale, float((loss - told * scale).std(ddof=1)), loss.size)


def loss_findings(absolute: Floats, squared: Floats, levels: tuple[Level, Level], *, rows_min: int = 50) -> list[Finding]:
    """`performance.estimated_mae` and `performance.estimated_rmse` of rows without a label, in the unit of the target.

    `absolute`, `squared` (n,): estimated |error| and error² per row; `levels`: how those estimates did on held-out rows. mae = mean
    estimate x scale; rmse = its root for squares. Interval: normal, spread x sqrt(1 / n + 1 / reference rows), the luck of these rows and
    of the reference; for rmse through the root. Assumes that errors depend on the inputs as they did (no concept drift) and that inputs
    like these occurred. Source: NannyML's direct loss estimation (DLE, 2022). Fewer than `rows_min` rows: TOO_FEW.
    """
    names = "performance.estimated_rmse", "performance.estimated_mae"
    rows = int(absolute.size)
    if rows < rows_min:
        note = f"not enough evidence: n = {rows:,}, at least {rows_min:,} needed"
        return [Finding(metric=name, unit=UNIT, sample_size=rows, needed=rows_min, state=State.TOO_FEW, note=note) for name in names]
    mae, mse = (_mean(told, level) for told, level in zip((absolute, squared), levels, strict=True))
    rmse = Interval(*[float(np.sqrt(max(end, 0.0))) for end in (mse.value, mse.low, mse.high)])
    note = f"Estimated from {rows:,} answers without labels; holds only while errors depend on the inputs as they did on held-out rows."
    detail = {"reference_rows": levels[0].rows, "method": "DLE"}
    return [measured(name, found, sample_size=rows, unit=UNIT, note=note, detail=detail)
            for name, found in zip(names, (rmse, Interval(mae.value, max(mae.low, 0.0), mae.high)), strict=True)]


def _mean(told: Floats, level: Level) -> Interval:
    value = float(np.maximum(told, 0.0).mean()) * level.scale
    half = NORMAL_95 * level.spread * float(np.sqrt(1 / told.size + 1 / level.rows))
    return Interval(value, value - half, value + half)
