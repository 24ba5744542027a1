"""A corrected label counts: its window is judged again though no more outcomes are known than before, and no other window is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.control.windows import monitoring
from interlock.control.windows.window_inputs import Inputs
from interlock.control.windows.window_outcomes import Outcomes, outcomes_of
from interlock.records.store import Store
from interlock.settings import Settings
from tests.control.traffic import DAY0, Traffic, captured_here

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Traffic]:
    with captured_here(settings, store, package) as made:
        yield made


def other_way_round(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(_label=1 - pl.col("_label"))


def judged_again(traffic: Traffic, correct_from_row: int = 0) -> None:
    """The rule: all outcomes known, then all of them the other way round."""
    served = traffic.serve(0)
    traffic.label(served[correct_from_row:], 1.5)
    traffic.monitor(2)
    assert traffic.states() == ["ok"]
    traffic.label(other_way_round(served[correct_from_row:]), 3)
    assert traffic.monitor(3).windows == 1
    [window] = traffic.windows()
    assert (window.state, window.labelled, window.revision) == ("breach", 400 - correct_from_row, 2)
    assert "performance.drop" in window.reports["judgement"]["breached"]
    assert traffic.monitor(3).windows == 0


@pytest.mark.parametrize("still_waiting", [0, 50])
def test_the_window_of_a_corrected_label_is_judged_again(traffic: Traffic, still_waiting: int) -> None:
    judged_again(traffic, still_waiting)


@pytest.mark.parametrize("broken", ["counts_only", "settled_for_good"])
def test_one_that_counts_labels_only_or_never_looks_back_is_caught(traffic: Traffic, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    if broken == "counts_only":
        monkeypatch.setattr(Outcomes, "correct", lambda *_: False)
    else:
        monkeypatch.setattr(Inputs, "_labelled_since", lambda _: set())
    with pytest.raises(AssertionError):
        judged_again(traffic)


def test_only_the_windows_of_corrected_labels_are_read_again(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [traffic.serve(day) for day in range(3)]
    for day, at in ((0, 1.2), (2, 3.2), (1, 3.5)):
        traffic.label(days[day], at)
    traffic.monitor(5)
    read: list[datetime] = []
    load: Callable[..., Any] = monitoring.load_predictions

    def noted(*given: Any) -> Any:
        read.append(given[2])
        return load(*given)

    monkeypatch.setattr(monitoring, "load_predictions", noted)
    assert traffic.monitor(6).windows == 0
    assert read == []
    traffic.label(other_way_round(days[0]).head(1), 6)
    traffic.label(days[1].head(1), 6)  # said once more: looked at, nothing to record
    assert traffic.monitor(6.5).windows == 1
    assert [moment.day for moment in read] == [1, 2]  # of March; not the 3rd, for which nothing was posted
    assert [window.revision for window in traffic.windows()] == [2, 1, 1]


def test_looking_back_from_before_the_correction_takes_it_not_away(traffic: Traffic) -> None:
    served = traffic.serve(0)
    traffic.label(served, 1.5)
    traffic.monitor(2)
    traffic.label(other_way_round(served), 3)
    traffic.monitor(3)
    (traffic.settings.home / "monitor" / "small_loans.json").unlink()  # so that everything is looked at
    assert traffic.monitor(2).windows == 0
    assert traffic.states() == ["breach"]


def told(*labels: tuple[str, float | None, int]) -> Outcomes:
    frame = pl.DataFrame([{"_request_id": name, "_label": label, "_label_seen_time": DAY0.replace(day=day) if label is not None else None}
                          for name, label, day in labels],
                         schema={"_request_id": pl.String, "_label": pl.Float64, "_label_seen_time": pl.Datetime("us", "UTC")})
    return outcomes_of(frame)


def test_what_counts_as_a_correction() -> None:
    before = told(("a", 1.0, 2), ("b", 0.0, 2), ("c", None, 0))
    recorded = {"told": before.model_dump()}
    assert not told(("b", 0.0, 2), ("a", 1.0, 2)).correct(recorded)       # the same, in another order
    assert told(("a", 0.0, 2), ("b", 0.0, 2)).correct(recorded)           # another outcome, dated as the first one was
    assert told(("a", 0.0, 3), ("b", 0.0, 2)).correct(recorded)           # … or later
    assert not told(("a", 0.0, 1), ("b", 0.0, 2)).correct(recorded)       # what was thought before: looked at from an earlier moment
    assert not told(("a", 0.0, 3)).correct(recorded)                      # fewer: likewise
    assert not told(("a", 0.0, 3), ("b", 0.0, 2)).correct({})             # recorded before outcomes were kept
    assert before.known == 2
    assert before.learned_ms == 2 * 1_709_337_600_000                     # 2024-03-02T00:00:00Z in milliseconds, twice
