"""Odd columns have profiles, and drift against them says what cannot be judged: never an exception, never "fine"."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.drift import drift_findings
from reports.profiles import Profile, fit_profile, merge_all

ORDINARY = pl.Series("x", np.random.default_rng(1).normal(size=1_000))
ODD = {
    "no rows": pl.Series("x", [], dtype=pl.Float64), "one row": pl.Series("x", [1.0]),
    "all null": pl.Series("x", [None] * 1_000, dtype=pl.Float64), "null type": pl.Series("x", [None] * 1_000),
    "all nan": pl.Series("x", [math.nan] * 1_000), "constant": pl.Series("x", [3.0] * 1_000),
    "infinite": pl.Series("x", [math.inf, -math.inf] * 500), "huge": pl.Series("x", [1.7e308, -1.7e308] * 500),
    "whole numbers": pl.Series("x", range(1_000)), "yes or no": pl.Series("x", [True, False] * 500),
}


@pytest.mark.parametrize("now", ODD)
@pytest.mark.parametrize("base", ODD)
def test_every_pair_of_odd_numbers_has_findings(base: str, now: str) -> None:
    baseline = fit_profile(ODD[base].to_frame(), {"x": "numeric"})
    current = fit_profile(ODD[now].to_frame(), {"x": "numeric"}, like=baseline)
    assert Profile.from_json(current.to_json()) == current
    assert merge_all([current, current, current]).columns["x"].rows == 3 * ODD[now].len()
    found = {finding.metric: finding for finding in drift_findings(baseline, current, rows_min=100, psi_max=0.25)}
    for finding in found.values():
        assert finding.state is State.OK or finding.note
        assert finding.value is None or math.isfinite(finding.value)
    emptied, few = {"all null", "null type", "all nan", "infinite"}, {"no rows", "one row"}
    share = found["drift.share"]
    assert (share.state is State.OK) == (base not in emptied | few and now not in few), "a baseline without values tells nothing"
    if share.state is State.OK and now in emptied:
        assert (share.value, share.detail["lost"]) == (1.0, ["x"]), "a column that lost its values has moved"


def test_fifty_thousand_levels_are_bounded_and_the_frequent_new_one_is_named() -> None:
    baseline = fit_profile(pl.DataFrame({"c": [f"id {number}" for number in range(50_000)]}), {"c": "category"})
    column = baseline.columns["c"]
    assert (column.categories, column.other, column.heavy) == ([], 50_000, {})
    assert column.distinct == pytest.approx(50_000, rel=0.2)
    assert len(baseline.packed()) < 2_000
    later = fit_profile(pl.DataFrame({"c": ["new"] * 900 + [f"id {number}" for number in range(100)]}), {"c": "category"}, like=baseline)
    assert later.columns["c"].heavy == {"new": 899}, "at most one too low: 101 values share 32 counters"
    assert later.columns["c"].heavy_error >= 1
    listed = fit_profile(pl.DataFrame({"c": ["a", "b"] * 500}), {"c": "category"})
    unseen = fit_profile(pl.DataFrame({"c": ["new"] * 900 + ["odd"] * 4 + ["a"] * 96}), {"c": "category"}, like=listed)
    found = next(f for f in drift_findings(listed, unseen, rows_min=100, psi_max=0.25) if f.metric == "drift.unseen")
    assert (found.value, found.note) == (0.904, "New: new (900 rows).")
    assert "odd" not in unseen.to_json().decode(), "four rows could identify somebody"


def test_only_unseen_levels_is_the_largest_drift() -> None:
    listed = fit_profile(pl.DataFrame({"c": ["a", "b"] * 500}), {"c": "category"})
    other = fit_profile(pl.DataFrame({"c": [f"x{number}" for number in range(1_000)]}), {"c": "category"}, like=listed)
    found = {f.metric: f for f in drift_findings(listed, other, rows_min=100, psi_max=0.25)}
    assert (found["drift.tv"].value, found["drift.unseen"].value, found["drift.share"].value) == (1.0, 1.0, 1.0)


def test_values_of_mixed_types_are_compared_as_text() -> None:
    mixed = pl.DataFrame({"c": pl.Series("c", ["1", 1, 2.5, None, True], dtype=pl.Object)})
    column = fit_profile(mixed, {"c": "category"}, suppress_below=1).columns["c"]
    assert dict(zip(column.categories, column.counts, strict=True)) == {"1": 2, "2.5": 1, "True": 1}
    assert column.missing == 1
    with pytest.raises(DataError, match="not numeric"):
        fit_profile(mixed, {"c": "numeric"})
    with pytest.raises(DataError, match="lists or structures"):
        fit_profile(pl.DataFrame({"c": [[1], [2]]}), {"c": "category"})


def test_dates_have_ends_bins_and_missing() -> None:
    days = pl.DataFrame({"d": [date(1970, 1, 2), date(1970, 1, 1), None]})
    column = fit_profile(days, {"d": "date"}).columns["d"]
    assert (column.kind, column.minimum, column.maximum, column.missing, column.count) == ("date", 0.0, 86_400.0, 1, 2)
    moments = fit_profile(pl.DataFrame({"d": [datetime(1970, 1, 1, 0, 1, tzinfo=UTC)]}), {"d": "date"})
    assert moments.columns["d"].minimum == 60.0
    with pytest.raises(DataError, match="no dates"):
        fit_profile(pl.DataFrame({"d": [1]}), {"d": "date"})


def test_a_value_that_fills_a_bin_alone_has_one_of_its_own() -> None:
    baseline = fit_profile(pl.DataFrame({"x": [0.0] * 500 + [float(i) for i in range(1, 1_001)]}), {"x": "numeric"})
    column = baseline.columns["x"]
    assert column.counts[:2] == [0, 500], "underflow, and exactly zero"
    assert max(column.counts[2:]) <= 1_500 / 200 + 1
    assert column.edges[0] == 0.0 < column.edges[1] < 1e-300


def test_a_profile_of_the_first_format_is_still_read() -> None:
    body = json.loads(fit_profile(ORDINARY.to_frame(), {"x": "numeric"}).to_json())
    body |= {"format": 1}
    for name in ("segments", "plane"):
        body.pop(name)
    body["columns"]["x"].pop("sketch")
    old = Profile.from_json(json.dumps(body))
    later = fit_profile(ORDINARY.to_frame(), {"x": "numeric"}, like=old)
    assert next(f for f in drift_findings(old, later, rows_min=100, psi_max=0.25) if f.metric == "drift.psi").value == 0
    with pytest.raises(DataError, match="unknown format"):
        Profile.from_json(json.dumps(body | {"format": 3}))
    with pytest.raises(DataError, match="not a stored profile"):
        Profile.unpacked(b"damaged")


def test_size_on_disk_is_as_stated() -> None:
    random = np.random.default_rng(1)
    frame = pl.DataFrame({"x": random.normal(size=20_000), "c": random.choice([f"level {number}" for number in range(40)], 20_000)})
    assert len(fit_profile(frame, {"x": "numeric"}).packed()) < 6_000
    assert len(fit_profile(frame, {"c": "category"}).packed()) < 1_000
