"""The typed schema of a use case: text to types, then every rule of the file checked row by row.

A rule has one name (`min:age`, `values:sex`, an own check's name); a row that breaks rules is named with all of them.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from typing import TYPE_CHECKING, Any

from interlock.errors import DataError
from interlock.modeling.times import parse_times, zoned_times
from interlock.spec.data import Check, Column, FileSource
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

TRUE = ("true", "t", "yes", "y", "1", "1.0")
FALSE = ("false", "f", "no", "n", "0", "0.0")


def polars_type(column: Column) -> pl.DataType:
    """The type of a column in a snapshot; categories are text, times UTC in microseconds."""
    import polars as pl

    kinds: dict[str, pl.DataType] = {
        "integer": pl.Int64(), "float": pl.Float64(), "boolean": pl.Boolean(), "category": pl.String(), "text": pl.String(),
        "date": pl.Date(), "datetime": pl.Datetime("us", "UTC")}
    return kinds[column.type]


def cleaned(raw: pl.DataFrame, use_case: UseCase, names: list[str] | None = None) -> pl.DataFrame:
    """The text columns (default: all) without surrounding space (where the source says so) and with null where a text means missing."""
    import polars as pl

    source = use_case.source
    if not isinstance(source, FileSource):
        return raw
    columns = [pl.col(name).str.strip_chars() if source.strip else pl.col(name) for name in (use_case.columns if names is None else names)]
    missing = pl.Series(source.missing, dtype=pl.String)
    return raw.with_columns(pl.when(~text.is_in(missing.implode())).then(text) for text in columns)


def typed(clean: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """The columns in their types; null where a text is missing or is not of the type (`untypable` tells the two apart).

    The plain spelling of each type is read first; only columns that have others go through the patient way.
    """
    frame = clean.select(plain_cast(name, column, use_case) for name, column in use_case.columns.items())
    again = [name for name in use_case.columns if frame[name].null_count() > clean[name].null_count()]
    return frame.with_columns(clean.select(_cast(name, use_case.columns[name], use_case) for name in again)) if again else frame


def untypable(clean: pl.DataFrame, frame: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Rows (`row`, `reason` = `type:<column>`) whose text is not of the column's type; also infinite numbers."""
    import polars as pl

    lost = [name for name in use_case.columns if frame[name].null_count() > clean[name].null_count()]
    pairs = clean.select(pl.col(lost).name.prefix("clean.")).hstack(frame.select(lost)).with_row_index("row") if lost else None
    if pairs is None:
        return _stacked([])
    wrong = {name: pl.col(f"clean.{name}").is_not_null() & pl.col(name).is_null()
             & ~_is_nan(pl.col(f"clean.{name}"), use_case.columns[name]) for name in lost}
    return _stacked([pairs.filter(wrong[name]).select("row", reason=pl.lit(f"type:{name}")) for name in lost])


