"""`[[features.derived]]` as columns of a snapshot frame: before the split, and never from a value that the row could not have known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError, did_you_mean
from interlock.modeling.formulas import formula_values
from interlock.modeling.history import History, history_values
from interlock.spec.derived import LABEL, Derived
from interlock.spec.usecase import UseCase

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def with_derived(use_case: UseCase, frame: pl.DataFrame, derived: Sequence[Derived] | None = None) -> pl.DataFrame:
    """The frame with one Float64 column per derived feature (null = missing), in the order of the file; rows stay as they are.

    The frame is a snapshot: `_event_time`, `_seen_time`, `_label`, `_label_seen_time`; rows of one instant in source order. A lag or
    rolling value is made of values with an earlier event that had been seen by the row's event time; a missing value is no value.
    `derived` stands in for those of the use case (a champion's). Raises `DataError` where a column is not there.
    """
    moments = frame["_event_time"].dt.epoch("us").to_numpy()
    for feature in use_case.features.derived if derived is None else derived:
        if feature.from_history:
            made = {feature.name: _from_history(use_case, feature, frame, moments)}
        else:
            made = formula_values(feature, _reader(feature, frame), moments)
        frame = frame.with_columns(pl.Series(name, values, dtype=pl.Float64).fill_nan(None) for name, values in made.items())
    return frame


def with_formulas(derived: Sequence[Derived], captured: pl.DataFrame) -> pl.DataFrame:
    """Captured requests with the ratios, differences and cyclic features that they do not carry and that can be made of what they carry.

    A candidate may compute what the champion that answered did not. Values that are no numbers count as missing.
    """
    moments = captured["_event_time"].dt.epoch("us").to_numpy()
    for feature in derived:
        needed = [name for name in (feature.of, feature.over) if name is not None]
        if feature.from_history or feature.outputs[0] in captured.columns or not set(needed) <= set(captured.columns):
            continue
        values = {name: captured[name].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy() for name in needed}
        finite = {name: np.where(np.isfinite(column), column, np.nan) for name, column in values.items()}
        made = formula_values(feature, finite.__getitem__, moments)
        captured = captured.with_columns(pl.Series(name, column, dtype=pl.Float64).fill_nan(None) for name, column in made.items())
    return captured


def history_of(use_case: UseCase, feature: Derived, frame: pl.DataFrame, entity: Ints) -> tuple[History, Floats]:
    """What the feature may look at, by entity code (rows,), and the rows' own values."""
    values = column_numbers(feature.name, frame, feature.of) if feature.of else np.ones(frame.height)
    event = frame["_event_time"].dt.epoch("us").to_numpy()
    return History.of(entity, event, seen_moments(use_case, frame, feature.of), values), values


def seen_moments(use_case: UseCase, frame: pl.DataFrame, column: str | None) -> Ints:
    """When each row's value of the column was seen (µs): labels and `later` columns when the outcome was known, others with the row."""
    late = column == LABEL or (column in use_case.columns and use_case.columns[str(column)].role in {"target", "later"})
    seen = pl.coalesce(pl.col("_label_seen_time"), pl.col("_event_time") + use_case.label_delay) if late else pl.col("_seen_time")
    return frame.select(seen.dt.epoch("us")).to_series().to_numpy()


def entity_codes(frame: pl.DataFrame, columns: Sequence[str]) -> Ints:
    """A code per combination of values, from 0; -1 where one of them is missing. No columns: all rows are one entity."""
    if not columns:
        return np.zeros(frame.height, dtype=np.int64)
    return key_codes(entity_keys(frame, columns))


def entity_keys(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """One text per row that names its entity; null where a part is missing. A server makes the same text (`views.entity_key`)."""
    return frame.select(pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator="\x1f").alias("_entity")).to_series()


def key_codes(keys: pl.Series) -> Ints:
    """Texts as codes in the order of the texts; null is -1."""
    return keys.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1


def column_numbers(feature: str, frame: pl.DataFrame, name: str) -> Floats:
    """The column as float64; missing and infinite values are NaN."""
    if name not in frame.columns:
        raise DataError(f"feature '{feature}' is made of a column that the rows do not have", value=name,
                        allowed=", ".join(column for column in frame.columns if not column.startswith("_")),
                        next_step=did_you_mean(name, frame.columns))
    try:
        values = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    except pl.exceptions.InvalidOperationError as error:
        raise DataError(f"feature '{feature}' needs numbers", value=f"{name}: {frame.schema[name]}",
                        allowed="numbers or booleans") from error
    return np.where(np.isfinite(values), values, np.nan)


def _reader(feature: Derived, frame: pl.DataFrame) -> Callable[[str], Floats]:
    return lambda name: column_numbers(feature.name, frame, name)


def _from_history(use_case: UseCase, feature: Derived, frame: pl.DataFrame, moments: Ints) -> Floats:
    entity = entity_codes(frame, feature.by)
    history, own = history_of(use_case, feature, frame, entity)
    return history_values(feature, history, entity, moments, own if feature.include_self else None)
