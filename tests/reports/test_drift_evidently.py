"""Our PSI, Jensen-Shannon and Wasserstein are Evidently's numbers on the same real rows; KS is the statistic behind its p-value."""

from __future__ import annotations

import math
import warnings

import polars as pl
import pytest
from scipy.stats import ks_2samp

from reports.drift import drift_findings
from reports.evidently_report import _pandas
from reports.profiles import fit_profile

KINDS = {"age": "numeric", "hours-per-week": "numeric", "fnlwgt": "numeric", "workclass": "category", "sex": "category"}
METHODS = {"psi": ("workclass", "sex"), "jensenshannon": ("workclass", "sex"), "wasserstein": ("age", "hours-per-week", "fnlwgt"),
           "ks": ("age",)}


@pytest.fixture(scope="module")
def evidently(sides: tuple[pl.DataFrame, pl.DataFrame]) -> dict[tuple[str, str], float]:
    """(method, column) → Evidently's value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(numerical_columns=[name for name, kind in KINDS.items() if kind == "numeric"],
                                    categorical_columns=[name for name, kind in KINDS.items() if kind == "category"])
        reference, current = (Dataset.from_pandas(_pandas(side, KINDS), data_definition=definition) for side in sides)
        wanted = [(method, column) for method, columns in METHODS.items() for column in columns]
        found = Report([ValueDrift(column=column, method=method) for method, column in wanted]).run(current, reference).dict()["metrics"]
    return {pair: float(metric["value"]) for pair, metric in zip(wanted, found, strict=True)}


@pytest.fixture(scope="module")
def sides(adult: object) -> tuple[pl.DataFrame, pl.DataFrame]:
    """3,000 training rows, and 3,000 test rows of which older men are over-represented; only rows with every value."""
    base = adult.train.select(list(KINDS)).drop_nulls().head(3_000)
    later = adult.test.select(list(KINDS)).drop_nulls().sort(pl.col("age") + 20 * (pl.col("sex") == "Male"), descending=True).head(6_000)
    return base, later.sample(3_000, seed=1)


@pytest.fixture(scope="module")
def ours(sides: tuple[pl.DataFrame, pl.DataFrame]) -> dict[tuple[str, str], float]:
    base = fit_profile(sides[0], KINDS, suppress_below=1)
    now = fit_profile(sides[1], KINDS, like=base, suppress_below=1)
    found = drift_findings(base, now, rows_min=100, psi_max=0.25)
    return {(f.metric.removeprefix("drift."), f.segment.removeprefix("column=")): f.value for f in found}


@pytest.mark.parametrize("column", METHODS["psi"])
def test_psi_and_jensen_shannon_of_categories(ours: dict, evidently: dict, column: str) -> None:
    assert ours["psi", column] == pytest.approx(evidently["psi", column], rel=0.01, abs=1e-3)  # it fills empty cells with another number
    assert ours["js", column] == pytest.approx(evidently["jensenshannon", column] / math.sqrt(math.log(2)), rel=1e-6)  # in nats there


@pytest.mark.parametrize("column", METHODS["wasserstein"])
def test_wasserstein_in_standard_deviations(ours: dict, evidently: dict, column: str) -> None:
    assert ours["wasserstein", column] == pytest.approx(evidently["wasserstein", column], abs=0.005)


def test_ks(ours: dict, evidently: dict, sides: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    exact = ks_2samp(sides[0]["age"].to_numpy(), sides[1]["age"].to_numpy())
    assert evidently["ks", "age"] == pytest.approx(exact.pvalue)
    assert ours["ks", "age"] == pytest.approx(exact.statistic, abs=1e-9)  # every year has a bin
