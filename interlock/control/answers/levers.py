"""What a person can change: the actionable columns of a use case as levers on one encoded row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.features import FeatureSpec, Matrix
from interlock.modeling.package import Package
from interlock.spec.data import Column
from interlock.spec.usecase import UseCase
from reports.counterfactuals import Lever
from reports.reasons import usual_value

if TYPE_CHECKING:
    from reports.profiles import NumericProfile, Profile

OPTIONS_MAX, STEPS = 60, 50  # values tried per column; steps in its range where the column names none


def levers_of(use_case: UseCase, package: Package, profile: Profile, row: Matrix) -> list[Lever]:
    """One lever per feature whose column is declared actionable; `row` (f,) as the model reads it.

    Never a sensitive column, never one that other features are made of (they would have to change with it), never beyond the declared
    bounds or what training rows held. A column without room to change gives a lever without options.
    """
    feeding = {source for made in package.manifest.derived for source in (made.of, made.over, *made.by) if source}
    found = []
    for place, spec in enumerate(package.manifest.features.specs):
        column = use_case.columns.get(spec.name)
        if column is None or column.actionable is False or column.role != "feature" or spec.name in feeding:
            continue
        if spec.kind == "category":
            codes = [code for code, value in enumerate(spec.categories) if code != row[place] and _allowed(column, value)]
            found.append(Lever(spec.name, place, np.array(codes, dtype=np.float64), 1.0))
        elif spec.kind == "boolean":
            found.append(Lever(spec.name, place, np.array([code for code in (0.0, 1.0) if code != row[place]]), 1.0))
        else:
            found.append(_number(spec, place, column, profile, float(row[place])))
    return found


def spelled(package: Package, changes: Mapping[str, tuple[float, float]]) -> dict[str, tuple[Any, Any]]:
    """Values before and after as people write them: categories and booleans in words, numbers as short as 32 bits allow, None: missing."""
    specs = {spec.name: spec for spec in package.manifest.features.specs}

    def written(spec: FeatureSpec, value: float) -> Any:
        if value != value:
            return None
        if spec.kind == "category":
            return spec.categories[int(value)]
        return bool(value) if spec.kind == "boolean" else float(str(np.float32(value)))

    return {name: (written(specs[name], old), written(specs[name], new)) for name, (old, new) in changes.items()}


def median_of(column: NumericProfile) -> float | None:
    """Mean of the bin that holds the middle row: the median up to the width of a bin; None without any finite value."""
    return usual_value(column.counts, column.sums, column.count)


def _allowed(column: Column, value: str) -> bool:
    return column.values is None or value in {str(one) for one in column.values}


def _number(spec: FeatureSpec, place: int, column: Column, profile: Profile, now: float) -> Lever:
    seen = profile.columns.get(spec.name)
    lows = [bound for bound in (column.min, getattr(seen, "minimum", None)) if bound is not None]
    highs = [bound for bound in (column.max, getattr(seen, "maximum", None)) if bound is not None]
    low, high = max(lows, default=0.0), min(highs, default=0.0)
    spread = float(getattr(seen, "std", 0.0)) or 1.0
    if low >= high:
        return Lever(spec.name, place, np.empty(0), spread, 1.0)
    step = column.step or (1.0 if column.type == "integer" else (high - low) / STEPS)
    return Lever(spec.name, place, _options(now, low, high, step, str(column.actionable)), spread, step, low, high)


def _options(now: float, low: float, high: float, step: float, direction: str) -> NDArray[np.float64]:
    """Whole steps away from the present value (from the lower bound where it is missing), the nearest first, at most `OPTIONS_MAX`.

    All within [low, high], also where the present value is not: then the way leads into the bounds.
    """
    if now != now:
        values: NDArray[np.float64] = low + np.arange(int((high - low) / step + 1e-9) + 1, dtype=np.float64) * step
        return values[np.unique(np.linspace(0, values.size - 1, OPTIONS_MAX).round().astype(np.int64))]
    up = np.arange(1, max(int((high - now) / step + 1e-9), 0) + 1) if direction != "decrease" else np.empty(0, np.int64)
    down = np.arange(1, max(int((now - low) / step + 1e-9), 0) + 1) if direction != "increase" else np.empty(0, np.int64)
    values = np.concatenate([now + up * step, now - down * step]).astype(np.float64)
    values = values[(values >= low - 1e-9 * step) & (values <= high + 1e-9 * step)]
    values = values[np.argsort(np.abs(values - now), kind="stable")]
    places = np.unique(np.linspace(0, max(values.size - 1, 0), min(values.size, OPTIONS_MAX)).round().astype(np.int64))
    return values[places]
