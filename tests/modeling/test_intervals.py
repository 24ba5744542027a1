"""Intervals of regression answers: ordered, holding the value, as often right as they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from interlock.errors import DataError, PackageError
from interlock.modeling.held_out import HeldOut, hold_out
from interlock.modeling.interval_fit import conformal_correction
from interlock.modeling.intervals import Intervals, interval_of
from interlock.modeling.making import Made, make_package
from interlock.modeling.package import Package
from interlock.modeling.probe import probe_package
from interlock.spec.load import load_use_case
from interlock.spec.usecase import UseCase

ROOT = Path(__file__).resolve().parents[2]
floats = st.floats(-1e6, 1e6, width=32)


@pytest.fixture(scope="module")
def bikes() -> UseCase:
    """Bike hours as a seeded split of the first 4,000 hours, where held-out rows are like those learned from."""
    use_case = load_use_case(ROOT / "usecases" / "bike_hours.toml")
    training = use_case.training.model_copy(update={"split": "seeded", "trials": 2, "rounds_max": 150, "quantiles": [0.1, 0.5, 0.9],
                                                    "window_days": None, "proposals": 0, "threads": 2})
    features = use_case.features.model_copy(update={name: [] for name in ("derived", "views") if hasattr(use_case.features, name)})
    return use_case.model_copy(update={"training": training, "features": features})


@pytest.fixture(scope="module")
def hours(bikes: UseCase, data_dir: Path) -> pl.DataFrame:
    rows = pl.read_csv(data_dir / "bike-hour.csv.gz").head(4_000)
    start = pl.lit(datetime(2011, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC"))
    moment = start + pl.int_range(pl.len()) * timedelta(hours=1)
    words = [name for name, column in bikes.columns.items() if column.type in {"category", "text"} and name in rows.columns]
    flags = [name for name, column in bikes.columns.items() if column.type == "boolean"]
    rows = rows.with_columns(pl.col(words).cast(pl.String), pl.col(flags).cast(pl.Boolean))
    return rows.with_columns(_row_id=pl.int_range(pl.len()).cast(pl.String), _event_time=moment,
                             _seen_time=moment, _label_seen_time=moment, _label=pl.col("cnt").cast(pl.Float64),
                             _split=pl.lit(None, dtype=pl.String))


@pytest.fixture(scope="module")
def held(bikes: UseCase, hours: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made, HeldOut]:
    root = tmp_path_factory.mktemp("bikes")
    made = make_package(root, bikes, hours, snapshot_digest="s", spec_digest="p")
    return root, made, hold_out(bikes, probe_package(root, made.package.digest), hours)


def test_eight_of_ten_outcomes_lie_within_the_interval(held: tuple[Path, Made, HeldOut]) -> None:
    """80 % wanted on some 800 held-out rows: standard error 1.4 %."""
    out = held[2]
    ends = out.model.interval(out.matrix, out.scores)
    assert ends is not None
    inside = (ends[:, 0] <= out.labels) & (out.labels <= ends[:, 1])
    assert 0.75 <= inside.mean() <= 0.88
    assert ((ends[:, 0] <= out.scores) & (out.scores <= ends[:, 1])).all()


def test_value_stays_the_mean_not_the_median(held: tuple[Path, Made, HeldOut]) -> None:
    assert held[1].package.manifest.baseline["r2"] > 0.85
    assert held[2].scores.ndim == 1


def test_same_rows_give_the_same_package(held: tuple[Path, Made, HeldOut], bikes: UseCase, hours: pl.DataFrame, tmp_path: Path) -> None:
    again = make_package(tmp_path, bikes, hours, snapshot_digest="s", spec_digest="p")
    assert again.package.digest == held[1].package.digest


def test_a_package_without_its_quantile_booster_is_refused(held: tuple[Path, Made, HeldOut]) -> None:
    package = held[1].package
    with pytest.raises(PackageError, match="do not agree"):
        Package(package.digest, package.manifest, {"model.ubj": package.files["model.ubj"]}).open_model()


def test_conformal_correction_by_hand() -> None:
    # outcomes outside [0, 10] by 1, 2, 3, 4; inside by 1 (score -1): scores -1, 1, 2, 3, 4. n = 5, 60 %: rank ceil(6 · 0.6) = 4
    low, high = np.zeros(5), np.full(5, 10.0)
    assert conformal_correction(low, high, np.array([11.0, 12.0, -3.0, -4.0, 9.0]), 0.6) == 3
    assert conformal_correction(low, high, np.full(5, 5.0), 0.6) == -5


def test_conformal_correction_needs_enough_rows() -> None:
    with pytest.raises(DataError, match="too few validation rows"):
        conformal_correction(np.zeros(8), np.ones(8), np.ones(8), 0.9)  # the 9th of 8
    assert conformal_correction(np.zeros(9), np.ones(9), np.ones(9), 0.9) == 0


@given(st.integers(30, 200), st.floats(0.5, 0.9), st.integers(0, 1_000))
def test_corrected_interval_covers_its_own_rows(rows: int, coverage: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    outcomes = draw.normal(0, 1, rows)
    low, high = draw.normal(-0.5, 0.2, rows), draw.normal(0.5, 0.2, rows)
    added = conformal_correction(low, high, outcomes, coverage)
    assert np.mean((low - added <= outcomes) & (outcomes <= high + added)) >= coverage


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=floats), st.floats(-10, 10), st.integers(0, 99))
def test_interval_is_ordered_and_holds_the_value(quantiles: np.ndarray, correction: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1e5, len(quantiles)).astype(np.float32)
    found = interval_of(Intervals(levels=[0.1, 0.5, 0.9], correction=correction), quantiles, values)
    assert (found[:, 0] <= found[:, 1]).all()
    assert ((found[:, 0] <= values) & (values <= found[:, 1])).all()


def test_crossing_quantiles_are_put_in_order() -> None:
    found = interval_of(Intervals(levels=[0.1, 0.9]), np.array([[5, 3]], dtype=np.float32), np.array([4], dtype=np.float32))
    assert found.tolist() == [[3, 5]]
