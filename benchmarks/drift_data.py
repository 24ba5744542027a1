"""The rows of benchmark P1, and the exact distances that both sides are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROWS = 1_000_000
LEVELS = (2, 5, 10, 40, 100, 200, 1_000, 5_000)
KINDS: dict[str, Any] = {**{f"n{number}": "numeric" for number in range(12)}, **{f"c{number}": "category" for number in range(len(LEVELS))}}


def make_frame(*, seed: int, shift: float, rows: int = ROWS) -> pl.DataFrame:
    """Made-up rows of the shapes that tables have; `shift` moves every column a little."""
    draw = np.random.default_rng(seed)
    shapes = (lambda: draw.normal(shift, 1, rows), lambda: draw.lognormal(0, 1 + shift, rows), lambda: draw.exponential(1 + shift, rows),
              lambda: draw.integers(0, 60, rows) + float(round(10 * shift)),
              lambda: np.where(draw.random(rows) < 0.8 - shift, 0.0, draw.gamma(2, 3, rows)), lambda: draw.uniform(0, 1 + shift, rows) ** 3)
    columns: dict[str, Any] = {}
    for number in range(12):
        values = shapes[number % len(shapes)]()
        missing = draw.random(rows) < (0.05 if number >= len(shapes) else 0.0)
        columns[f"n{number}"] = pl.Series(values).set(pl.Series(missing), None)
    for number, levels in enumerate(LEVELS):
        weights = 1 / np.arange(1, levels + 1) ** (1 + shift)
        texts = np.array([f"level_{place}" for place in range(levels)])
        columns[f"c{number}"] = texts[draw.choice(levels, rows, p=weights / weights.sum())]
    return pl.DataFrame(columns)


def peak_mb() -> float:
    """Largest resident memory of this process, in megabytes (`ru_maxrss` would count the parent's at the time of the fork)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def agreement(baseline: pl.DataFrame, current: pl.DataFrame, profile: Any, found: list[list[Any]]) -> dict[str, float]:
    """Largest difference over the columns: PSI, JS and TV from the exact counts of the same groups (SciPy, NumPy), KS and Wasserstein (in
    standard deviations) from SciPy on all rows."""
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import ks_2samp, wasserstein_distance

    ours = {(segment.removeprefix("column="), metric.removeprefix("drift.")): value for segment, metric, value in found}
    worst = dict.fromkeys(("psi", "js", "tv", "ks", "wasserstein"), 0.0)

    def note(name: str, column: str, exact: float) -> None:
        worst[name] = max(worst[name], abs(ours[column, name] - exact))

    for column, kind in KINDS.items():
        p, q = (_shares(frame[column].drop_nulls(), profile.columns[column], kind) for frame in (baseline, current))
        floors = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
        note("psi", column, float(np.sum((floors[1] - floors[0]) * np.log(floors[1] / floors[0]))))
        note("js", column, float(jensenshannon(p, q, base=2)))
        note("tv", column, float(np.abs(p - q).sum() / 2))
        if kind == "numeric":
            sides = [frame[column].drop_nulls().to_numpy() for frame in (baseline, current)]
            note("ks", column, float(ks_2samp(*sides).statistic))
            note("wasserstein", column, float(wasserstein_distance(*sides) / sides[0].std()))
    return worst


def _shares(series: pl.Series, column: Any, kind: str) -> np.ndarray:
    """Exact shares of the groups, counted from the rows by another way than ours."""
    from reports.drift_columns import grouped

    if kind != "numeric":
        listed = [int((series == value).sum()) for value in column.categories]
        return np.array([*listed, series.len() - sum(listed)]) / series.len()
    cuts = [column.edges[run[0] - 1] for run in grouped(column)[1:]]
    return np.bincount(np.digitize(series.to_numpy(), cuts), minlength=len(cuts) + 1) / series.len()
