"""Columns against what the use case promises, and columns that say nothing: constant, copied, of mixed kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from interlock.rules.findings import Finding, State
from interlock.spec.data import Column
from reports.quality_shares import share_finding

SHOWN = 20
TEXTS = (pl.String, pl.Categorical, pl.Enum)


def promise_findings(frame: pl.DataFrame, columns: Mapping[str, Column], types: Mapping[str, pl.DataType]) -> list[Finding]:
    """`quality.schema`, `quality.out_of_range`, `quality.repeated_ids`: what the use case promises of its columns, checked on the rows.

    `frame`: the n rows of the snapshot; `types`: column → type that rows of this use case have. schema = number of declared columns that
    are absent, of another type, or hold a value outside their declared limits (`min`, `max`, `values`); 0 = as promised. out_of_range:
    one finding per such column (`column=<name>`) with the share of its n values outside, Wilson's interval; infinite counts as
    outside, missing does not; the promise of no missing value (`missing = false`) counts here too. repeated_ids: per column of role
    identifier, or declared unique, the share of its values that repeat an earlier one. No row: TOO_FEW.
    """
    if frame.height == 0:
        return [Finding(metric="quality.schema", state=State.TOO_FEW, needed=1, unit="columns", note="no row to look at")]
    lacking = [name for name in columns if name not in frame.columns]
    typed = {name: f"{frame.schema[name]} instead of {types[name]}" for name in columns
             if name in frame.columns and not _same_type(frame.schema[name], types[name])}
    sound = [name for name in columns if name not in lacking and name not in typed]
    outside = [finding for name in sound if (finding := _outside(frame[name], columns[name])) is not None]
    wrong = [*lacking, *typed, *(finding.segment.removeprefix("column=") for finding in outside)]
    said = [f"absent: {', '.join(lacking)}"] if lacking else []
    said += [f"of another type: {', '.join(f'{name} ({why})' for name, why in typed.items())}"] if typed else []
    said += [f"outside their limits: {', '.join(finding.segment.removeprefix('column=') for finding in outside)}"] if outside else []
    note = f"Columns {'; '.join(said)}." if said else ""
    schema = Finding(metric="quality.schema", value=float(len(wrong)), sample_size=frame.height, unit="columns", note=note,
                     detail={"absent": lacking, "types": typed, "outside": wrong[len(lacking) + len(typed):]})
    ids = [name for name in sound if columns[name].role == "identifier" or columns[name].unique]
    return [schema, *outside, *(_repeated(frame[name]) for name in ids)]


def idle_findings(frame: pl.DataFrame, features: Sequence[str]) -> list[Finding]:
    """`quality.constant_columns`, `quality.duplicated_columns`, `quality.idle_features`: features that say nothing (new).

    `frame`: the n learned rows; `features`: source columns of the model. A column is constant with at most one value, missing counting as
    one; it is duplicated where an earlier feature holds exactly the same values in every row. idle_features = constant + duplicated, in
    columns; 0 = every feature can say something of its own. Below 2 rows: TOO_FEW. Constant columns are not compared with each other.
    """
    known = [name for name in features if name in frame.columns]
    if frame.height < 2:
        return [Finding(metric="quality.idle_features", sample_size=frame.height, needed=2, unit="columns", state=State.TOO_FEW,
                        note="fewer than 2 rows: nothing can vary")]
    constant = [name for name in known if _plain(frame[name]).n_unique() < 2]
    copies = _copies(frame, [name for name in known if name not in constant])
    empty = [name for name in constant if _plain(frame[name]).null_count() == frame.height]
    named = [f"{name} (no value at all)" if name in empty else name for name in constant]
    parts = [f"Constant: {', '.join(named[:SHOWN])}."] if constant else []
    parts += [f"The same as another: {', '.join(f'{copy} = {first}' for copy, first in list(copies.items())[:SHOWN])}."] if copies else []
    given: dict[str, Any] = {"sample_size": frame.height, "unit": "columns"}
    return [
        Finding(metric="quality.constant_columns", value=float(len(constant)), detail={"columns": constant, "empty": empty},
                note=parts[0] if constant else "", **given),
        Finding(metric="quality.duplicated_columns", value=float(len(copies)), detail={"copies": copies},
                note=parts[-1] if copies else "", **given),
        Finding(metric="quality.idle_features", value=float(len(constant) + len(copies)), note=" ".join(parts),
                detail={"constant": constant, "copies": copies}, **given),
    ]


def mixed_findings(frame: pl.DataFrame, features: Sequence[str]) -> list[Finding]:
    """`quality.mixed_types` per text feature in which some values read as numbers and others do not: share that does (n = values).

    Range (0, 1), reported from 1 % to 99 % on; outside that a code such as "9E" or "1e5" is an accident. Columns of one kind give nothing.
    A mixture is no fault by itself: it is what two systems writing one column look like.
    """
    found = []
    for name in features:
        if name not in frame.columns or not isinstance(frame.schema[name], TEXTS):
            continue
        values = frame[name].cast(pl.String).drop_nulls()
        numbers = values.len() - values.cast(pl.Float64, strict=False).null_count()
        if values.len() and 0.01 <= numbers / values.len() <= 0.99:
            found.append(share_finding("quality.mixed_types", numbers, values.len(), segment=f"column={name}",
                                       note=f"{numbers:,} values read as numbers, {values.len() - numbers:,} do not."))
    return found


def _same_type(found: pl.DataType, promised: pl.DataType) -> bool:
    return found == promised or (isinstance(found, TEXTS) and isinstance(promised, TEXTS))


def _plain(column: pl.Series) -> pl.Series:
    return column.fill_nan(None) if column.dtype.is_float() else column


def _outside(values: pl.Series, column: Column) -> Finding | None:
    """The share of values that the declared limits do not allow; None where there is none, or no limit."""
    plain = _plain(values)
    wrong = pl.repeat(False, plain.len(), eager=True)
    if plain.dtype.is_float():
        wrong |= plain.is_infinite().fill_null(False)
    if column.min is not None and plain.dtype.is_numeric():
        wrong |= (plain < column.min).fill_null(False)
    if column.max is not None and plain.dtype.is_numeric():
        wrong |= (plain > column.max).fill_null(False)
    if column.values is not None:
        allowed = pl.Series([str(value) for value in column.values], dtype=pl.String)
        wrong |= (~plain.cast(pl.String).is_in(allowed.implode())).fill_null(False)
    if not column.missing:
        wrong |= plain.is_null()
    count = int(wrong.sum())
    if not count:
        return None
    return share_finding("quality.out_of_range", count, plain.len(), segment=f"column={values.name}",
                         note=f"{count:,} of {plain.len():,} rows break what [columns] declares of '{values.name}'.")


def _repeated(values: pl.Series) -> Finding:
    known = values.drop_nulls()
    again = known.len() - known.n_unique()
    return share_finding("quality.repeated_ids", again, known.len(), segment=f"column={values.name}",
                         note=f"{again:,} values of identifier '{values.name}' occur before." if again else "")


def _copies(frame: pl.DataFrame, names: list[str]) -> dict[str, str]:
    """Column → the earlier column with the same values in every row; hashes first, then compared cell by cell."""
    seen: dict[tuple[str, int], list[str]] = {}
    copies: dict[str, str] = {}
    for name in names:
        plain = _plain(frame[name])
        text = pl.Float64 if plain.dtype.is_numeric() else plain.dtype
        key = (str(text), int(plain.cast(text).hash(0).sum() or 0))
        first = next((other for other in seen.get(key, []) if _equal(plain, _plain(frame[other]))), None)
        if first is None:
            seen.setdefault(key, []).append(name)
        else:
            copies[name] = first
    return copies


def _equal(one: pl.Series, other: pl.Series) -> bool:
    return bool(one.eq_missing(other).all())
