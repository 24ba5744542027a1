"""Features: one path from raw values to the model's matrix, for training frames and for served requests.

    training frame  ─┐
                     ├─ raw columns → _numbers / _codes / calendar_part → float32 matrix
    request records ─┘

Both faces end in the same three functions on the same NumPy types, so the matrices are equal bit for bit. This module is
imported by the prediction server: no polars, pandas, scikit-learn or XGBoost at import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from interlock.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from interlock.spec.usecase import UseCase

Kind = Literal["numeric", "boolean", "category", "calendar"]
Matrix = NDArray[np.float32]
Values = Sequence[Any] | NDArray[Any]
CATEGORIES_MAX = 1_000  # the most frequent are kept; a rarer value is treated like an unseen one
KINDS: dict[str, Kind] = {"integer": "numeric", "float": "numeric", "boolean": "boolean", "category": "category", "text": "category"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000
NUMBER_TYPES = {int, float, type(None), np.float64, np.float32, np.int64}


class FeatureSpec(BaseModel):
    """One column of the matrix. Categories are coded by their place in `categories`; other kinds have none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Source column, or the part of the event time for a calendar feature.")
    kind: Kind
    categories: list[str] = Field(default_factory=list)
    required: bool = Field(default=False, description="A missing value is flagged `missing:<name>`.")


class FeatureSpace(BaseModel):
    """The features of one model, in matrix order. Fitted on training rows only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    specs: list[FeatureSpec]

    @classmethod
    def fit(cls, use_case: UseCase, frame: pl.DataFrame) -> FeatureSpace:
        """Learn the categories from training rows. A column that is not there, or of another type than number, boolean or text, is a
        `DataError`."""
        specs = []
        for name, column in use_case.model_columns.items():
            if name not in frame.columns:
                raise DataError(f"the rows have no column '{name}'", value=name, next_step="compute derived features first: with_derived")
            if column.type not in KINDS:
                raise DataError(f"column '{name}' of type {column.type} cannot be a feature", value=column.type,
                                allowed=", ".join(KINDS), next_step='give it role = "ignore", or use [features] calendar')
            kind = KINDS[column.type]
            categories = _frequent(frame[name]) if kind == "category" else []
            specs.append(FeatureSpec(name=name, kind=kind, categories=categories, required=not column.missing))
        return cls(specs=specs + [FeatureSpec(name=part, kind="calendar") for part in use_case.features.calendar])

    @property
    def names(self) -> list[str]:
        """Matrix columns; calendar features are named `event_time.<part>`."""
        return [f"event_time.{spec.name}" if spec.kind == "calendar" else spec.name for spec in self.specs]

    @property
    def input_names(self) -> list[str]:
        """Fields a request carries for the model (calendar features come from the event time)."""
        return [spec.name for spec in self.specs if spec.kind != "calendar"]

    @property
    def feature_types(self) -> list[str]:
        """XGBoost's types: `c` for categories, `q` for quantities."""
        return ["c" if spec.kind == "category" else "q" for spec in self.specs]

    @property
    def uses_event_time(self) -> bool:
        return any(spec.kind == "calendar" for spec in self.specs)

    @cached_property
    def _codes_by_name(self) -> dict[str, dict[str, float]]:
        return {spec.name: {value: float(code) for code, value in enumerate(spec.categories)}
                for spec in self.specs if spec.kind == "category"}

    def encode_frame(self, frame: pl.DataFrame) -> Matrix:
        """Matrix (rows × features, float32, NaN = missing or unseen) of a snapshot frame with `_event_time`."""
        import polars as pl

        matrix = np.empty((frame.height, len(self.specs)), dtype=np.float32)
        micros = frame["_event_time"].dt.epoch("us").to_numpy() if self.uses_event_time else np.empty(0, dtype=np.int64)
        for place, spec in enumerate(self.specs):
            if spec.kind == "calendar":
                matrix[:, place] = calendar_part(micros, spec.name)
            elif spec.kind == "category":
                known = pl.Enum(spec.categories)
                codes = frame[spec.name].cast(pl.String).cast(known, strict=False).to_physical().cast(pl.Float64)
                matrix[:, place] = codes.fill_null(float("nan")).to_numpy()
            else:
                matrix[:, place] = _finite(frame[spec.name].cast(pl.Float64).fill_null(float("nan")).to_numpy())
        return matrix

    def encode_columns(self, columns: Mapping[str, Values], rows: int,
                       event_times: Sequence[datetime]) -> tuple[Matrix, list[list[str]]]:
        """Matrix and flags of values by column: `None`, NaN and an absent column mean missing.

        Flags per row: `unseen:<col>` (category not met in training), `infinite:<col>` (number without a finite float32),
        `missing:<col>` (missing where the use case does not allow it). A value of the wrong type is a `DataError` naming the column.
        """
        matrix = np.full((rows, len(self.specs)), np.nan, dtype=np.float32)
        flags: list[list[str]] = [[] for _ in range(rows)]
        micros = np.fromiter(map(epoch_micros, event_times), dtype=np.int64, count=rows) if self.uses_event_time else None
        for place, spec in enumerate(self.specs):
            if spec.kind == "calendar":
                matrix[:, place] = calendar_part(micros, spec.name)  # type: ignore[arg-type]
                continue
            values = columns.get(spec.name)
            if values is not None:
                matrix[:, place] = self._encode(spec, values, flags)
            if spec.required:
                _flag(flags, np.isnan(matrix[:, place]), f"missing:{spec.name}", unless=spec.name)
        return matrix, flags

    def encode_records(self, records: Sequence[Mapping[str, Any]], event_times: Sequence[datetime]) -> tuple[Matrix, list[list[str]]]:
        """Like `encode_columns`, from one mapping per row."""
        columns = {name: [record.get(name) for record in records] for name in self.input_names}
        return self.encode_columns(columns, len(records), event_times)

    def _encode(self, spec: FeatureSpec, values: Values, flags: list[list[str]]) -> NDArray[np.float64]:
        if spec.kind == "category":
            known = self._codes_by_name[spec.name]
            codes = np.array([_code(spec.name, known, value) for value in values], dtype=np.float64)
            _flag(flags, codes < 0, f"unseen:{spec.name}")
            return np.where(codes < 0, np.nan, codes)
        numbers = _numbers(spec, values)
        finite = _finite(numbers)
        _flag(flags, np.isnan(finite) & ~np.isnan(numbers), f"infinite:{spec.name}")
        return finite


