"""Short ways to the matrix for ordinary records, row by row for a few and column by column for many: faster than the general one, and
equal bit for bit.

Anything out of the ordinary (an unseen category, a number beyond float32, a required value that is missing) takes the general way,
`FeatureSpace.encode_records`; a test compares the two on drawn records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.features import FeatureSpace, Matrix
from interlock.serving.domain import spelled

ROWS_MAX = 16
FLOAT32_MAX = float(np.finfo(np.float32).max)
NAN = float("nan")
_PARTS: dict[str, Callable[[datetime], int]] = {
    "hour": lambda moment: moment.hour, "weekday": lambda moment: moment.weekday(), "month": lambda moment: moment.month,
    "day_of_year": lambda moment: moment.timetuple().tm_yday, "minute_of_day": lambda moment: moment.hour * 60 + moment.minute}


class Encoder:
    """The feature space of one loaded model, laid out for speed."""

    def __init__(self, space: FeatureSpace) -> None:
        self._space = space
        self._plan = [(spec.name, spec.kind, {value: float(code) for code, value in enumerate(spec.categories)}, spec.required)
                      for spec in space.specs]

    def encode(self, records: list[dict[str, Any]], event_times: list[datetime]) -> tuple[Matrix, list[list[str]]]:
        """Matrix and flags. `event_times` must be in UTC. Raises DataError for a value of the wrong type."""
        if len(records) <= ROWS_MAX:
            cells: list[float] = []
            if all(self._row(record, moment, cells) for record, moment in zip(records, event_times, strict=True)):
                matrix = np.array(cells, dtype=np.float64).astype(np.float32).reshape(len(records), len(self._plan))
                return matrix, [[] for _ in records]
        elif (columns := self._columns(records, event_times)) is not None:
            return columns, [[] for _ in records]
        return self._space.encode_records(records, event_times)

    def encode_columns(self, values: Mapping[str, Sequence[Any]], numbers: Mapping[str, NDArray[np.float64]],
                       event_times: list[datetime]) -> tuple[Matrix, list[list[str]] | None]:
        """Matrix and flags (None: no row has any) of checked values by column; `numbers` holds the numeric and boolean ones among them."""
        matrix = np.empty((len(event_times), len(self._plan)), dtype=np.float32)
        for place, (name, kind, codes, required) in enumerate(self._plan):
            if kind == "calendar":
                part = _PARTS[name]
                matrix[:, place] = [part(moment) for moment in event_times]
                continue
            given = values.get(name)
            if given is None or (required and None in given):
                return self._space.encode_columns(values, len(event_times), event_times)
            column = _fit(numbers[name]) if name in numbers else _codes_of(given, codes)
            if column is None:
                return self._space.encode_columns(values, len(event_times), event_times)
            matrix[:, place] = column
        return matrix, None

    def _columns(self, records: list[dict[str, Any]], event_times: list[datetime]) -> Matrix | None:
        """The matrix of a batch, column by column; None when one of its rows is not an ordinary one."""
        matrix = np.empty((len(records), len(self._plan)), dtype=np.float32)
        for place, (name, kind, codes, required) in enumerate(self._plan):
            if kind == "calendar":
                part = _PARTS[name]
                matrix[:, place] = [part(moment) for moment in event_times]
                continue
            values = [record.get(name) for record in records]
            found = set(map(type, values))
            if NoneType in found and required:
                return None
            column = _codes(values, codes) if kind == "category" else _numbers(values, found, kind)
            if column is None:
                return None
            matrix[:, place] = column
        return matrix

    def _row(self, record: dict[str, Any], moment: datetime, cells: list[float]) -> bool:
        """Add the row's cells; False when it is not an ordinary one."""
        for name, kind, codes, required in self._plan:
            if kind == "calendar":
                cells.append(_PARTS[name](moment))
                continue
            value = record.get(name)
            if value is None:
                if required:
                    return False
                cells.append(NAN)
            elif kind == "category":
                code = codes.get(value) if type(value) is str else None
                if code is None:
                    return False
                cells.append(code)
            elif type(value) in ((bool,) if kind == "boolean" else (float, int)) and -FLOAT32_MAX <= value <= FLOAT32_MAX:
                cells.append(float(value))
            else:
                return False
        return True


def _codes_of(values: Sequence[Any], codes: dict[str, float]) -> list[float] | None:
    """Codes of a column of categories, NaN where missing; None when one is not known."""
    plain = list(map(codes.get, values))
    if None not in plain:  # known texts alone, as nearly always
        return plain  # type: ignore[return-value]
    found = [codes.get(value) if type(value) is str else NAN if value is None else codes.get(spelled(value)) for value in values]
    return None if None in found else found  # type: ignore[return-value]


def _fit(column: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The column where every number has a finite float32 (NaN says missing)."""
    return None if np.any(np.abs(column) > FLOAT32_MAX) else column


def _codes(values: list[Any], codes: dict[str, float]) -> list[float] | None:
    """Codes of a column of categories, NaN where missing; None when a value is not a known text."""
    if not all(value is None or type(value) is str for value in values):
        return None
    found = [NAN if value is None else codes.get(value) for value in values]
    return None if None in found else found  # type: ignore[return-value]


def _numbers(values: list[Any], types: set[type], kind: str) -> NDArray[np.float64] | None:
    """A column of numbers or booleans, NaN where missing; None when a value is of another type or beyond float32."""
    if not types <= ({bool, NoneType} if kind == "boolean" else {float, int, NoneType}):
        return None
    try:
        column = np.array([NAN if value is None else value for value in values] if NoneType in types else values, dtype=np.float64)
    except OverflowError:
        return None
    ordinary = int(np.count_nonzero(np.abs(column) <= FLOAT32_MAX))  # NaN is not
    return column if ordinary + (values.count(None) if NoneType in types else 0) == len(values) else None