def violations(frame: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Rows (`row`, `reason`) of the typed frame that break a rule of a column or an own check, in the order of columns and rules.

    The same rows that Pandera names with `pandera_schema` (a test compares them), in one pass instead of one for each rule.
    """
    import polars as pl

    rules = named_rules(use_case)
    held = evaluated(frame, [rule.alias(str(number)) for number, (_, rule) in enumerate(rules)])
    found = [(reason, (~held[str(number)]).arg_true()) for number, (reason, _) in enumerate(rules)]
    return _stacked([pl.DataFrame({"row": rows}).select("row", reason=pl.lit(reason)) for reason, rows in found if rows.len()])


def named_rules(use_case: UseCase, present: Collection[str] = ()) -> list[tuple[str, pl.Expr]]:
    """Every rule with its name, as an expression on the typed frame that is true where the rule holds.

    A missing value breaks no rule; `missing:<column>` says whether it may be missing. Of the columns in `present` a missing value
    breaks every rule on the column's own values.
    """
    import polars as pl

    found: list[tuple[str, pl.Expr]] = []
    for name, column in use_case.columns.items():
        own = [(check.name, _own_rule(check)) for check in use_case.checks if check.column == name]
        found += [] if column.missing else [(f"missing:{name}", pl.col(name).is_not_null())]
        found += [(reason, rule if name in present else rule.fill_null(True)) for reason, rule in _column_rules(name, column)]
        found += [(reason, rule.fill_null(True)) for reason, rule in own]
    return found


def evaluated(frame: pl.DataFrame, expressions: list[pl.Expr]) -> pl.DataFrame:
    """The expressions on the frame; `DataError` where a rule does not fit the types of its columns."""
    import polars as pl

    try:
        return frame.select(expressions)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"a rule could not be evaluated: {error}".partition("\n")[0], next_step="correct [[checks]]") from error


def pandera_schema(use_case: UseCase) -> tuple[Any, dict[tuple[str, int], str]]:
    """The Pandera schema of the typed frame, and the reason behind each (column, check number); -1 stands for 'not missing'."""
    import pandera.polars as pa

    columns: dict[str, Any] = {}
    reasons: dict[tuple[str, int], str] = {}
    for name, column in use_case.columns.items():
        rules = _column_rules(name, column) + [(check.name, _own_rule(check)) for check in use_case.checks if check.column == name]
        checks = [pa.Check(_holds(name, rule), name=reason) for reason, rule in rules]
        columns[name] = pa.Column(polars_type(column), checks, nullable=column.missing)
        reasons |= {(name, number): reason for number, (reason, _) in enumerate(rules)} | {(name, -1): f"missing:{name}"}
    return pa.DataFrameSchema(columns, strict=True, ordered=False), reasons


def plain_cast(name: str, column: Column, use_case: UseCase) -> pl.Expr:
    """The column from its plain spelling: what `typed` tries first."""
    import polars as pl

    if column.type == "integer":
        return pl.col(name).cast(pl.Int64, strict=False)
    if column.type == "datetime" and (name != use_case.time.column or use_case.time.format is None):
        return zoned_times(pl.col(name))
    return _cast(name, column, use_case)


def _cast(name: str, column: Column, use_case: UseCase) -> pl.Expr:
    import polars as pl

    text = pl.col(name)
    clock = use_case.time.format if name == use_case.time.column else None
    if column.type == "integer":
        number = text.str.strip_chars().cast(pl.Float64, strict=False)
        whole = pl.when((number == number.floor()) & (number.abs() < 2**53)).then(number).cast(pl.Int64, strict=False)
        return text.str.strip_chars().cast(pl.Int64, strict=False).fill_null(whole).alias(name)
    if column.type == "float":
        number = text.str.strip_chars().cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number).alias(name)
    if column.type == "boolean":
        lower = text.str.strip_chars().str.to_lowercase()
        return pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False).otherwise(None).alias(name)
    if column.type == "date":
        return parse_times(text, clock, "UTC").dt.date().alias(name)
    if column.type == "datetime":
        return parse_times(text, clock, use_case.time.zone).alias(name)
    return text.alias(name)


def _is_nan(text: pl.Expr, column: Column) -> pl.Expr:
    """NaN as text is a missing number, not a wrong one."""
    import polars as pl

    return text.str.strip_chars().str.to_lowercase() == "nan" if column.type in {"integer", "float"} else pl.lit(False)


def _column_rules(name: str, column: Column) -> list[tuple[str, pl.Expr]]:
    import polars as pl

    found: list[tuple[str, pl.Expr]] = []
    if column.min is not None:
        found.append((f"min:{name}", pl.col(name) >= column.min))
    if column.max is not None:
        found.append((f"max:{name}", pl.col(name) <= column.max))
    if column.values is not None:
        found.append((f"values:{name}", _as_words(name).is_in([str(value) for value in column.values])))
    return found


def _own_rule(check: Check) -> pl.Expr:
    import polars as pl

    column = pl.col(check.column)
    if check.kind == "regex":
        return column.cast(pl.String).str.contains(f"^(?:{check.pattern})$")
    if check.kind == "set":
        return _as_words(check.column).is_in([str(value) for value in check.values or []])
    if check.kind == "range":
        limits = [column >= check.min] if check.min is not None else []
        limits += [column <= check.max] if check.max is not None else []
        return reduce(lambda left, right: left & right, limits)
    other = pl.col(str(check.other))
    comparisons = {"<": column < other, "<=": column <= other, "==": column == other,
                   "!=": column != other, ">=": column >= other, ">": column > other}
    return comparisons[str(check.operator)]


def _as_words(name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name).cast(pl.String)


def _holds(name: str, rule: pl.Expr) -> Any:
    """A Pandera check of one expression; a missing value breaks no rule (`missing` says whether it may be missing)."""
    def check(data: Any) -> Any:
        return data.lazyframe.select(rule.fill_null(True).alias(name))
    return check


def _stacked(parts: list[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    empty = pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String})
    return pl.concat([empty, *(part.select(pl.col("row").cast(pl.UInt32), pl.col("reason").cast(pl.String)) for part in parts)])


def labels(frame: pl.DataFrame, use_case: UseCase) -> pl.Series:
    """`_label` of each row: binary 0/1 (Float64), regression the number (Float64), multiclass the class (String); null = unknown."""
    import polars as pl

    job = use_case.prediction
    target = pl.col(job.target)
    if job.task == "regression":
        label = target.cast(pl.Float64)
    elif job.task == "multiclass":
        words = target.cast(pl.String)
        label = pl.when(words.is_in(job.classes or [])).then(words)
    else:
        positive = [str(value) for value in job.positive or []]
        hit = target >= job.at_least if job.at_least is not None else target.cast(pl.String).is_in(positive)
        label = (hit.fill_null(True) if job.missing_is_positive else hit).cast(pl.Float64)
    return frame.select(label.alias("_label")).to_series()