def _frequent(column: pl.Series) -> list[str]:
    """The values in alphabetical order; beyond `CATEGORIES_MAX` only the most frequent (ties: alphabetical)."""
    import polars as pl

    counts = column.cast(pl.String).drop_nulls().value_counts(name="n").sort(["n", column.name], descending=[True, False])
    return sorted(counts[column.name].head(CATEGORIES_MAX).to_list())


def _numbers(spec: FeatureSpec, values: Values) -> NDArray[np.float64]:
    """Float64 values; texts are refused even where they look like numbers, booleans only where the feature is one."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        numbers = values.astype(np.float64)
    else:
        allowed = NUMBER_TYPES | {bool, np.bool_} if spec.kind == "boolean" else NUMBER_TYPES
        wrong = next((value for value in values if type(value) not in allowed), None)
        if wrong is not None:
            raise _mistyped(spec.name, wrong, "true, false or null" if spec.kind == "boolean" else "a JSON number or null")
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # an integer beyond float64
            numbers = np.array([_big(value) for value in values], dtype=np.float64)
    if spec.kind == "boolean":
        odd = numbers[~(np.isnan(numbers) | (numbers == 0) | (numbers == 1))]
        if odd.size:
            raise _mistyped(spec.name, float(odd[0]), "true, false or null")
    return numbers


def _big(value: Any) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("inf")


def _finite(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where the value has no finite float32 (XGBoost refuses infinities)."""
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = numbers.astype(np.float32)
    return np.where(np.isfinite(narrow), numbers, np.nan)


def _code(name: str, known: dict[str, float], value: Any) -> float:
    """Category code; -1 unseen, NaN missing. Integers and booleans count as their text, as in the snapshot."""
    if type(value) is str:
        return known.get(value, -1.0)
    if value is None or (isinstance(value, (float, np.floating)) and value != value):
        return float("nan")
    if isinstance(value, (bool, np.bool_)):
        return known.get("true" if value else "false", -1.0)
    if isinstance(value, (int, np.integer, str)):
        return known.get(str(value), -1.0)
    raise _mistyped(name, value, "a JSON string or null")


def _mistyped(name: str, value: object, allowed: str) -> DataError:
    return DataError(f"feature '{name}' has a value of the wrong type", value=f"{value!r} ({type(value).__name__})", allowed=allowed,
                     next_step="send the value in the type that the model's metadata names")


def _flag(flags: list[list[str]], where: NDArray[np.bool_], text: str, unless: str = "") -> None:
    """Add the text to the rows; `unless` a row already says why the column of that name is empty."""
    for row in np.flatnonzero(where):
        if not unless or not {f"unseen:{unless}", f"infinite:{unless}"} & set(flags[row]):
            flags[row].append(text)


def epoch_micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly; a time without a zone is a `DataError`."""
    if moment.tzinfo is None:
        raise DataError("event time without a zone", value=moment, allowed="a time with a zone, for example 2013-05-04T14:03:00Z")
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def calendar_part(micros: NDArray[np.int64], part: str) -> NDArray[np.float64]:
    """Part of the event time in UTC: hour 0–23, weekday 0–6 (Monday = 0), month 1–12, day_of_year 1–366, minute_of_day 0–1439."""
    return _PARTS[part](micros).astype(np.float64)


def _month(micros: NDArray[np.int64]) -> NDArray[np.int64]:
    return micros.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def _day_of_year(micros: NDArray[np.int64]) -> NDArray[np.int64]:
    days = micros.astype("datetime64[us]").astype("datetime64[D]")
    january = days.astype("datetime64[Y]").astype("datetime64[D]")
    return np.subtract(days.astype(np.int64), january.astype(np.int64)) + 1


_PARTS: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
    "hour": lambda micros: micros // HOUR_US % 24,
    "weekday": lambda micros: (micros // DAY_US + 3) % 7,  # 1 January 1970 was a Thursday
    "month": _month,
    "day_of_year": _day_of_year,
    "minute_of_day": lambda micros: micros // MINUTE_US % 1_440,
}
