"""Monitored windows keep their profile, are compared with what came before, part by part, and history is not read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import reports.evidently_report
from interlock.control.windows import monitoring, window_inputs
from interlock.control.windows.monitoring import monitor_use_case
from interlock.control.windows.window_evidently import FAILURE, HTML, attach_evidently, window_folder
from interlock.control.windows.window_profiles import importance_of, kept_profile
from interlock.errors import DataError
from interlock.modeling.making import make_package
from interlock.modeling.package import read_package
from interlock.records.lake import lake_from
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, EvidenceRow, Window
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.profiles import fit_profile, merge_all
from tests.control.traffic import DAY0, Traffic, copy_package, people, spec

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SEGMENTED: dict[str, Any] = {"monitoring": {"segments": ["region"]}}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("packages")
    made = make_package(root, spec(**SEGMENTED), people(8000, 1), snapshot_digest="sha256:" + "0" * 64, spec_digest="sha256:" + "1" * 64)
    return root, made.package.digest


@pytest.fixture
def make_traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Callable[..., Traffic]]:
    copy_package(*package, settings)
    opened: list[Traffic] = []

    def make(**limits: Any) -> Traffic:
        opened.append(Traffic(settings, store, package[1], spec(monitoring=SEGMENTED["monitoring"] | limits)))
        return opened[-1]

    yield make
    for traffic in opened:
        traffic.segment.close()


@pytest.fixture
def traffic(make_traffic: Callable[..., Traffic]) -> Traffic:
    return make_traffic()


def found(window: Window, metric: str, segment: str | None = None) -> dict[str, Any]:
    return next(one for one in window.findings if one["metric"] == metric and segment in (None, one["segment"]))


def test_the_windows_profile_is_kept_and_merges_to_that_of_all_rows(traffic: Traffic) -> None:
    frames = [traffic.serve(day, shift=day) for day in range(3)]
    traffic.monitor(4)
    lake = lake_from(traffic.settings)
    kept = [kept_profile(lake, window.reports["profile"]) for window in traffic.windows()]
    baseline = fit_profile(people(8000, 1), {"income": "numeric", "region": "category"})
    whole = merge_all(kept)
    assert whole.rows == 1_200
    rows = pl.concat(frames)
    edges = kept[0].columns["income"].edges
    assert whole.columns["income"].counts == np.bincount(np.searchsorted(edges, rows["income"].to_numpy(), side="right"),
                                                         minlength=len(edges) + 1).tolist()
    assert sorted(whole.columns["region"].categories) == sorted(baseline.columns["region"].categories)
    assert set(whole.segments) == {"region=north", "region=south", "region=west"}
    assert len(lake.get(traffic.windows()[0].reports["profile"])) < 30_000


def test_a_damaged_profile_is_an_error_of_its_report_never_fine(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.monitor(2)
    key = traffic.windows()[0].reports["profile"]
    (traffic.settings.folder("lake") / key).write_bytes(b"damaged")
    with pytest.raises(DataError, match="altered"):
        kept_profile(lake_from(traffic.settings), key)
    traffic.serve(1)
    traffic.monitor(3)
    second = traffic.windows()[1]
    assert found(second, "drift.previous_share")["state"] == "error"
    assert second.state == "unknown"


def test_a_jump_shows_against_the_window_before_a_slow_change_against_the_baseline(traffic: Traffic) -> None:
    for day, shift in enumerate((0.0, 0.6, 1.2, 1.2)):
        traffic.serve(day, rows=2_000, shift=shift)
    traffic.monitor(5)
    first, *_, last = traffic.windows()
    assert found(first, "drift.previous_share")["state"] == "missing"
    assert found(first, "drift.previous_share")["note"] == "no earlier window of this version has a profile"
    assert found(last, "drift.psi", "column=income")["value"] > 0.9
    previous = found(last, "drift.previous_share")
    assert (previous["value"], previous["detail"]["table"]["income"]["psi"] < 0.05) == (0.0, True)
    assert found(traffic.windows()[2], "drift.previous_share")["detail"]["moved"] == ["income"]
    assert found(last, "drift.previous_score")["value"] < 0.05 < found(last, "drift.score")["value"]


def test_drift_within_one_segment_is_found_where_the_whole_looks_calm(traffic: Traffic) -> None:
    serve_moved(traffic, 0, "west", 1.0)
    traffic.monitor(2)
    [window] = traffic.windows()
    assert found(window, "drift.segment_share", "region=west")["value"] == 1.0
    assert found(window, "drift.segment_share", "region=north")["value"] == 0.0
    assert "drift.segment_share" in window.reports["judgement"]["warned"]
    assert found(window, "drift.share")["value"] == 0.0


def serve_moved(traffic: Traffic, day: int, region: str, shift: float) -> None:
    """Ordinary applicants, but of one region with other incomes."""
    served = traffic.serve
    import tests.control.traffic as source

    ordinary = source.people
    try:
        source.people = lambda rows, seed, **options: ordinary(rows, seed, **options).with_columns(
            income=pl.when(pl.col("region") == region).then(pl.col("income") + shift).otherwise(pl.col("income")))
        served(day, rows=1_500)
    finally:
        source.people = ordinary


def test_outcomes_that_moved_are_told_once_known(traffic: Traffic) -> None:
    late = traffic.serve(0, more=3.0)
    traffic.monitor(1.1)
    assert found(traffic.windows()[0], "drift.target")["state"] == "too_few"
    traffic.label(late, 1.5)
    traffic.monitor(2)
    target = found(traffic.windows()[0], "drift.target")
    rate = float(late["_label"].mean())
    learned = target["detail"]["mean_baseline"]
    # PSI of a rate: both shares of two groups
    assert target["value"] == pytest.approx((rate - learned) * (np.log(rate / learned) - np.log((1 - rate) / (1 - learned))), rel=1e-6)
    assert "drift.target" in traffic.windows()[0].reports["judgement"]["warned"]


def test_columns_that_no_longer_belong_together_have_a_figure(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.monitor(2)
    together = found(traffic.windows()[0], "drift.reconstruction")
    assert together["state"] == "ok"
    assert together["low"] <= together["value"] <= together["high"] < 0.5


def test_the_ranking_uses_the_weights_of_the_evidence(traffic: Traffic) -> None:
    assert importance_of(traffic.store, traffic.digest) == {}
    with traffic.store.writing() as session:
        session.add(Candidate(id="c1", use_case="small_loans", number=1, package_digest=traffic.digest, snapshot_digest="s",
                              spec_digest="p", author="a", started_by="a", metrics={}, created_at=utc_now()))
        session.flush()
        session.add(EvidenceRow(digest="sha256:e", use_case="small_loans", candidate_id="c1", verdict="pass", created_at=utc_now(),
                                body={"figures": {"explain": {"importance": {"income": 0.9, "region": 0.1}}}}))
    traffic.label(traffic.serve(0, shift=1.0, noise=True), 1)
    traffic.monitor(2)
    [window] = traffic.windows()
    impact = found(window, "drift.impact")
    first = impact["detail"]["ranked"][0]
    assert first["column"] == "income"
    assert first["weighted"] == pytest.approx(0.9 * found(window, "drift.psi", "column=income")["value"])
    assert impact["detail"]["loss"] == pytest.approx(found(window, "performance.drop")["value"])
    assert impact["note"].startswith("Look first at income: PSI ")


def test_a_column_that_requests_lack_is_missing_not_left_out(traffic: Traffic) -> None:
    served = traffic._capture

    def without(body: dict[str, Any]) -> None:
        served(body | {"rows": [{name: value for name, value in row.items() if name != "region"} for row in body["rows"]],
                       "columns": {digest: {name: kind for name, kind in kinds.items() if name != "region"}
                                   for digest, kinds in body["columns"].items()}})

    traffic._capture = without  # type: ignore[method-assign]
    traffic.serve(0)
    traffic.monitor(2)
    [window] = traffic.windows()
    assert found(window, "drift.psi", "column=region")["state"] == "missing"
    assert found(window, "drift.segment_share")["state"] == "missing"


def test_values_that_went_missing_are_no_fine_window(traffic: Traffic) -> None:
    """Every second region is gone: the others have the same shares as ever, so no distance of shapes sees it."""
    served = traffic._capture

    def thinned(body: dict[str, Any]) -> None:
        served(body | {"rows": [row | {"region": row["region"] if place % 2 else None} for place, row in enumerate(body["rows"])]})

    traffic._capture = thinned  # type: ignore[method-assign]
    traffic.serve(0)
    traffic.monitor(2)
    [window] = traffic.windows()
    assert found(window, "drift.missing_change", "column=region")["value"] == 0.5
    assert found(window, "drift.psi", "column=region")["value"] < 0.05
    judgement = window.reports["judgement"]
    assert (window.state, judgement["warned"]) == ("warn", ["drift.missing_change"])
    assert "Values went missing: warn — 0.5 (column=region), at most 0.1 allowed, n = 400" in judgement["sentences"]


@dataclass
class Reads:
    """How many windows were read."""

    count: int = 0


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    counted, exact = Reads(), monitoring.load_predictions

    def load(*arguments: Any) -> pl.DataFrame:
        counted.count += 1
        return exact(*arguments)

    monkeypatch.setattr(monitoring, "load_predictions", load)
    return counted


def test_windows_are_read_again_only_when_their_files_or_labels_changed(traffic: Traffic, reads: Reads) -> None:
    frames = [traffic.serve(day) for day in range(4)]
    traffic.monitor(5)
    assert reads.count == 4
    traffic.monitor(5)
    assert reads.count == 4, "nothing came"
    traffic.serve(4)
    traffic.monitor(6)
    assert reads.count == 5, "one new window"
    for frame in frames[:3]:
        traffic.label(frame, 6.5)
    assert traffic.monitor(7).windows == 3
    assert reads.count == 10, "labels may belong to any window that still waits for some"
    traffic.serve(5)
    traffic.monitor(8)
    assert reads.count == 11
    (traffic.settings.home / "monitor" / "small_loans.json").unlink()
    assert traffic.monitor(8).windows == 0
    assert reads.count == 17, "without the memory everything is read once, and nothing recorded twice"


def test_labels_dated_later_are_used_when_their_time_has_come(traffic: Traffic) -> None:
    traffic.label(traffic.serve(0), 5)
    traffic.monitor(2)
    assert traffic.windows()[0].labelled == 0
    assert traffic.monitor(4.9).windows == 0
    assert traffic.monitor(5).windows == 1
    assert traffic.windows()[0].labelled == 400


def test_a_revision_replaces_its_profile(traffic: Traffic) -> None:
    late = traffic.serve(0)
    traffic.monitor(1.1)
    before = traffic.windows()[0].reports["profile"]
    traffic.label(late, 1.5)
    traffic.monitor(2)
    after = traffic.windows()[0].reports["profile"]
    lake = lake_from(traffic.settings)
    assert before != after
    assert lake.keys("small_loans", "windows") == [after]


def test_files_of_many_windows_are_read_once_for_their_times(make_traffic: Callable[..., Traffic], monkeypatch: pytest.MonkeyPatch) -> None:
    traffic, count, exact = make_traffic(window_hours=1), Reads(), window_inputs.event_times

    def times(*arguments: Any) -> Any:
        count.count += 1
        return exact(*arguments)

    monkeypatch.setattr(window_inputs, "event_times", times)
    for hours in (1, 5, 9):
        traffic.serve(0, rows=5, hours=hours)
    traffic.monitor(3)
    traffic.monitor(3)
    assert [window.start.hour for window in traffic.windows()] == [1, 5, 9]
    assert count.count == 1


def the_use_case(evidently: str) -> UseCase:
    return spec(monitoring={"evidently": evidently})


@pytest.mark.parametrize(("wanted", "window"), [("breach", 1), ("newest", 2), ("never", None)])
def test_evidently_is_made_for_one_window_at_most(traffic: Traffic, monkeypatch: pytest.MonkeyPatch, wanted: str, window: int | None
                                                  ) -> None:
    from interlock.control.windows import window_evidently

    made: list[tuple[int, int]] = []

    def report(reference: pl.DataFrame, current: pl.DataFrame, *_: Any, **__: Any) -> tuple[bytes, dict[str, Any]]:
        made.append((reference.height, current.height))
        return b"<html></html>", {"metrics": [1]}

    monkeypatch.setattr(reports.evidently_report, "drift_report", report)
    monkeypatch.setattr(window_evidently, "_sides", lambda settings, store, use_case, one: (people(50, 1), people(40, 2)))
    for day, shift in enumerate((2.5, 2.5, 0.0)):
        traffic.serve(day, shift=shift)
    judged = monitor_use_case(traffic.settings, traffic.store, traffic.use_case, as_of=DAY0 + timedelta(days=4)).judged
    sentence = attach_evidently(traffic.settings, traffic.store, the_use_case(wanted), judged)
    assert made == ([] if window is None else [(50, 40)])
    if window is not None:
        row = traffic.windows()[window]
        folder = window_folder(traffic.settings, "small_loans", row.start, row.end, row.package_digest)
        assert (folder / HTML).read_bytes() == b"<html></html>"
        assert str(folder / HTML) in sentence


def test_a_report_that_cannot_be_made_is_told_and_written_down(traffic: Traffic) -> None:
    traffic.serve(0, shift=2.5)
    judged = traffic.monitor(2).judged
    sentence = attach_evidently(traffic.settings, traffic.store, traffic.use_case, judged)  # there is no such snapshot
    assert "no Evidently report" in sentence
    row = traffic.windows()[0]
    assert (window_folder(traffic.settings, "small_loans", row.start, row.end, row.package_digest) / FAILURE).is_file()


def test_evidently_compares_with_the_rows_that_the_package_learned_from(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package made from a window of the history did not learn from the rows before it."""
    from interlock.control.windows import window_evidently

    old, since = people(400, 7), DAY0 - timedelta(days=40)
    late = old.with_columns(_event_time=pl.col("_event_time") - timedelta(days=100))
    frame = pl.concat([late.with_columns(_row_id="late" + pl.col("_row_id")), old])
    package = read_package(traffic.settings.folder("packages"), traffic.digest)
    made = package.manifest.training | {"window": {"since": since.isoformat()}, "labels_until": DAY0.isoformat()}
    narrow = SimpleNamespace(manifest=package.manifest.model_copy(update={"training": made}))
    monkeypatch.setattr(window_evidently, "read_package", lambda *_: narrow)
    monkeypatch.setattr(window_evidently, "modelling_rows", lambda *_: SimpleNamespace(frame=frame))
    traffic.serve(0)
    [judged] = traffic.monitor(2).judged
    learned, rows = window_evidently._sides(traffic.settings, traffic.store, traffic.use_case, judged)
    assert learned["_event_time"].min() > since
    assert rows.height == 400
