"""Features made of a row's own values: ratio, difference, sine and cosine of the calendar. For training frames and for requests alike.

Imported by the prediction server: NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.features import calendar_part
from interlock.spec.derived import Derived

Floats = NDArray[np.float64]
PERIODS = {"hour": 24.0, "weekday": 7.0, "month": 12.0, "day_of_year": 365.25, "minute_of_day": 1_440.0}
FIRST = {"month": 1, "day_of_year": 1}  # the others count from 0


def formula_values(feature: Derived, columns: Callable[[str], Floats], micros: NDArray[np.int64]) -> dict[str, Floats]:
    """Columns that a ratio, difference or cyclic feature makes, float64, NaN = missing.

    ratio: of / over, missing where `over` is 0. difference: of - over. Both are missing where a part is missing or the result is not
    finite. cyclic: sine and cosine of 2π (part - first) / period, from a table, so that every caller gets the same bits.
    """
    if feature.kind == "cyclic":
        part = str(feature.part)
        places = calendar_part(micros, part).astype(np.int64) - FIRST.get(part, 0)
        return {f"{feature.name}_{name}": table[places] for name, table in WAVES[part].items()}
    left, right = columns(str(feature.of)), columns(str(feature.over))
    with np.errstate(all="ignore"):
        found = left / right if feature.kind == "ratio" else left - right
    return {feature.name: np.where(np.isfinite(found), found, np.nan)}


def formula_of_record(feature: Derived, values: Mapping[str, float | None], micros: int) -> dict[str, float | None]:
    """The same for one record, None = missing; equal to `formula_values` bit for bit."""
    def column(name: str) -> Floats:
        return np.array([_finite(values.get(name))], dtype=np.float64)

    found = formula_values(feature, column, np.array([micros], dtype=np.int64))
    return {name: None if math.isnan(value[0]) else float(value[0]) for name, value in found.items()}


def _finite(value: float | None) -> float:
    """The value as a float, NaN where it is missing or beyond float64."""
    try:
        found = math.nan if value is None else float(value)
    except OverflowError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def _waves(part: str, period: float) -> dict[str, Floats]:
    angles = [2 * math.pi * place / period for place in range(math.ceil(period))]
    return {"sin": np.array([math.sin(angle) for angle in angles]), "cos": np.array([math.cos(angle) for angle in angles])}


WAVES = {part: _waves(part, period) for part, period in PERIODS.items()}
