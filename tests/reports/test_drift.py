"""Drift findings: what moved is named, what did not is quiet, what cannot be judged says so."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.distances import psi
from reports.drift import drift_findings, grouped, no_traffic
from reports.profiles import fit_profile

KINDS = {"x": "numeric", "c": "category", "b": "boolean"}


def rows(count: int, seed: int = 1, shift: float = 0.0, new: float = 0.0, missing: float = 0.0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    words = np.where(random.random(count) < new, "new", random.choice(["a", "b"], count))
    numbers = np.where(random.random(count) < missing, np.nan, random.normal(shift, 1, count))
    return pl.DataFrame({"x": numbers, "c": words, "b": random.random(count) < 0.3})


BASELINE = fit_profile(rows(2000), KINDS)


def found(frame: pl.DataFrame, **options: object) -> dict[tuple[str, str], object]:
    settings = {"rows_min": 100, "psi_max": 0.25} | options
    findings = drift_findings(BASELINE, fit_profile(frame, KINDS, like=BASELINE), **settings)
    return {(finding.metric, finding.segment): finding for finding in findings}


def test_the_same_rows_do_not_drift() -> None:
    same = found(rows(2000))
    assert all(finding.value == pytest.approx(1 if metric == "drift.p_value" else 0) for (metric, _), finding in same.items())
    assert same["drift.share", "all"].sample_size == 2000


def test_a_shifted_column_is_named_and_the_others_are_not() -> None:
    shifted = found(rows(1000, seed=2, shift=1.5))
    assert shifted["drift.psi", "column=x"].value > 0.25
    assert shifted["drift.psi", "column=c"].value < 0.05
    assert shifted["drift.share", "all"].value == pytest.approx(1 / 3)
    assert shifted["drift.share", "all"].detail["moved"] == ["x"]


def test_the_threshold_of_a_column_decides_the_share() -> None:
    assert found(rows(1000, seed=2, shift=1.5), psi_max=1000.0)["drift.share", "all"].value == 0


def test_unseen_values_and_missing_ones_have_their_own_figures() -> None:
    later = found(rows(4000, seed=3, new=0.4, missing=0.25))
    assert later["drift.unseen", "column=c"].value == pytest.approx(0.4, abs=0.03)
    assert later["drift.missing_change", "column=x"].value == pytest.approx(0.25, abs=0.03)
    assert later["drift.psi", "column=x"].value < 0.02  # missing values are not mixed into the shape


def test_psi_counts_the_groups_in_the_detail() -> None:
    finding = found(rows(700, seed=4, shift=0.5))["drift.psi", "column=x"]
    assert finding.value == psi(finding.detail["baseline"], finding.detail["current"])
    assert sum(finding.detail["current"]) == 700
    assert len(finding.detail["baseline"]) == len(finding.detail["edges"]) + 1 == 10
    assert finding.detail["baseline"] == [200] * 10  # deciles of the baseline's 2,000 rows


def test_ks_is_close_to_the_exact_one() -> None:
    later = rows(3000, seed=6, shift=0.4)
    exact = ks_2samp(rows(2000)["x"].to_numpy(), later["x"].to_numpy()).statistic
    assert found(later)["drift.ks", "column=x"].value == pytest.approx(exact, abs=0.01)


def test_a_repeated_value_gets_its_own_group() -> None:
    column = fit_profile(pl.DataFrame({"x": [0.0] * 90 + [float(i) for i in range(1, 11)]}), {"x": "numeric"}).columns["x"]
    runs = grouped(column)
    assert runs[0] == [0, 1, 2]  # underflow, the zeros, and the gap up to the next value: nine rows in ten
    assert sorted(number for run in runs for number in run) == list(range(len(column.counts)))


def test_too_few_rows_say_so() -> None:
    small = found(rows(99, seed=2, shift=3.0))
    assert all(finding.state is State.TOO_FEW and finding.needed == 100 for finding in small.values())
    assert "n = 99, at least 100 needed" in small["drift.share", "all"].note


def test_a_column_without_values_is_not_called_stable() -> None:
    empty = found(rows(500).with_columns(pl.lit(None, dtype=pl.Float64).alias("x")))
    assert empty["drift.psi", "column=x"].state is State.TOO_FEW
    assert empty["drift.missing_change", "column=x"].value == 1
    assert empty["drift.share", "all"].detail["columns"] == 3
    assert empty["drift.share", "all"].value == pytest.approx(1 / 3)


def test_family_and_window_are_carried() -> None:
    assert ("drift.serving_share", "all") in found(rows(500), family="drift.serving_")


def test_no_traffic_is_a_state() -> None:
    assert (no_traffic().state, no_traffic().note) == (State.MISSING, "no serving traffic yet")


def test_profiles_of_other_bins_or_columns_are_refused() -> None:
    with pytest.raises(DataError, match="other bins"):
        drift_findings(BASELINE, fit_profile(rows(500, seed=9), KINDS), rows_min=1, psi_max=0.25)
    with pytest.raises(DataError, match="no column in common"):
        drift_findings(BASELINE, fit_profile(pl.DataFrame({"z": [1.0]}), {"z": "numeric"}), rows_min=1, psi_max=0.25)


def test_columns_that_lost_their_values_moved_and_are_no_pass() -> None:
    """PSI compares values; a feature that callers stopped sending has none, and must not fall out of the share."""
    draw = np.random.default_rng(4)
    kinds = {"a": "numeric", "b": "numeric", "c": "category", "d": "numeric"}
    learned = pl.DataFrame({"a": draw.normal(size=3_000), "b": draw.normal(size=3_000), "c": draw.choice(["x", "y"], 3_000),
                            "d": pl.Series([None] * 3_000, dtype=pl.Float64)})
    asked = learned.with_columns(b=pl.lit(None, pl.Float64), c=pl.when(pl.int_range(pl.len()) < 5).then(pl.col("c")))
    base = fit_profile(learned, kinds)
    found = drift_findings(base, fit_profile(asked, kinds, like=base), rows_min=200, psi_max=0.25)
    share = found[-1]
    assert share.value == pytest.approx(2 / 3)  # b and c of a, b and c; d never had a value
    assert share.detail["lost"] == ["b", "c"]
    assert share.note == "Moved: b, c. Hardly a value left: b, c."
    half = learned.with_columns(b=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("b")))
    assert drift_findings(base, fit_profile(half, kinds, like=base), rows_min=200, psi_max=0.25)[-1].value == 0
