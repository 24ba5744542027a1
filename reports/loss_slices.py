"""Slices of rows to look at for mistakes: quarters of the strongest numbers, common values of the strongest categories, missing ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
FEATURES_MAX, CATEGORIES_MAX, PARTS = 8, 8, 4


def slices_of(values: Floats, names: list[str], *, order: Sequence[str], categories: Mapping[str, Sequence[str]]) -> dict[str, Flags]:
    """{"age: 21 to 34": mask (n,)} for the `FEATURES_MAX` first features of `order`; `values` (n, f) as the model reads them.

    Numbers are cut at their quartiles (at their values where there are at most 8), categories give their 8 most frequent values, and
    missing values a slice of their own. Slices may be empty of rows or hold nearly all: whoever judges them asks for enough.
    """
    found: dict[str, Flags] = {}
    for name in list(order)[:FEATURES_MAX]:
        column = values[:, names.index(name)]
        known, gone = column[np.isfinite(column)], np.isnan(column)
        if gone.any():
            found[f"{name}: missing"] = gone
        if known.size == 0:
            continue
        if name in categories:
            codes, counts = np.unique(known, return_counts=True)
            for code in np.sort(codes[np.argsort(-counts, kind="stable")[:CATEGORIES_MAX]]):
                found[f"{name}: {categories[name][int(code)]}"] = column == code
        else:
            found |= _parts(name, column, known)
    return found


def _parts(name: str, column: Floats, known: Floats) -> dict[str, Flags]:
    distinct = np.unique(known)
    if distinct.size <= CATEGORIES_MAX:
        return {f"{name}: {value:.6g}": column == value for value in distinct}
    edges = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1), method="inverted_cdf"))
    found = {}
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (column >= low) & ((column <= high) if high == edges[-1] else (column < high))
        found[f"{name}: {low:.6g} to {high:.6g}"] = inside
    return found
