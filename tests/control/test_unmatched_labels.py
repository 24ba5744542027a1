"""Labels that name no captured request end in a finding with the newest window; nothing is read again and no history either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.records import late_labels
from interlock.records.store import Store
from interlock.settings import Settings
from tests.control.traffic import Traffic, captured_here

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Traffic]:
    with captured_here(settings, store, package) as made:
        yield made


def strangers(rows: int, name: str = "nobody") -> pl.DataFrame:
    return pl.DataFrame({"_request_id": [f"{name}-{row}" for row in range(rows)], "_label": [1.0] * rows})


def told(traffic: Traffic, window: int = -1) -> list[dict[str, Any]]:
    return [found for found in traffic.windows()[window].findings if found["metric"] == "labels.unmatched"]


def test_labels_for_unknown_requests_are_said_with_the_newest_window(traffic: Traffic) -> None:
    traffic.label(traffic.serve(0), 1.2)
    traffic.serve(1)
    traffic.label(strangers(30), 1.3)
    traffic.monitor(2.2)
    [found] = told(traffic)
    assert (found["value"], found["sample_size"], found["state"]) == (30, 430, "ok")
    assert found["note"] == ("30 of 430 labels seen since 2024-03-02 00:00 UTC name no request among those captured since "
                             "2024-03-01 01:00 UTC: they count nowhere.")
    assert told(traffic, 0) == []
    assert traffic.windows()[-1].reports["judgement"]["warned"] == []


def test_labels_of_requests_of_other_windows_arms_and_later_ones_are_known(traffic: Traffic) -> None:
    traffic.label(traffic.serve(0), 1.2)
    traffic.serve(1)
    traffic.label(traffic.serve(1, arm="candidate", version=2), 1.4)
    traffic.label(traffic.serve(2), 2.1)
    traffic.monitor(2.2)
    [found] = told(traffic)
    assert (found["value"], found["sample_size"]) == (0, 1200)
    assert found["note"] == "Each of the 1,200 labels seen since 2024-03-02 00:00 UTC names a captured request."


def test_strangers_that_come_after_the_window_was_judged_are_said_and_only_once(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.monitor(1.1)
    assert [found["state"] for found in told(traffic)] == ["missing"]
    traffic.label(strangers(7), 1.2)
    assert traffic.monitor(1.3).windows == 1
    assert told(traffic)[0]["value"] == 7
    assert traffic.monitor(1.3).windows == 0
    traffic.label(strangers(7), 1.4)  # the same again, and nobody new
    assert traffic.monitor(1.5).windows == 0
    assert traffic.windows()[-1].revision == 2


def test_a_long_history_is_not_read_for_them(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_labels, "FILES_READ_MAX", 2)
    old = traffic.serve(0)
    for day in (1, 2):
        traffic.serve(day)
    traffic.label(old, 2.5)
    traffic.monitor(3.1)
    [found] = told(traffic)
    assert found["value"] == 400
    assert "captured since 2024-03-02 01:00 UTC" in found["note"]
