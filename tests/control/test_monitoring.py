"""Windows are judged from what was captured; faults planted in traffic are found; running twice changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.records.store import Store
from interlock.records.tables import Alert, Outbox
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from tests.control.traffic import Traffic, copy_package, spec

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def make_traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Callable[..., Traffic]]:
    copy_package(*package, settings)
    opened: list[Traffic] = []

    def make(use_case: UseCase | None = None) -> Traffic:
        opened.append(Traffic(settings, store, package[1], use_case or spec()))
        return opened[-1]

    yield make
    for traffic in opened:
        traffic.segment.close()


@pytest.fixture
def traffic(make_traffic: Callable[..., Traffic]) -> Traffic:
    return make_traffic()


def finding(traffic: Traffic, metric: str, window: int = -1) -> dict[str, Any]:
    return next(found for found in traffic.windows()[window].findings if found["metric"] == metric)


def alerts(traffic: Traffic) -> list[Alert]:
    with traffic.store.reading() as session:
        return session.query(Alert).order_by(Alert.id).all()


def test_nothing_captured_is_no_window(traffic: Traffic) -> None:
    assert traffic.monitor(3).windows == 0


def test_ordinary_traffic_is_fine_before_and_after_its_labels(traffic: Traffic) -> None:
    served = traffic.serve(0)
    assert traffic.monitor(1.1).windows == 1
    [window] = traffic.windows()
    assert (window.state, window.rows, window.labelled, window.revision) == ("ok", 400, 0, 1)
    assert "performance.drop" in window.reports["judgement"]["unknown"]
    traffic.label(served, 2)
    assert traffic.monitor(2.1).windows == 1
    [window] = traffic.windows()
    assert (window.state, window.labelled, window.revision) == ("ok", 400, 2)


def test_running_it_twice_changes_nothing(traffic: Traffic) -> None:
    for day in range(3):
        traffic.label(traffic.serve(day, shift=2.5), day + 0.5)
    first = traffic.monitor(4)
    before = [(w.state, w.revision, w.findings, w.created_at) for w in traffic.windows()], traffic.causes(), len(alerts(traffic))
    second = traffic.monitor(4)
    assert (first.windows, first.retrain) == (3, True)
    assert (second.windows, second.breaches, second.retrain) == (0, 0, False)
    assert before == ([(w.state, w.revision, w.findings, w.created_at) for w in traffic.windows()], traffic.causes(), len(alerts(traffic)))


def test_a_window_waits_for_its_watermark(traffic: Traffic) -> None:
    traffic.serve(0)
    assert traffic.monitor(1 + 0.9 / 24).windows == 0
    assert traffic.monitor(1 + 1.0 / 24).windows == 1


def test_the_boundary_belongs_to_the_next_window(traffic: Traffic) -> None:
    traffic.serve(0, hours=23.999)
    traffic.serve(0, hours=24.0)
    traffic.monitor(3)
    assert [window.start.day for window in traffic.windows()] == [1, 2]


def test_a_label_not_seen_by_then_is_not_used(traffic: Traffic) -> None:
    traffic.label(traffic.serve(0), 5)
    traffic.monitor(2)
    assert traffic.windows()[0].labelled == 0
    traffic.monitor(5)
    assert traffic.windows()[0].labelled == 400


def test_looking_back_from_an_earlier_moment_takes_nothing_away(traffic: Traffic) -> None:
    traffic.label(traffic.serve(0), 1)
    traffic.monitor(5)
    assert traffic.monitor(1.5).windows == 0
    assert traffic.windows()[0].labelled == 400


def test_late_predictions_are_judged_too(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.monitor(2)
    traffic.serve(0)
    traffic.monitor(2)
    assert [(window.rows, window.revision) for window in traffic.windows()] == [(800, 2)]


def test_moved_features_breach_and_are_named(traffic: Traffic) -> None:
    traffic.serve(0, shift=2.5)
    assert traffic.monitor(2).breaches == 1
    assert {"drift.share", "drift.score"} <= set(traffic.windows()[0].reports["judgement"]["breached"])
    assert finding(traffic, "drift.share")["detail"]["moved"] == ["income"]
    [alert] = alerts(traffic)
    assert alert.severity == "critical"
    assert "drift.share" in alert.title


def test_outcomes_that_no_longer_follow_breach_performance(traffic: Traffic) -> None:
    traffic.label(traffic.serve(0, noise=True), 1)
    traffic.monitor(2)
    drop = finding(traffic, "performance.drop")
    assert drop["value"] == pytest.approx(drop["detail"]["when_made"] - drop["detail"]["now"])
    assert drop["value"] > 0.3
    assert drop["low"] > 0
    assert traffic.windows()[0].reports["judgement"]["breached"] == ["performance.drop"]


def test_outcomes_that_became_more_frequent_breach_although_the_order_is_right(traffic: Traffic) -> None:
    late = [traffic.serve(day, more=2.0) for day in (0, 1)]
    traffic.serve(2)
    for frame in late:
        traffic.label(frame, 3)
    assert traffic.monitor(4).retrain
    assert traffic.windows()[1].reports["judgement"]["breached"] == ["performance.bias"]
    bias = finding(traffic, "performance.bias", 1)
    assert bias["value"] == pytest.approx(bias["detail"]["observed_rate"] - bias["detail"]["mean_answer"])
    assert traffic.causes() == ["breach:small_loans:2024-03-03T00:00:00.000000Z"]


def test_one_breach_is_not_two(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.serve(1, shift=2.5)
    assert not traffic.monitor(3).retrain
    assert traffic.causes() == []


def test_the_second_breach_starts_one_retraining_with_its_cause(traffic: Traffic) -> None:
    for day, shift in enumerate((2.5, 0.0, 0.0, 2.5)):
        traffic.serve(day, shift=shift)
    assert traffic.monitor(5).retrain
    assert traffic.causes() == ["breach:small_loans:2024-03-05T00:00:00.000000Z"]
    with traffic.store.reading() as session:
        [row] = session.query(Outbox).all()
    assert (row.deployment, row.parameters) == ("lifecycle/lifecycle", {"use_case": "small_loans", "started_by": "scheduler",
                                                                        "as_of": "2024-03-06T00:00:00.000000Z"})


def test_the_latest_window_must_be_one_of_them(traffic: Traffic) -> None:
    for day, shift in enumerate((2.5, 2.5, 0.0)):
        traffic.serve(day, shift=shift)
    assert not traffic.monitor(4).retrain


def test_no_second_retraining_within_the_cooldown(traffic: Traffic) -> None:
    for day in range(5):
        traffic.serve(day, shift=2.5)
    causes = []
    for day in range(1, 6):
        traffic.monitor(day + 0.1)
        causes.append(len(traffic.causes()))
    assert causes == [0, 1, 1, 2, 2], "48 hours of event time lie between the two"


def test_late_labels_start_a_retraining_for_the_windows_they_belong_to(traffic: Traffic) -> None:
    late = [traffic.serve(day, noise=True) for day in (0, 1)]
    for day in (2, 3, 4):
        traffic.serve(day)
    assert not traffic.monitor(6).retrain
    for frame in late:
        traffic.label(frame, 6)
    assert traffic.monitor(6.1).retrain
    assert traffic.causes() == ["breach:small_loans:2024-03-03T00:00:00.000000Z"]


def test_retrain_false_only_tells(make_traffic: Callable[..., Traffic]) -> None:
    traffic = make_traffic(spec(monitoring={"retrain": False}))
    for day in (0, 1):
        traffic.serve(day, shift=2.5)
    assert not traffic.monitor(3).retrain
    assert traffic.causes() == []
    assert any("retrain = false" in alert.title for alert in alerts(traffic))


def test_slow_answers_breach_but_retrain_nothing(traffic: Traffic) -> None:
    for day in (0, 1):
        traffic.serve(day, latency_ms=250.0)
    result = traffic.monitor(3)
    assert (result.breaches, result.retrain) == (2, False)
    assert finding(traffic, "latency.p99_ms")["value"] == 250.0


def test_groups_that_are_treated_differently_breach(traffic: Traffic) -> None:
    traffic.serve(0, favour="f")
    traffic.monitor(2)
    assert "fairness.selection_rate_ratio" in traffic.windows()[0].reports["judgement"]["breached"]
    assert finding(traffic, "fairness.selection_rate_ratio")["value"] == 0.0


def test_lost_answers_are_said(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.serve(1)
    traffic.lose(1, 17)
    traffic.monitor(3)
    assert traffic.states() == ["ok", "warn"]
    assert finding(traffic, "capture.gaps")["value"] == 17.0


def test_few_rows_are_unknown_never_fine(traffic: Traffic) -> None:
    traffic.serve(0, rows=60, shift=2.5)
    traffic.monitor(2)
    assert traffic.states() == ["unknown"]


def test_each_version_is_judged_against_its_own_package_and_the_candidate_not_at_all(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.serve(0, arm="candidate", version=2, shift=2.5)
    traffic.serve(0, version=3, digest="sha256:" + "9" * 64, generation=2)
    traffic.monitor(2)
    assert [(window.version, window.state) for window in traffic.windows()] == [(1, "ok"), (3, "unknown")]
    assert "drift.share" in traffic.windows()[1].reports["failed"], "that package is not there"
    assert [alert.severity for alert in alerts(traffic)] == ["warning"]


def test_breaches_of_an_older_version_do_not_count(traffic: Traffic) -> None:
    traffic.serve(0, shift=2.5)
    traffic.serve(1, version=2, digest="sha256:" + "9" * 64, generation=2, shift=2.5)
    assert not traffic.monitor(3).retrain


@pytest.mark.parametrize(("name", "value"), [("drift_psi_max", 50.0), ("drift_share_max", 0.9), ("rows_min", 500)])
def test_each_limit_changes_the_answer(make_traffic: Callable[..., Traffic], name: str, value: float) -> None:
    traffic = make_traffic(spec(monitoring={name: value}))
    traffic.serve(0, shift=2.5)
    traffic.monitor(2)
    assert "drift.share" not in traffic.windows()[0].reports["judgement"]["breached"]
