"""What monitoring has gone through is not looked at again, unless files or records before the horizon are other ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.control.windows import monitoring, window_inputs
from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.settings import Settings
from tests.control.traffic import Traffic, copy_package, spec

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
DAYS, KEPT = 6, 3


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Traffic]:
    """Six monitored days (0, 1, 3, 4, 5, 6; none on day 2), of which the newest three are remembered one by one: the horizon is day 4."""
    monkeypatch.setattr(window_inputs, "KEPT", KEPT)
    monkeypatch.setattr(monitoring, "SETTLED_AFTER", KEPT)
    copy_package(*package, settings)
    made = Traffic(settings, store, package[1], spec(monitoring={"retrain": False}))
    for day in (0, 1, 3, 4, 5, 6):
        made.serve(day, rows=20)
    assert made.monitor(8).windows == DAYS
    yield made
    made.segment.close()


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each run looked at."""
    counts: list[int] = []
    exact = monitoring._with_events

    def count(inputs: Any, *others: Any) -> Any:
        counts.append(len(inputs.recent))
        return exact(inputs, *others)

    monkeypatch.setattr(monitoring, "_with_events", count)
    return counts


def test_a_new_window_costs_the_newest_files_alone(traffic: Traffic, looked_at: list[int]) -> None:
    horizon = json.loads((traffic.settings.home / "monitor" / "small_loans.json").read_bytes())["horizon"]
    assert (horizon["start"], horizon["recorded"]) == ("2024-03-05T00:00:00.000000Z", 3), "day 0 is 1 March; days 0, 1 and 3 lie before"
    traffic.serve(7, rows=20)
    assert traffic.monitor(9).windows == 1
    assert looked_at == [4], "days 4 to 7"


def test_a_late_prediction_before_the_horizon_is_judged(traffic: Traffic, looked_at: list[int]) -> None:
    traffic.serve(2, rows=20)
    assert traffic.monitor(8).windows == 1
    assert looked_at == [DAYS + 1], "other files lie before the horizon: everything is looked at"
    assert [window.rows for window in traffic.windows()] == [20] * 7


def test_windows_that_a_restored_store_lacks_are_judged_again(traffic: Traffic) -> None:
    with traffic.store.writing() as session:
        session.delete(session.query(Window).order_by(Window.start).first())
    (traffic.settings.home / "monitor" / "small_loans.json").write_text(json.dumps(_forgetting(traffic)))
    assert traffic.monitor(8).windows == 1
    assert len(traffic.windows()) == DAYS


def _forgetting(traffic: Traffic) -> dict[str, Any]:
    """The memory without its windows, so that only the horizon could hide one."""
    kept: dict[str, Any] = json.loads((traffic.settings.home / "monitor" / "small_loans.json").read_bytes())
    return kept | {"windows": {}}
