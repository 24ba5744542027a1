"""Text to types: what each type accepts, which rule a value breaks, what the label is."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from interlock.modeling import schema
from interlock.spec.usecase import UseCase


def use_case(kind: str, prediction: dict[str, Any] | None = None, **column: Any) -> UseCase:
    """One column `x` of the kind, which is a feature, and a target `y`."""
    job = {"task": "regression", "target": "y", "moment": "now"} if prediction is None else {"target": "y", "moment": "now"} | prediction
    target = "float" if job["task"] == "regression" or "at_least" in job else "category"
    role = "feature" if kind in {"integer", "float", "boolean", "category"} else "ignore"
    return UseCase.model_validate({
        "spec_version": 1, "name": "tiny", "title": "t", "description": "d", "owner": "o", "prediction": job,
        "source": {"kind": "files", "files": [{"path": "x"}], "missing": ["", "?"], "strip": True}, "training": {"split": "seeded"},
        "columns": {"x": {"type": kind, "role": role} | column, "y": {"type": target, "role": "target"}, "f": {"type": "float"}}})


def read(kind: str, texts: list[str], **column: Any) -> tuple[list[Any], list[tuple[int, str]]]:
    """Typed values of `x`, and the broken rules by row."""
    job = use_case(kind, **column)
    raw = pl.DataFrame({"x": texts, "y": ["1"] * len(texts), "f": ["1"] * len(texts)})
    clean = schema.cleaned(raw, job)
    frame = schema.typed(clean, job)
    broken = pl.concat([schema.untypable(clean, frame, job), schema.violations(frame, job)])
    return frame["x"].to_list(), sorted(broken.rows())


@pytest.mark.parametrize(("kind", "texts", "values", "wrong"), [
    ("integer", ["7", " -3 ", "4.0", "1e3", "?", "nan"], [7, -3, 4, 1000, None, None], []),
    ("integer", ["3.5", "x", "9" * 30, "inf"], [None] * 4, [0, 1, 2, 3]),
    ("float", ["1", "-2.5", "1e-3", "", "NaN"], [1.0, -2.5, 0.001, None, None], []),
    ("float", ["1e999", "inf", "-inf", "1,5"], [None] * 4, [0, 1, 2, 3]),
    ("boolean", ["1", "0", "TRUE", "no", "Y", "f", "?"], [True, False, True, False, True, False, None], []),
    ("boolean", ["2", "maybe"], [None, None], [0, 1]),
    ("category", [" a ", "?", "b"], ["a", None, "b"], []),
])
def test_a_type_accepts_its_spellings_and_names_the_rest(kind: str, texts: list[str], values: list[Any], wrong: list[int]) -> None:
    assert read(kind, texts) == (values, [(row, "type:x") for row in wrong])


def test_dates_and_times() -> None:
    dates, wrong = read("date", ["2024-02-29", "2023-02-29", "2024-02-29T10:00:00"])
    assert ([str(value) for value in dates], wrong) == (["2024-02-29", "None", "2024-02-29"], [(1, "type:x")])
    times, wrong = read("datetime", ["2024-01-01T10:00:00+02:00", "2024-01-01 10:00:00.5", "2024-01-01", "10:00"])
    assert [str(value) for value in times] == ["2024-01-01 08:00:00+00:00", "2024-01-01 10:00:00.500000+00:00", "2024-01-01 00:00:00+00:00",
                                               "None"]
    assert wrong == [(3, "type:x")]


def test_rules_hold_at_their_limits_and_a_missing_value_breaks_only_missing() -> None:
    assert read("integer", ["0", "120", "-1", "121", ""], min=0, max=120)[1] == [(2, "min:x"), (3, "max:x")]
    assert read("integer", ["5", ""], min=0, missing=False)[1] == [(1, "missing:x")]
    assert read("category", ["a", "b", ""], values=["a"])[1] == [(1, "values:x")]
    assert read("integer", ["1", "2"], values=[1])[1] == [(1, "values:x")]


@pytest.mark.parametrize(("prediction", "targets", "labels"), [
    ({"task": "binary", "positive": ["yes"]}, ["yes", "no", None], [1.0, 0.0, None]),
    ({"task": "binary", "positive": ["yes"], "missing_is_positive": True}, ["no", None], [0.0, 1.0]),
    ({"task": "binary", "at_least": 15}, [14.9, 15.0, None], [0.0, 1.0, None]),
    ({"task": "multiclass", "classes": ["a", "b", "c"]}, ["a", "z", None], ["a", None, None]),
    ({"task": "regression"}, [1.5, None], [1.5, None]),
])
def test_labels(prediction: dict[str, Any], targets: list[Any], labels: list[Any]) -> None:
    frame = pl.DataFrame({"y": targets})
    assert schema.labels(frame, use_case("float", prediction)).to_list() == labels


def test_a_snapshot_with_a_column_too_many_breaks_the_schema() -> None:
    import pandera.errors

    built, _ = schema.pandera_schema(use_case("float"))
    frame = pl.DataFrame({"x": [1.0], "y": [1.0], "f": [1.0], "surplus": [1]})
    with pytest.raises(pandera.errors.SchemaErrors, match="surplus"):
        built.validate(frame, lazy=True)
