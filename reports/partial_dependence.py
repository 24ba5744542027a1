"""Partial dependence and ICE: what the answer would be if one feature had another value and all others stayed as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = NDArray[np.float32]
Score = Callable[[Values], Floats]
FEATURES_MAX, GRID_MAX, ROWS_MAX, LINES_MAX = 6, 20, 200, 20
SUPPORT_MIN = 0.005  # of the rows: a grid cell with fewer is marked as extrapolated


def grid_of(column: Values, *, category: bool) -> Floats:
    """Ascending values to try: quantiles from 5 % to 95 % without repetition (of a category its most frequent codes), at most 20.

    Only values that occur; empty where all are missing. The range follows scikit-learn's `partial_dependence`.
    """
    known = column[np.isfinite(column)]
    if known.size == 0:
        return np.empty(0)
    if category:
        codes, counts = np.unique(known, return_counts=True)
        return np.sort(codes[np.argsort(-counts, kind="stable")[:GRID_MAX]]).astype(np.float64)
    distinct = np.unique(known)
    if distinct.size <= GRID_MAX:
        return distinct.astype(np.float64)
    return np.unique(np.quantile(known, np.linspace(0.05, 0.95, GRID_MAX), method="inverted_cdf")).astype(np.float64)


def partial_dependence(score: Score, values: Values, place: int, grid: Floats) -> Floats:
    """Answers (rows, grid): each row with the feature at `place` set to each grid value; the mean over rows is the partial dependence.

    `score` maps a matrix (n, f) to answers (n,). Source: Friedman 2001, 'Greedy function approximation'; the lines of single rows:
    Goldstein et al. 2015, 'Peeking inside the black box' (ICE). Where features depend on each other, it answers for rows that cannot be.
    """
    tried = np.repeat(values, grid.size, axis=0)
    tried[:, place] = np.tile(grid.astype(np.float32), values.shape[0])
    return np.asarray(score(tried), dtype=np.float64).reshape(values.shape[0], grid.size)


def support_of(column: Values, grid: Floats, *, category: bool) -> list[int]:
    """Rows whose value lies nearest to each grid value (of a category: equals it), missing ones left out."""
    known = column[np.isfinite(column)].astype(np.float64)
    if grid.size == 0:
        return []
    if category:
        return [int((known == value).sum()) for value in grid]
    middles = (grid[1:] + grid[:-1]) / 2
    return [int(count) for count in np.bincount(np.searchsorted(middles, known, side="left"), minlength=grid.size)]


def dependence_curves(score: Score, values: Values, names: list[str], *, order: Sequence[str], categories: Mapping[str, Sequence[str]],
                      seed: int) -> dict[str, Any]:
    """Curves for the `FEATURES_MAX` first features of `order`, on a seeded sample of at most `ROWS_MAX` rows.

    {feature: {"grid", "mean", "lines": at most 20 rows' answers by grid value, "support": rows of all near each grid value,
    "extrapolated": [True where support is under 0.5 % of the rows], "missing": mean answer with the value missing (None: never missing),
    "missing_rows", "categories": names of a category's codes, "rows"}}; answers in the unit of `score`. A feature whose values are all
    missing has an empty grid.
    """
    rows = values.shape[0]
    picked = np.sort(np.random.default_rng(seed).choice(rows, min(rows, ROWS_MAX), replace=False)) if rows else np.empty(0, np.int64)
    sample, found = values[picked], dict[str, Any]()
    for name in list(order)[:FEATURES_MAX] if rows else []:
        place, named = names.index(name), list(categories.get(name, ()))
        column = values[:, place]
        grid = grid_of(column, category=bool(named))
        answers = partial_dependence(score, sample, place, grid) if grid.size else np.empty((sample.shape[0], 0))
        support, gone = support_of(column, grid, category=bool(named)), int(np.isnan(column).sum())
        empty = partial_dependence(score, sample, place, np.array([np.nan])).mean() if gone else None
        found[name] = {
            "grid": [float(f"{value:.6g}") for value in grid], "mean": _rounded(answers.mean(axis=0)) if grid.size else [],
            "lines": [_rounded(line) for line in answers[:LINES_MAX]] if grid.size else [], "support": support,
            "extrapolated": [count < SUPPORT_MIN * rows for count in support], "missing": None if empty is None else round(float(empty), 5),
            "missing_rows": gone, "rows": int(sample.shape[0]),
            "categories": [named[int(value)] for value in grid] if named else []}
    return found


def _rounded(line: Floats) -> list[float]:
    return [float(f"{value:.5g}") for value in line]
