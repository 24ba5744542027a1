"""`schema.violations` against Pandera: the same rows with the same reasons, on real rows that were damaged and on generated frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from interlock.modeling import schema
from interlock.records.sources import find_files, read_rows
from interlock.settings import Settings
from interlock.spec.data import FileSource
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase

REAL = ("adult_income", "credit_default", "bank_marketing", "bike_hours")
ROWS = 3_000


def named_by_pandera(frame: pl.DataFrame, use_case: UseCase) -> list[tuple[int, str]]:
    """Rows and reasons as Pandera's lazy validation names them."""
    import pandera.errors

    built, reasons = schema.pandera_schema(use_case)
    try:
        built.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        found = []
        for one in error.schema_errors:
            number = -1 if one.check_index is None else int(one.check_index)
            output = one.check_output
            failed = output.select(pl.nth(0).not_().arg_true()).to_series().to_list()
            found += [(row, reasons[(one.schema.name, number)]) for row in failed]
        return sorted(found)
    return []


def named_by_us(frame: pl.DataFrame, use_case: UseCase) -> list[tuple[int, str]]:
    return sorted(schema.violations(frame, use_case).rows())


def damaged(frame: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Every 50th value of each column taken away, every 70th beyond its limits or no known value."""
    place = pl.int_range(pl.len())
    changed = []
    for number, (name, column) in enumerate(use_case.columns.items()):
        kind = schema.polars_type(column)
        wrong: pl.Expr = pl.col(name)
        if kind.is_numeric():
            wrong = pl.lit(-1_000_000 if number % 2 else 1_000_000, dtype=kind)
        elif kind == pl.String:
            wrong = pl.lit("no such value")
        value = pl.when(place % 70 == number % 70).then(wrong).otherwise(pl.col(name))
        changed.append(pl.when(place % 50 == number % 50).then(None).otherwise(value).cast(kind).alias(name))
    return frame.with_columns(changed)


@pytest.mark.parametrize("name", REAL)
def test_the_same_rows_and_reasons_on_real_data(name: str, settings: Settings, data_dir: Path) -> None:
    use_case = find_use_case(settings.model_copy(update={"data_dir": data_dir}), name)[1]
    assert isinstance(use_case.source, FileSource)
    file = find_files(settings.model_copy(update={"data_dir": data_dir}), use_case.source)[0]
    raw = read_rows(file, use_case.source, list(use_case.columns)).frame.head(ROWS)
    frame = schema.typed(schema.cleaned(raw, use_case), use_case)
    assert named_by_us(frame, use_case) == named_by_pandera(frame, use_case) == []
    broken = damaged(frame, use_case)
    found = named_by_us(broken, use_case)
    assert found == named_by_pandera(broken, use_case)
    assert len(found) > 100
    assert {reason.partition(":")[0] for _, reason in found} >= {"missing", "max"}


def every_rule() -> UseCase:
    """Limits, values and every kind of own check."""
    columns: dict[str, dict[str, Any]] = {
        "low": {"type": "integer", "min": 0, "max": 120}, "high": {"type": "float", "min": -5.5, "missing": False},
        "city": {"type": "category", "values": ["a", "b"]}, "open": {"type": "boolean", "missing": False},
        "day": {"type": "date", "role": "ignore"}, "y": {"type": "category", "role": "target", "missing": False, "values": ["yes", "no"]}}
    return UseCase.model_validate({
        "spec_version": 1, "name": "tiny", "title": "t", "description": "d", "owner": "o", "columns": columns,
        "source": {"kind": "files", "files": [{"path": "x"}]}, "training": {"split": "seeded"},
        "prediction": {"task": "binary", "target": "y", "positive": ["yes"], "moment": "now"},
        "checks": [{"name": "letters", "kind": "regex", "column": "city", "pattern": "[a-z]+"},
                   {"name": "known", "kind": "set", "column": "low", "values": [1, 2, 3, 50]},
                   {"name": "narrow", "kind": "range", "column": "high", "min": -1.0, "max": 9.0},
                   {"name": "ordered", "kind": "compare", "column": "low", "other": "high", "operator": "<="}]})


ROW = st.fixed_dictionaries({
    "low": st.none() | st.integers(-3, 125), "high": st.none() | st.floats(-10, 130, allow_nan=False),
    "city": st.none() | st.sampled_from(["a", "b", "c", "A", ""]), "open": st.none() | st.booleans(),
    "day": st.none() | st.dates(), "y": st.none() | st.sampled_from(["yes", "no", "maybe"])})


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(ROW, max_size=12))
def test_the_same_rows_and_reasons_on_any_frame(rows: list[dict[str, Any]]) -> None:
    use_case = every_rule()
    kinds = {name: schema.polars_type(column) for name, column in use_case.columns.items()}
    frame = pl.DataFrame(rows, schema=kinds)
    assert named_by_us(frame, use_case) == named_by_pandera(frame, use_case)
