"""The replayed loop: nothing from the future is learned, labels wait for their delay, and retraining follows the rules of production."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from interlock.modeling import loop
from interlock.modeling.loop import Replay, known_at, replay
from interlock.modeling.package import Package
from interlock.rules.monitoring import Judgement, WindowState
from interlock.spec.usecase import UseCase

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 24 * 40
DELAY = timedelta(hours=30)
FIRST = START + timedelta(days=14)


def use_case(**monitoring: Any) -> UseCase:
    return UseCase.model_validate({
        "spec_version": 1, "name": "tiny", "title": "t", "description": "d", "owner": "o",
        "prediction": {"task": "binary", "target": "y", "positive": ["1"], "moment": "now"},
        "source": {"kind": "files", "files": [{"path": "x.csv"}]}, "time": {"column": "at"},
        "columns": {"at": {"type": "datetime", "role": "ignore"}, "x": {"type": "float"}, "y": {"type": "category", "role": "target"}},
        "labels": {"delay_hours": 30},
        "training": {"trials": 1, "rounds_max": 10, "threads": 1, "rows_min": 50, "proposals": 0, "test_fraction": 0.1, "window_days": 6},
        "monitoring": {"window_hours": 72, "watermark_hours": 6, "breaches": 1, "of": 3, "cooldown_hours": 0} | monitoring})


def frame(seed: int = 1) -> pl.DataFrame:
    """An hourly row; in the middle the meaning of x turns over."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=HOURS)
    turned = np.where(np.arange(HOURS) < HOURS // 2, 1, -1)
    moments = pl.Series("_event_time", [START + timedelta(hours=hour) for hour in range(HOURS)], dtype=pl.Datetime("us", "UTC"))
    label = (x * turned + draw.normal(size=HOURS) * 0.3 > 0).astype(np.float64)
    return pl.DataFrame({"x": x, "_label": label, "_row_id": [f"r{n:05d}" for n in range(HOURS)]}).with_columns(
        moments, moments.alias("_seen_time"), (moments + DELAY).alias("_label_seen_time"), at=moments,
        y=pl.Series(label).cast(pl.Int64).cast(pl.String), _split=pl.lit(None, dtype=pl.String))


def says(retrains: bool) -> Judgement:
    return Judgement(state=WindowState.BREACH if retrains else WindowState.OK, breached=["performance.drop"] if retrains else [],
                     retrains=retrains)


def by_accuracy(package: Package, rows: pl.DataFrame) -> Judgement:
    known = rows.filter(pl.col("_label").is_not_null())
    right = ((known["_score"] >= 0.5).cast(pl.Float64) == known["_label"]).mean() if known.height >= 24 else 1.0
    return says(float(right or 0.0) < 0.7)  # type: ignore[arg-type]


def run(root: Path, case: UseCase | None = None, rows: pl.DataFrame | None = None, judge: Any = by_accuracy, **options: Any) -> Replay:
    return replay(case or use_case(), frame() if rows is None else rows, judge, root, first=FIRST, **options)


def accuracy(done: Replay, since: datetime) -> float:
    rows = done.rows.filter(pl.col("_event_time") >= since)
    return float(((rows["_score"] >= 0.5).cast(pl.Float64) == rows["_label"]).mean() or 0.0)  # type: ignore[arg-type]


def test_a_turn_in_the_data_is_learned_by_the_loop_and_not_by_a_frozen_model(tmp_path: Path) -> None:
    late = START + timedelta(days=33)
    frozen, alive = run(tmp_path / "a", retrain="never"), run(tmp_path / "b")
    assert (len(frozen.trained), accuracy(frozen, late) < 0.3) == (1, True)
    assert accuracy(alive, late) > accuracy(frozen, late) + 0.2
    assert set(alive.causes[1:]) == {"breach"}
    assert alive.rows["_row_id"].to_list() == frame().filter(pl.col("_event_time") >= FIRST)["_row_id"].to_list()


def test_what_comes_later_changes_no_earlier_answer(tmp_path: Path) -> None:
    """The property behind prequential evaluation: rows, and labels not yet seen, can be anything without an answer before them moving."""
    cut = START + timedelta(days=30)
    plain = frame()
    after, unseen = pl.col("_event_time") >= cut, pl.col("_label_seen_time") > cut
    spoiled = plain.with_columns(pl.when(after).then(99.0).otherwise(pl.col("x")).alias("x"),
                                 pl.when(unseen).then(1 - pl.col("_label")).otherwise(pl.col("_label")).alias("_label"))
    before = [run(tmp_path / name, rows=rows, retrain="both", every=timedelta(days=4)).rows.filter(pl.col("_event_time") < cut)
              for name, rows in (("a", plain), ("b", spoiled))]
    assert before[0]["_score"].to_list() == before[1]["_score"].to_list()
    assert before[0]["_model"].max() > 0  # type: ignore[operator]


def test_a_model_that_saw_the_future_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same check fails where training is handed all rows."""
    monkeypatch.setattr(loop, "known_rows", lambda rows, now: rows)
    make = loop.make_package
    monkeypatch.setattr(loop, "make_package", lambda *given, as_of, **options: make(*given, as_of=None, **options))
    with pytest.raises(AssertionError):
        test_what_comes_later_changes_no_earlier_answer(tmp_path)


def test_labels_wait_for_their_delay() -> None:
    now = START + timedelta(days=20)
    known = known_at(frame(), now)
    assert known["_label"].count() == frame().filter(pl.col("_event_time") <= now - DELAY).height


def test_the_judge_sees_only_labels_that_were_known_and_sees_them_when_they_come(tmp_path: Path) -> None:
    seen: dict[datetime, list[int]] = {}

    def judge(package: Package, rows: pl.DataFrame) -> Judgement:
        seen.setdefault(rows["_event_time"][0], []).append(rows["_label"].count())
        return says(False)

    run(tmp_path, judge=judge)
    whole = list(seen.values())[1:-1]
    assert all(counts == [49, 72] for counts in whole)  # 72 + 6 - 30 hours after the first row, that hour included; then all


def test_breaches_window_and_cooldown_are_those_of_production(tmp_path: Path) -> None:
    always = lambda package, rows: says(True)  # noqa: E731
    every_window = run(tmp_path / "a", judge=always)
    slow = run(tmp_path / "b", use_case(cooldown_hours=24 * 7), judge=always)
    two = run(tmp_path / "c", use_case(breaches=2), judge=always)
    gaps = np.diff([moment.timestamp() / 3600 for moment in slow.trained[1:]])
    assert (len(every_window.trained) - 1, bool((gaps >= 24 * 7).all())) == (len(every_window.windows), True)
    assert len(two.trained) < len(every_window.trained)  # each new model starts with no breached window


def test_a_new_model_answers_from_the_moment_it_was_made(tmp_path: Path) -> None:
    done = run(tmp_path, judge=lambda package, rows: says(True))
    for number, made in enumerate(done.trained[1:], start=1):
        own = done.rows.filter(pl.col("_model") == number)
        assert own.is_empty() or own["_event_time"].min() >= made  # type: ignore[operator]


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few labelled rows"):
        replay(use_case(), frame(), by_accuracy, tmp_path, first=START + timedelta(hours=40))
    with pytest.raises(DataError, match="no row to answer"):
        replay(use_case(), frame(), by_accuracy, tmp_path, first=START + timedelta(days=400))
    with pytest.raises(DataError, match="a schedule needs"):
        run(tmp_path, retrain="schedule")


def drifts_handed_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[datetime | None]:
    """The start of the last drift as each training was told it; windows breach from the third on, but for the fifth."""
    told: list[datetime | None] = []
    make = loop.make_package

    def watched(*given: Any, drifted_at: datetime | None, **options: Any) -> Any:
        told.append(drifted_at)
        return make(*given, drifted_at=drifted_at, **options)

    def judge(package: Package, rows: pl.DataFrame) -> Judgement:
        return says((rows["_event_time"][-1] - FIRST) // timedelta(days=3) in {2, 3, 5})

    monkeypatch.setattr(loop, "make_package", watched)
    run(root, judge=judge)
    return told


def test_a_training_is_told_when_the_last_drift_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A breach of the third window, and of the fourth after it, began with the third; that of the sixth is a drift of its own."""
    starts = [window.start for window in run(tmp_path / "starts", judge=lambda package, rows: says(False)).windows]
    assert drifts_handed_over(tmp_path, monkeypatch) == [None, starts[2], starts[2], starts[5]]


def test_a_loop_that_forgets_the_drift_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "drift_began", lambda breached: None)
    with pytest.raises(AssertionError):
        test_a_training_is_told_when_the_last_drift_began(tmp_path, monkeypatch)
