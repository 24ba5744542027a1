"""A short way to the matrix for one or a few ordinary records: ten times faster than the general one, and equal bit for bit.

Anything out of the ordinary (an unseen category, a number beyond float32, a required value that is missing) takes the general way,
`FeatureSpace.encode_records`; a test compares the two on drawn records.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np

from interlock.modeling.features import FeatureSpace, Matrix

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
        return self._space.encode_records(records, event_times)

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
