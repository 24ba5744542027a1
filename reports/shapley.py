"""Shapley values of an XGBoost booster: many rows fast, every row checked against the margin, failing rows computed again by the reference.

Two kinds, never mixed. *Path-dependent*: a feature that is left out follows the training rows that passed each node; XGBoost's own
`pred_contribs` and the reference here. *Interventional*: it is replaced by the value of a background row, averaged over a background.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from reports.shapley_trees import Forest, read_forest

Floats = NDArray[np.float64]
Values = NDArray[np.float32]
Engine = Literal["auto", "woodelf", "xgboost"]
BREAK_EVEN_ROWS = 2_000  # measured: `pred_contribs` is as fast below 950 rows (45 leaves a tree) to 4,000 rows (5 leaves a tree)
DEPTH_MAX = 10           # tables grow with 2 to the depth; deeper trees go to XGBoost
TOLERANCE = 1e-3         # of |sum - margin| / max(1, |margin|); a sum of 32-bit numbers is off by about 1e-5
PROBES = 32              # rows compared with XGBoost feature by feature, because sums cannot tell swapped features


@dataclass(frozen=True)
class Shapley:
    """Contributions (n, f + 1), the bias last, or (n, outputs, f + 1); margins (n,) or (n, outputs); and how they were made.

    `kind` path-dependent or interventional. `engine` woodelf or xgboost. `recomputed`: rows that failed the check and were computed
    again by the reference. `probed`: rows compared feature by feature, `probe_gap` the largest difference found there, in margin.
    `worst`: largest |sum - margin| / max(1, |margin|) that is left.
    """

    contributions: Floats = field(repr=False)
    margins: Floats = field(repr=False)
    kind: Literal["path-dependent", "interventional"]
    engine: Literal["woodelf", "xgboost"]
    recomputed: int = 0
    probed: int = 0
    probe_gap: float = 0.0
    background_rows: int = 0

    @property
    def worst(self) -> float:
        return float(gaps(self.contributions, self.margins).max(initial=0.0))

    def as_figure(self) -> dict[str, Any]:
        """How these values were made, as plain JSON."""
        return {"kind": self.kind, "engine": self.engine, "recomputed": self.recomputed, "probed": self.probed,
                "probe_gap": self.probe_gap, "background_rows": self.background_rows}


def gaps(contributions: Floats, margins: Floats) -> Floats:
    """|sum of the contributions - margin| / max(1, |margin|) per row (the worst class counts), shape (n,)."""
    apart = np.abs(contributions.sum(axis=-1) - margins) / np.maximum(np.abs(margins), 1.0)
    return np.asarray(apart.reshape(apart.shape[0], -1).max(axis=1, initial=0.0), dtype=np.float64)


def explain_rows(booster: Any, values: Values, types: list[str], *, threads: int = 2, seed: int = 0, engine: Engine = "auto") -> Shapley:
    """Path-dependent Shapley values of `values` (n, f) float32, NaN = missing; `types` XGBoost's feature types (`q`, `c`).

    auto: `pred_contribs` below `BREAK_EVEN_ROWS` rows, else WOODELF with the checks that the module names; where a probe row differs by
    more than `TOLERANCE`, where the trees are deeper than `DEPTH_MAX` or of a kind not read here, XGBoost computes all rows. Same input,
    same bytes. No row gives empty arrays. Raises `DataError` where rows and booster do not fit.
    """
    _check(booster, values, types)
    if values.shape[0] == 0:
        return _nothing(booster, "path-dependent")
    forest = _usable(booster) if engine == "woodelf" or (engine == "auto" and values.shape[0] >= BREAK_EVEN_ROWS) else None
    margins = _predict(booster, values, types, threads, output_margin=True)
    if forest is None:
        return Shapley(_contributions(booster, values, types, threads), margins, "path-dependent", "xgboost")
    from reports.shapley_groups import grouped_values

    probes = np.sort(np.random.default_rng(seed).choice(values.shape[0], min(PROBES, values.shape[0]), replace=False))
    exact = _contributions(booster, values[probes], types, threads)
    found = np.concatenate([grouped_values(forest, values), np.broadcast_to(exact[:1, ..., -1:], (*margins.shape, 1))], axis=-1)
    scale = np.maximum(np.abs(margins[probes]), 1.0)[..., None]
    apart = float((np.abs(found[probes] - exact) / scale).max())
    if not apart <= TOLERANCE:  # also where it is no number
        return Shapley(_contributions(booster, values, types, threads), margins, "path-dependent", "xgboost", values.shape[0],
                       probes.size, apart)
    failing = np.flatnonzero(~(gaps(found, margins) <= TOLERANCE))
    if failing.size:
        found[failing] = _contributions(booster, values[failing], types, threads)
    return Shapley(found, margins, "path-dependent", "woodelf", failing.size, probes.size, apart)


def explain_against(booster: Any, values: Values, background: Values, types: list[str], *, threads: int = 2) -> Shapley:
    """Interventional Shapley values of `values` (n, f) against `background` (m, f); the bias is the mean margin of the background.

    Every row is checked; failing rows are computed again from the definition (`shapley_exact`). Raises `DataError` where shapes do not
    fit, the background is empty, or the booster is of a kind that is not read here (then only the path-dependent kind is available).
    """
    _check(booster, values, types)
    _check(booster, background, types)
    forest = _usable(booster)
    if forest is None or background.shape[0] == 0:
        raise DataError("interventional Shapley values cannot be computed", value=f"{background.shape[0]} background rows",
                        allowed=f"at least 1 background row, trees of at most {DEPTH_MAX} levels", next_step="use the path-dependent kind")
    if values.shape[0] == 0:
        return _nothing(booster, "interventional")
    margins = _predict(booster, values, types, threads, output_margin=True)
    bias = _predict(booster, background, types, threads, output_margin=True).mean(axis=0)
    ends = np.broadcast_to(np.asarray(bias)[..., None], (*margins.shape, 1))
    if forest.splits == 0:
        zeros = np.zeros((*margins.shape, values.shape[1]))
        return Shapley(np.concatenate([zeros, ends], axis=-1), margins, "interventional", "woodelf", background_rows=background.shape[0])
    from reports.shapley_exact import exact_values
    from reports.shapley_groups import grouped_values

    found = np.concatenate([grouped_values(forest, values, background), ends], axis=-1)
    failing = np.flatnonzero(~(gaps(found, margins) <= TOLERANCE))
    for row in failing:
        found[row, ..., :-1] = exact_values(forest, values[row:row + 1], background)[0]
    return Shapley(found, margins, "interventional", "woodelf", failing.size, background_rows=background.shape[0])


def leaf_rows(booster: Any) -> int:
    """Leaves of the booster, by which the cost of explaining grows; 0 for a kind that is not read here."""
    forest = read_forest(booster)
    return 0 if forest is None else forest.leaf_count


def _usable(booster: Any) -> Forest | None:
    """The forest where WOODELF can serve; one without splits only says so to `explain_against`."""
    forest = read_forest(booster)
    return forest if forest is not None and forest.depth <= DEPTH_MAX else None


def _nothing(booster: Any, kind: Literal["path-dependent", "interventional"]) -> Shapley:
    """Empty arrays of the right shape: XGBoost has no answer for no rows."""
    forest = read_forest(booster)
    shape = (0,) if forest is None or forest.outputs == 1 else (0, forest.outputs)
    return Shapley(np.empty((*shape, booster.num_features() + 1)), np.empty(shape), kind, "xgboost")


def _check(booster: Any, values: Values, types: list[str]) -> None:
    if values.ndim != 2 or values.shape[1] != booster.num_features() or len(types) != values.shape[1]:
        raise DataError("rows and booster do not fit together", value=f"{values.shape}, {len(types)} types",
                        allowed=f"(n, {booster.num_features()})")


def _predict(booster: Any, values: Values, types: list[str], threads: int, **what: bool) -> Floats:
    import xgboost

    names = booster.feature_names
    matrix = xgboost.DMatrix(np.asarray(values, dtype=np.float32), feature_names=names, feature_types=types, enable_categorical=True,
                             nthread=threads)
    return np.asarray(booster.predict(matrix, **what), dtype=np.float64)


def _contributions(booster: Any, values: Values, types: list[str], threads: int) -> Floats:
    return _predict(booster, values, types, threads, pred_contribs=True)
