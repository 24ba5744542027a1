"""Windows without labels: estimated from the answers, held against the truth when it comes, never a reason to breach or to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from interlock.control.evidence.estimates import keep_reference, make_reference, reference_of
from interlock.errors import InterlockError
from interlock.modeling.held_out import HeldOut, hold_out
from interlock.modeling.making import make_package
from interlock.modeling.package import Package, read_package
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from tests.control.test_monitoring import finding
from tests.control.traffic import Traffic, copy_package, people, spec

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def make_traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Callable[..., Traffic]]:
    copy_package(*package, settings)
    opened: list[Traffic] = []

    def make(use_case: UseCase | None = None, *, known: bool = True) -> Traffic:
        opened.append(Traffic(settings, store, package[1], use_case or spec()))
        if known:
            keep_reference(settings, package[1], make_reference(held_out(opened[-1].package)))
        return opened[-1]

    yield make
    for traffic in opened:
        traffic.segment.close()


def held_out(package: Package) -> HeldOut:
    return hold_out(spec(), package, people(8000, 1))


def value_of(traffic: Traffic, metric: str, window: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = finding(traffic, metric, window)
    return found


def test_a_window_without_labels_has_an_estimate_and_says_what_it_rests_on(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    traffic.serve(0)
    traffic.monitor(2)
    assert traffic.states() == ["ok"]
    auc = value_of(traffic, "performance.estimated_auc")
    assert auc["low"] < auc["value"] < auc["high"]
    assert auc["detail"]["method"] == "CBPE"
    assert value_of(traffic, "performance.drop")["state"] == "too_few"
    assert value_of(traffic, "performance.estimated_drop")["state"] == "ok"
    assert value_of(traffic, "performance.estimate_range")["value"] < 0.05
    assert value_of(traffic, "performance.estimate_error")["state"] == "too_few"


def test_harder_cases_warn_but_neither_breach_nor_retrain(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic(spec(monitoring={"drift_psi_max": 99.0}))
    frame = people(4_000, 77)
    hard = frame.filter(pl.col("income").abs() < 0.35).head(300)
    traffic.serve(0, frame=hard)
    assert not traffic.monitor(2).retrain
    assert traffic.states() == ["warn"]
    judgement = traffic.windows()[0].reports["judgement"]
    assert judgement["warned"] == ["performance.estimated_drop"]
    assert not judgement["retrains"]


def test_matured_labels_are_held_against_the_estimate_and_the_real_drop_counts(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    traffic.label(traffic.serve(0, seed=5), 3)
    traffic.monitor(2)
    assert value_of(traffic, "performance.estimate_error")["state"] == "too_few"
    traffic.monitor(4)
    error = value_of(traffic, "performance.estimate_error")
    assert error["detail"]["true"] == pytest.approx(value_of(traffic, "performance.auc")["value"])
    assert error["detail"]["inside"]
    assert value_of(traffic, "performance.estimated_drop")["state"] == "stale"
    assert traffic.windows()[0].revision == 2


def test_coverage_counts_earlier_windows_and_concept_drift_shows_as_error(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    for day in range(6):
        traffic.label(traffic.serve(day), day)
    traffic.label(traffic.serve(6, noise=True), 6)
    traffic.serve(7)
    traffic.monitor(9)
    first, last = value_of(traffic, "performance.estimate_coverage", 0), value_of(traffic, "performance.estimate_coverage", 7)
    assert first["state"] == "too_few"
    assert last["sample_size"] == 7
    assert last["value"] <= 6 / 7
    drifted = value_of(traffic, "performance.estimate_error", 6)
    assert not drifted["detail"]["inside"], "an estimate cannot see that outcomes mean something else now"
    assert drifted["value"] > 0.2
    assert traffic.monitor(9).windows == 0, "a second look changes nothing"


def test_inputs_never_seen_before_are_counted(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    traffic.serve(0, shift=9.0)
    traffic.monitor(2)
    assert value_of(traffic, "performance.estimate_range")["value"] > 0.9
    assert "knows nothing about" in value_of(traffic, "performance.estimate_range")["note"]


def test_without_held_out_rows_the_estimate_is_missing_and_nothing_fails(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic(known=False)
    traffic.serve(0)
    traffic.monitor(2)
    assert traffic.states() == ["ok"]
    missing = value_of(traffic, "performance.estimated_drop")
    assert missing["state"] == "missing"
    assert "there is no such snapshot" in missing["note"]
    assert "performance.estimate_coverage" not in {one["metric"] for one in traffic.windows()[0].findings}


@pytest.mark.parametrize("rows", [1, 60])
def test_few_answers_are_too_few(make_traffic: Callable[..., Traffic], rows: int) -> None:
    traffic = make_traffic()
    traffic.label(traffic.serve(0, rows=rows), 0)
    traffic.monitor(2)
    assert value_of(traffic, "performance.estimated_auc")["state"] == "too_few"
    assert value_of(traffic, "performance.estimated_drop")["state"] == "too_few"
    assert traffic.states() == ["unknown"]


def test_labels_for_unknown_requests_and_of_one_class_only(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    frame = traffic.serve(0)
    traffic.label(frame.with_columns(pl.Series("_request_id", [f"stranger-{number}" for number in range(frame.height)])), 1)
    traffic.label(frame.filter(pl.col("_label") == 1.0), 1)
    traffic.monitor(2)
    error = value_of(traffic, "performance.estimate_error")
    assert (error["state"], error["value"]) == ("too_few", None)
    assert "one class" in error["note"]
    assert traffic.windows()[0].labelled == frame["_label"].sum()


def test_a_damaged_reference_is_made_again_or_missing(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    kept = traffic.settings.home.resolve() / "estimates" / f"{traffic.digest.removeprefix('sha256:')}.json"
    kept.write_text("{}")
    with pytest.raises(InterlockError, match="no such snapshot"):
        reference_of(traffic.settings, traffic.use_case, traffic.package)


def test_the_reference_is_the_same_bit_for_bit_and_small(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic()
    again = make_reference(held_out(traffic.package))
    assert reference_of(traffic.settings, traffic.use_case, traffic.package) == again
    assert len(again.model_dump_json()) < 30_000


def test_a_regression_is_estimated_from_a_model_of_its_error(settings: Settings, store: Store, tmp_path: Path) -> None:
    use_case = spec(prediction={"task": "regression", "positive": None})
    random = np.random.default_rng(3)

    def cases(rows: int, seed: int, **changes: Any) -> pl.DataFrame:
        frame = people(rows, seed, **changes)
        noise = np.random.default_rng(seed).normal(0, 1, rows) * (1 + np.abs(frame["income"].to_numpy()))
        return frame.with_columns(_label=4 * pl.col("income") + pl.Series(noise))
    rows = cases(6_000, 1)
    made = make_package(settings.folder("packages"), use_case, rows, snapshot_digest="sha256:" + "0" * 64, spec_digest="sha256:" + "1" * 64)
    package = read_package(settings.folder("packages"), made.package.digest)
    keep_reference(settings, package.digest, make_reference(hold_out(use_case, package, rows)))
    traffic = Traffic(settings, store, package.digest, use_case)
    for day in range(2):
        served = cases(500, int(random.integers(10_000)))
        traffic.label(traffic.serve(day, frame=served), day)
    traffic.monitor(4)
    traffic.segment.close()
    rmse = value_of(traffic, "performance.estimated_rmse")
    assert rmse["detail"]["method"] == "DLE"
    error = value_of(traffic, "performance.estimate_error")
    assert abs(error["value"]) < 0.25 * error["detail"]["true"]
