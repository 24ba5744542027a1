"""Bad input end to end: each ends in a finding, an UNKNOWN with its reason, or a clear refusal; never an exception, never a false PASS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError, SourceError
from interlock.records.store import Store
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Verdict
from interlock.settings import Settings
from tests.control.test_gate_faults import rich
from tests.control.traffic import Traffic, copy_package, small_package
from tests.control.trial_bench import Bench, Fault, answer, census

FAIL, PASS, UNKNOWN = Verdict.FAIL, Verdict.PASS, Verdict.UNKNOWN


@pytest.fixture(scope="module")
def rows(data_dir: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return census(data_dir, 1_200, 500)


@pytest.fixture
def bench(tmp_path: Path, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", *rows)
    yield made
    made.store.close()


def judged(bench: Bench, fault: Fault, in_test: Fault | None = None) -> Evidence:
    """Evidence about a candidate whose rows have the fault; no report may have raised, whatever the rows are."""
    evidence = bench.judge(bench.make(in_training=fault, in_test=in_test or fault))
    assert [finding for finding in [*evidence.findings, *evidence.observed] if finding.state is State.ERROR] == []
    assert all(finding.note for finding in evidence.findings if finding.state in {State.TOO_FEW, State.MISSING})
    return evidence


def found(evidence: Evidence, metric: str) -> Finding:
    return next(finding for finding in evidence.findings if finding.metric == metric)


def test_all_null_feature_is_named(bench: Bench) -> None:
    evidence = judged(bench, lambda frame: frame.with_columns(pl.lit(None).cast(pl.Int64).alias("age")))
    result = answer(evidence, "idle_features")
    assert (result.verdict, "age (no value at all)" in result.sentence) == (FAIL, True)
    assert next(one for one in evidence.findings if one.metric == "quality.missing_share" and one.segment == "column=age").value == 1.0


def test_constant_and_copied_features_are_named(bench: Bench) -> None:
    evidence = judged(bench, lambda frame: frame.with_columns(pl.lit(40).alias("hours-per-week"), pl.col("age").alias("capital-loss")))
    sentence = answer(evidence, "idle_features").sentence
    assert "Constant: hours-per-week." in sentence
    assert "capital-loss = age" in sentence


def test_one_group_is_no_fair_model(bench: Bench) -> None:
    evidence = judged(bench, lambda frame: frame.with_columns(pl.lit("Female").alias("sex")))
    result = answer(evidence, "fairness")
    assert result.verdict is not FAIL
    assert result.verdict is UNKNOWN or "one group" in result.sentence


def test_one_class_in_the_held_out_rows_is_refused_in_training(bench: Bench) -> None:
    with pytest.raises(DataError, match="held-out part of use case 'census' holds one class only"):
        bench.make(in_test=lambda frame: frame.filter(pl.Series(~rich(frame))))


@pytest.mark.parametrize("text", ["inf", "1e999", "many"])
def test_infinite_values_and_words_among_numbers_are_refused_rows(bench: Bench, text: str) -> None:
    def odd(frame: pl.DataFrame) -> pl.DataFrame:
        place = pl.int_range(pl.len()) % 10 == 0
        return frame.with_columns(pl.when(place).then(pl.lit(text)).otherwise(pl.col("age").cast(pl.String)).alias("age"))

    result = answer(judged(bench, odd), "quarantine")
    assert (result.verdict, result.value) == (FAIL, pytest.approx(0.1, abs=0.005))


def test_infinite_values_in_a_float_column_do_not_reach_the_model(bench: Bench) -> None:
    """Parquet and SQL can carry them past a reader of text; ingestion refuses them all the same."""
    evidence = judged(bench, lambda frame: frame.with_columns(
        pl.when(pl.int_range(pl.len()) % 12 == 0).then(float("inf")).otherwise(pl.col("age").cast(pl.Float64)).alias("age")))
    assert answer(evidence, "quarantine").verdict is FAIL
    assert answer(evidence, "schema").verdict is PASS


def test_one_row_is_refused_in_training_and_none_at_the_source(bench: Bench) -> None:
    with pytest.raises(SourceError, match="has no rows"):
        bench.make(in_training=lambda frame: frame.head(0), in_test=lambda frame: frame.head(0))
    with pytest.raises(DataError, match="too few labelled rows to train"):
        bench.make(in_training=lambda frame: frame.head(1), in_test=lambda frame: frame.head(1))


def test_50_000_levels_are_judged(bench: Bench) -> None:
    """A column that is another value in every row: an identifier that somebody calls a feature."""
    def levels(frame: pl.DataFrame) -> pl.DataFrame:
        many = pl.concat([frame] * 42).head(50_000)
        return many.with_columns(pl.format("n{}", pl.int_range(pl.len())).alias("occupation"))

    evidence = judged(bench, levels, lambda frame: frame.with_columns(pl.format("m{}", pl.int_range(pl.len())).alias("occupation")))
    assert answer(evidence, "same_rows").verdict is PASS
    assert evidence.verdict in {FAIL, UNKNOWN, PASS}


def test_levels_that_only_the_held_out_rows_have_are_drift(bench: Bench) -> None:
    evidence = judged(bench, lambda frame: frame, lambda frame: frame.with_columns(pl.format("new {}", "occupation").alias("occupation")))
    unseen = next(one for one in evidence.findings if one.metric == "drift.holdout_unseen" and one.segment == "column=occupation")
    assert unseen.value == pytest.approx(1.0, abs=0.1)


def test_mixed_types_in_one_column_are_shown(bench: Bench) -> None:
    def mixed(frame: pl.DataFrame) -> pl.DataFrame:
        place = pl.int_range(pl.len()) % 2 == 0
        return frame.with_columns(pl.when(place).then(pl.col("age").cast(pl.String)).otherwise(pl.col("workclass")).alias("workclass"))

    shown = found(judged(bench, mixed), "quality.mixed_types")
    assert (shown.segment, shown.value) == ("column=workclass", pytest.approx(0.51, abs=0.03))


def test_labels_that_never_arrive_are_no_training(bench: Bench) -> None:
    with pytest.raises(DataError, match="too few labelled rows to train"):
        bench.make(in_training=lambda frame: frame.with_columns(pl.lit(None).cast(pl.String).alias("income")),
                   in_test=lambda frame: frame.with_columns(pl.lit(None).cast(pl.String).alias("income")))


def test_labels_that_mostly_do_not_arrive_are_said(bench: Bench) -> None:
    def lost(frame: pl.DataFrame) -> pl.DataFrame:
        keep = pl.Series(np.random.default_rng(3).random(frame.height) < 0.5)
        return frame.with_columns(pl.when(keep).then(pl.col("income")).alias("income"))

    result = answer(judged(bench, lost), "label_share")
    assert (result.verdict, result.mode) == (FAIL, "block")


def test_labels_of_unknown_requests_say_nothing_about_the_known_ones(settings: Settings, store: Store, tmp_path: Path) -> None:
    """In production: outcomes of requests that were never captured are no outcomes of those that were, and break nothing."""
    digest = small_package(tmp_path / "packages")
    copy_package(tmp_path / "packages", digest, settings)
    traffic = Traffic(settings, store, digest)
    served = traffic.serve(0)
    traffic.label(served.with_columns(pl.format("somebody-else-{}", "_request_id").alias("_request_id")), 1)
    assert traffic.monitor(2).windows == 1
    [window] = traffic.windows()
    assert (window.rows, window.labelled) == (400, 0)
    assert "performance.drop" in window.reports["judgement"]["unknown"]
    assert window.reports["failed"] == {}
    traffic.segment.close()
