"""Dependence: how a feature's contribution moves with its value, coloured by the feature that it interacts with most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.intervals import midranks

Floats = NDArray[np.float64]
FEATURES_MAX, POINTS_MAX, CATEGORIES_MAX, SHADES_MAX = 6, 150, 12, 12


def dependence_figure(contributions: Floats, values: Floats, names: list[str], *, order: Sequence[str], partner: Mapping[str, str],
                      categories: Mapping[str, Sequence[str]], seed: int) -> dict[str, Any]:
    """Points for the `FEATURES_MAX` first features of `order`: {feature: {"points", "with", "categories", "missing"}}.

    `contributions` (n, f + 1) in margin (one output), `values` (n, f) as the model reads them, NaN = missing. `points`: at most
    `POINTS_MAX` of [value (of a category its number in `categories`), contribution, place of the partner's value among all 0 to 1, None:
    missing]; `with`: the partner, None where none is known; `at`: each point's place in the sample, which `dependence_shades`
    shares; `missing`: [rows without a value in the sample, their mean contribution].
    """
    picked = _picked(contributions.shape[0], seed)
    found: dict[str, Any] = {}
    for name in list(order)[:FEATURES_MAX]:
        place, other = names.index(name), partner.get(name)
        own = values[picked, place]
        colour = _places(values[picked, names.index(other)]) if other is not None else [None] * picked.size
        shap = contributions[picked, place]
        points = [[_short(value), round(float(effect), 5), shade] for value, effect, shade in zip(own, shap, colour, strict=True)
                  if value == value]
        gone = np.isnan(values[:, place])
        mean = round(float(contributions[gone, place].mean()), 5) if gone.any() else None
        found[name] = {"points": points, "at": np.flatnonzero(own == own).tolist(), "with": other,
                       "categories": list(categories.get(name, ()))[:200], "missing": [int(gone.sum()), mean]}
    return found


def dependence_shades(values: Floats, names: list[str], *, order: Sequence[str], seed: int) -> dict[str, list[float | None]]:
    """Colours to choose from: for the `SHADES_MAX` first features of `order` the place (0 to 1) of each sampled row's value among all of
    the sample, None where it is missing. The sample is that of `dependence_figure` with the same seed and rows."""
    picked = _picked(values.shape[0], seed)
    return {name: _places(values[picked, names.index(name)]) for name in list(order)[:SHADES_MAX]}


def _picked(rows: int, seed: int) -> NDArray[np.int64]:
    if not rows:
        return np.empty(0, np.int64)
    return np.sort(np.random.default_rng(seed).choice(rows, min(rows, POINTS_MAX), replace=False)).astype(np.int64)


def _places(values: Floats) -> list[float | None]:
    known = np.isfinite(values)
    place = np.full(values.size, np.nan)
    place[known] = (midranks(values[known]) - 1) / max(int(known.sum()) - 1, 1)
    return [round(float(one), 3) if one == one else None for one in place]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
