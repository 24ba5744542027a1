"""Profiles: exact counts, bins from the baseline alone, merging that is as good as reading all rows at once."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.errors import DataError
from reports.profiles import BINS, Profile, fit_profile, merge_all, quantile_edges

NUMBERS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf), st.just(0.0)), max_size=40)
WORDS = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "rare", "new"])), max_size=40)
KINDS = {"x": "numeric", "c": "category"}


def frame(numbers: list, words: list | None = None) -> pl.DataFrame:
    words = words if words is not None else ["a"] * len(numbers)
    rows = min(len(numbers), len(words))
    return pl.DataFrame({"x": pl.Series(numbers[:rows], dtype=pl.Float64), "c": pl.Series(words[:rows], dtype=pl.String)})


BASELINE = fit_profile(frame([float(i) for i in range(200)], ["a"] * 120 + ["b"] * 70 + ["c"] * 8 + ["rare"] * 2), KINDS)


def test_missing_infinite_and_zero_are_counted_exactly() -> None:
    column = fit_profile(frame([None, math.nan, math.inf, -math.inf, 0.0, -0.0, 5.0]), {"x": "numeric"}).columns["x"]
    assert (column.rows, column.missing, column.infinite, column.zero, column.count) == (7, 2, 2, 2, 3)
    assert (column.minimum, column.maximum) == (0.0, 5.0)
    assert column.mean == pytest.approx(5 / 3)
    assert column.m2 == pytest.approx(50 / 3)  # (5/3)² + (5/3)² + (10/3)²


def test_few_values_get_a_bin_each_and_outsiders_fall_outside() -> None:
    base = fit_profile(frame([1.0, 1.0, 2.0, 4.0]), {"x": "numeric"})
    assert base.columns["x"].counts == [0, 2, 0, 1, 0, 1, 0]  # underflow, 1, between, 2, between, 4, overflow
    later = fit_profile(frame([0.5, 1.0, 4.0, 4.000001]), {"x": "numeric"}, like=base)
    assert later.columns["x"].counts == [1, 1, 0, 0, 0, 1, 1]
    assert later.columns["x"].sums == [0.5, 1.0, 0.0, 0.0, 0.0, 4.0, 4.000001]


def test_many_values_get_quantile_bins_of_equal_size() -> None:
    counts = fit_profile(frame([float(i) for i in range(1000)]), {"x": "numeric"}).columns["x"].counts
    assert counts == [0, *[1000 // BINS] * BINS, 0]


def test_rare_categories_are_not_listed() -> None:
    column = BASELINE.columns["c"]
    assert (column.categories, column.counts, column.other) == (["a", "b", "c"], [120, 70, 8], 2)


def test_bins_come_from_the_baseline_only() -> None:
    later = fit_profile(frame([1e5] * 50), KINDS, like=BASELINE)
    assert later.columns["x"].edges == BASELINE.columns["x"].edges
    assert later.columns["x"].counts[-1] == 50


def test_booleans_have_two_categories_whatever_occurs() -> None:
    column = fit_profile(pl.DataFrame({"b": [True, True, None]}), {"b": "boolean"}).columns["b"]
    assert (column.categories, column.counts, column.missing) == (["false", "true"], [0, 2], 1)


def test_an_empty_frame_and_a_column_of_nulls_have_profiles() -> None:
    empty = fit_profile(frame([], []), KINDS)
    assert (empty.rows, empty.columns["x"].count, empty.columns["x"].edges) == (0, 0, [])
    assert fit_profile(frame([None, None]), {"x": "numeric"}).columns["x"].missing == 2


@given(NUMBERS, WORDS, NUMBERS, WORDS)
def test_merging_counts_like_reading_all_rows_at_once(x1: list, c1: list, x2: list, c2: list) -> None:
    first, second = frame(x1, c1), frame(x2, c2)
    merged = Profile.merge(fit_profile(first, KINDS, like=BASELINE), fit_profile(second, KINDS, like=BASELINE))
    whole = fit_profile(pl.concat([first, second]), KINDS, like=BASELINE)
    named = {"heavy", "heavy_error"}
    assert merged.columns["c"].model_dump(exclude=named) == whole.columns["c"].model_dump(exclude=named)
    close = {"mean", "m2", "sums", "sketch"}
    assert merged.columns["x"].model_dump(exclude=close) == whole.columns["x"].model_dump(exclude=close)
    assert merged.columns["x"].mean == pytest.approx(whole.columns["x"].mean, rel=1e-9, abs=1e-6)
    assert merged.columns["x"].m2 == pytest.approx(whole.columns["x"].m2, rel=1e-9, abs=1e-3)
    assert merged.columns["x"].sums == pytest.approx(whole.columns["x"].sums, rel=1e-9, abs=1e-6)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_merging_is_associative_and_commutative_for_counts(x1: list, x2: list, x3: list) -> None:
    a, b, c = (fit_profile(frame(numbers), KINDS, like=BASELINE) for numbers in (x1, x2, x3))
    left, right = Profile.merge(Profile.merge(a, b), c), Profile.merge(a, Profile.merge(b, c))
    close = {"mean", "m2", "sums", "sketch"}
    assert left.columns["x"].model_dump(exclude=close) == right.columns["x"].model_dump(exclude=close)
    assert left.columns["c"] == right.columns["c"]
    there, back = Profile.merge(a, b).columns["x"], Profile.merge(b, a).columns["x"]
    assert there.model_dump(exclude=close - {"sketch"}) == back.model_dump(exclude=close - {"sketch"})
    assert Profile.merge(a, b).columns["x"].counts == Profile.merge(b, a).columns["x"].counts


@given(NUMBERS, st.randoms())
def test_the_order_of_rows_does_not_matter(numbers: list, random: object) -> None:
    shuffled = list(numbers)
    random.shuffle(shuffled)
    one, other = (fit_profile(frame(values), {"x": "numeric"}).columns["x"] for values in (numbers, shuffled))
    assert (one.counts, one.edges, one.missing) == (other.counts, other.edges, other.missing)


@given(NUMBERS, WORDS)
def test_json_reads_back_the_same_profile(numbers: list, words: list) -> None:
    profile = fit_profile(frame(numbers, words), KINDS)
    assert Profile.from_json(profile.to_json()) == profile
    assert Profile.from_json(profile.to_json()).to_json() == profile.to_json()


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=300))
def test_every_value_of_the_baseline_lies_inside(values: list[float]) -> None:
    edges = quantile_edges(np.array(values))
    assert edges[0] == min(values)
    assert edges[-1] > max(values)
    assert len(edges) <= 2 * BINS + 1
    assert edges == sorted(edges)


def test_published_profiles_suppress_small_counts() -> None:
    later = fit_profile(frame([1.0] * 9, ["a"] * 6 + ["b"] * 3), KINDS, like=BASELINE)
    shown = later.published().columns["c"]
    assert (shown.counts, shown.other) == ([6, 0, 0], 3)
    assert later.columns["c"].counts == [6, 3, 0]


def test_profiles_of_other_bins_do_not_merge() -> None:
    with pytest.raises(DataError, match="different bins"):
        Profile.merge(BASELINE, fit_profile(frame([1.0, 2.0]), KINDS))
    with pytest.raises(DataError, match="different columns"):
        Profile.merge(BASELINE, fit_profile(frame([1.0, 2.0]), {"x": "numeric"}))
    with pytest.raises(DataError, match="no profile"):
        merge_all([])


@pytest.mark.parametrize(("columns", "words"), [({"y": "numeric"}, "no column 'y'"), ({"c": "numeric"}, "not numeric"),
                                                ({"x": "boolean"}, "not boolean")])
def test_columns_that_do_not_fit_are_named(columns: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit_profile(frame([1.0]), columns)


def test_damaged_json_is_refused() -> None:
    with pytest.raises(DataError, match="not a profile"):
        Profile.from_json(b'{"rows": 1}')


def test_real_counts_of_adult(adult: object) -> None:
    profile = fit_profile(adult.train, {"workclass": "category", "age": "numeric", "capital-gain": "numeric"})
    assert profile.columns["workclass"].missing == 1_836  # "?" in the published file
    assert profile.rows == 32_561
    assert profile.columns["capital-gain"].zero == 29_849
    assert profile.columns["age"].std == pytest.approx(float(adult.train["age"].std(ddof=0)))
