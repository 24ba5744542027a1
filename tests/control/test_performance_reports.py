"""Performance reports of real candidates: what is there, what is missing and why, and that nothing changes from run to run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.control.evidence import performance_reports
from interlock.control.evidence.case import Case, Champion, open_case
from interlock.control.evidence.estimates import make_reference, reference_of
from interlock.errors import PackageError
from interlock.rules.findings import Finding, State
from interlock.spec.load import find_use_case
from tests.control.trial_bench import NAME, Bench, Fault, census

CLOCK = '[time]\nrow_start = "2024-01-01T00:00:00Z"\nrow_step_minutes = 30'
MONEY = """
[segments]
columns = ["sex", "age"]
[value]
currency = "USD"
basis = "An example."
true_positive = 10
false_positive = -4
true_negative = 0
false_negative = -2
"""


@pytest.fixture(scope="module")
def rows(data_dir: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return census(data_dir)


def case_of(bench: Bench, **changes: object) -> Case:
    candidate = bench.make(**changes)  # type: ignore[arg-type]
    path, use_case = find_use_case(bench.settings, NAME)
    return open_case(bench.settings, bench.store, path, use_case, candidate, None, None)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[Case]:
    bench = Bench(tmp_path_factory.mktemp("valued"), *rows)
    yield case_of(bench, more=MONEY)
    bench.store.close()


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[Case]:
    bench = Bench(tmp_path_factory.mktemp("timed"), *rows)
    yield case_of(bench, time=CLOCK, split="time")
    bench.store.close()


def named(findings: list[Finding], metric: str) -> list[Finding]:
    return [finding for finding in findings if finding.metric == f"performance.{metric}"]


@pytest.mark.parametrize("name", ["performance", "calibration", "slices", "value", "backtest", "estimate"])
def test_every_report_comes_out_the_same_again(timed: Case, case: Case, name: str) -> None:
    for one in (timed, case):
        report = getattr(performance_reports, name)
        assert report(one) == report(one)


def test_the_weakest_slice_and_the_declared_segments(case: Case) -> None:
    found, figures = performance_reports.slices(case)
    weakest = named(found, "weakest_slice")[0]
    assert (weakest.state, weakest.detail["confirmed"]) == (State.OK, True)
    assert {finding.segment for finding in named(found, "segment")} >= {"sex=Male", "sex=Female"}
    assert {row["column"] for row in figures["segments"]} == {"sex", "age"}


def test_decisions_are_worth_money_where_the_use_case_says_what(case: Case, timed: Case) -> None:
    found, figures = performance_reports.value(case)
    worth = named(found, "value_per_1000")[0]
    assert worth.unit == "USD per 1,000"
    assert "An example." in worth.note
    answer, label = case.held_out.predictions, case.held_out.labels
    amounts = np.select([(label == 1) & (answer == 1), (label == 0) & (answer == 1), (label == 1) & (answer == 0)], [10.0, -4.0, -2.0], 0.0)
    assert worth.value == pytest.approx(amounts.mean() * 1_000)
    assert len(figures["money"]["threshold"]) <= 200
    missing = performance_reports.value(timed)[0]
    assert [(one.state, one.note) for one in missing] == [(State.MISSING, "the use case has no [value] section")]


def test_a_timed_use_case_is_backtested_and_an_untimed_one_says_why_not(case: Case, timed: Case) -> None:
    found, figures = performance_reports.backtest(timed)
    assert [finding.state for finding in found] == [State.OK] * 2
    assert len(figures["backtest"]["at"]) >= 3
    assert found[0].detail["smallest"] <= found[0].value <= found[0].detail["largest"]
    assert "60 rounds" in found[0].note or "rounds" in found[0].note
    missing = performance_reports.backtest(case)[0]
    assert {finding.state for finding in missing} == {State.MISSING}
    assert all("no time of their own" in finding.note for finding in missing)


def test_estimates_are_examined_on_held_out_rows(case: Case) -> None:
    found, figures = performance_reports.estimate(case)
    assert named(found, "estimate_calibration")[0].state is State.OK
    assert len(figures["estimates"]["true"]) == len(figures["estimates"]["estimated"]) == 3
    assert named(found, "estimate_coverage")[0].state is State.TOO_FEW


def test_the_reference_is_made_from_the_snapshot_once_and_kept(case: Case) -> None:
    made = reference_of(case.settings, case.use_case, case.package)
    assert made == make_reference(case.held_out)
    kept = case.settings.home.resolve() / "estimates" / f"{case.package.digest.removeprefix('sha256:')}.json"
    before = kept.stat().st_mtime_ns
    assert reference_of(case.settings, case.use_case, case.package) == made
    assert kept.stat().st_mtime_ns == before
    kept.write_text("damaged")
    assert reference_of(case.settings, case.use_case, case.package) == made


def one_answer(rows: pl.DataFrame) -> pl.DataFrame:
    """Held-out rows without anybody who earns much, but for a few (a split refuses one class)."""
    rich = rows["income"] == ">50K"
    return pl.concat([rows.filter(~rich), rows.filter(rich).head(3)])


@pytest.mark.parametrize("fault", [lambda rows: rows.head(60), one_answer], ids=["few rows", "hardly any positive"])
def test_poor_held_out_rows_end_in_states(tmp_path: Path, rows: tuple[pl.DataFrame, pl.DataFrame], fault: Fault) -> None:
    bench = Bench(tmp_path / "poor", *rows)
    poor = case_of(bench, in_test=fault, more=MONEY)
    for name in ("performance", "calibration", "slices", "value", "backtest", "estimate"):
        found, _ = getattr(performance_reports, name)(poor)
        assert found
        assert all(one.state is not State.ERROR and (one.value is None or np.isfinite(one.value)) for one in found)
        assert all(one.note for one in found if one.state is not State.OK)
    assert named(performance_reports.estimate(poor)[0], "estimate_coverage")[0].state is State.TOO_FEW
    bench.store.close()


MULTICLASS = """task = "multiclass"
target = "relationship"
classes = ["Husband", "Not-in-family", "Own-child", "Unmarried", "Wife", "Other-relative"]"""
REGRESSION = 'task = "regression"\ntarget = "hours-per-week"'


@pytest.mark.parametrize(("prediction", "target", "more"), [
    (MULTICLASS, "relationship", ""),
    (REGRESSION, "hours-per-week", '[value]\ncurrency = "h"\nbasis = "An example."\nover = 1\nunder = 2')],
    ids=["multiclass", "regression"])
def test_other_tasks_have_their_reports_and_compare_with_a_champion(
        tmp_path: Path, rows: tuple[pl.DataFrame, pl.DataFrame], prediction: str, target: str, more: str) -> None:
    bench = Bench(tmp_path / "other", *rows)
    other = case_of(bench, prediction=prediction, roles={"income": "ignore", target: "target"}, more=more)
    rival = dataclasses.replace(other, champion=Champion("sha256:" + "0" * 64, other.package, other.held_out.scores))
    performance, figures = performance_reports.performance(rival)
    assert all(one.value == 0 for one in performance if one.metric.startswith("performance.vs_champion"))
    further = "performance.vs_champion_mae" if "regression" in prediction else "performance.vs_champion_error"
    assert {"performance.vs_champion", further} <= {one.metric for one in performance}
    assert figures
    slices = performance_reports.slices(other)[0]
    assert named(slices, "weakest_slice")[0].unit == ("units of the target" if "regression" in prediction else "nats")
    estimates, drawn = performance_reports.estimate(other)
    if "regression" in prediction:
        assert named(performance_reports.value(rival)[0], "value_vs_champion")[0].value == 0
        assert drawn["estimates"]["metric"] == "rmse"
    else:
        found = performance_reports.calibration(other)[0]
        assert {one.segment for one in found if one.metric == "calibration.class_ece"} >= {"class=Husband", "class=Wife"}
        assert any(one.metric == "performance.class_recall" and one.segment == "class=Husband" for one in performance)
    assert all(one.state is not State.ERROR for one in [*performance, *slices, *estimates])
    bench.store.close()


def test_a_champion_that_cannot_be_asked_is_an_error_of_the_comparison_only(case: Case) -> None:
    broken = dataclasses.replace(case, champion=Champion("sha256:" + "0" * 64, error=PackageError("the package is not there")))
    found, figures = performance_reports.performance(broken)
    assert {one.metric for one in found if one.state is State.ERROR} == {"performance.vs_champion"}
    assert figures["roc"]
    money = performance_reports.value(broken)[0]
    assert {one.metric for one in money if one.state is State.ERROR} == {"performance.value_vs_champion"}
