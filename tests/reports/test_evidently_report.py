"""Evidently's report on real data: it agrees with our own profiles on what moved, and never says "no drift" about nothing."""

from __future__ import annotations

import math

import polars as pl
import pytest

from interlock.errors import DataError
from reports.distances import jensen_shannon
from reports.evidently_report import drift_report
from reports.profiles import fit_profile


def test_evidently_and_our_profiles_name_the_same_shifted_columns(adult: object) -> None:
    kinds = {"age": "numeric", "hours-per-week": "numeric", "workclass": "category", "sex": "category"}
    reference = adult.train.select(list(kinds))
    current = adult.test.select(list(kinds)).filter((pl.col("age") > 45) & (pl.col("sex") == "Male"))
    html, body = drift_report(reference, current, kinds | {"nowhere": "numeric"}, rows_max=1500, seed=1)
    assert html.lstrip().startswith(b"<")
    assert body["sample"] == {"seed": 1, "reference_rows": 32_561, "current_rows": current.height, "reference_used": 1500,
                              "current_used": 1500}
    assert body["left_out"] == ["nowhere"]
    values = {metric["config"]["column"]: metric["value"] for metric in body["metrics"] if "column" in metric["config"]}
    assert set(values) == set(kinds)
    baseline = fit_profile(reference, {"sex": "category"})
    now = fit_profile(current, {"sex": "category"}, like=baseline)
    ours = jensen_shannon(baseline.columns["sex"].counts, now.columns["sex"].counts)
    assert values["sex"] == pytest.approx(ours * math.sqrt(math.log(2)), abs=0.02)  # Evidently counts in nats; samples of 1,500
    assert values["age"] > 0.5 > 0.2 > values["hours-per-week"]


@pytest.mark.parametrize(("rows", "words"), [(29, "too few rows"), (0, "too few rows")])
def test_nothing_to_compare_is_an_error_not_a_clean_report(adult: object, rows: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        drift_report(adult.train, adult.test.head(rows), {"age": "numeric"})


def test_columns_without_values_are_left_out_and_all_of_them_is_an_error() -> None:
    frame = pl.DataFrame({"a": [1.0] * 40, "empty": pl.Series([None] * 40, dtype=pl.Float64)})
    with pytest.raises(DataError, match="no column holds a value"):
        drift_report(frame, frame, {"empty": "numeric"})
