"""What if, from the page to a real prediction server and back: sliders, a decision that flips, and no trace in production traffic."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reasons_world import NAME, lending, opened, text, trained
from streamlit.testing.v1 import AppTest

from dashboard.components.explainability.what_if_fields import step_of
from interlock.control.access.people import Person
from interlock.control.answers.looking import what_if
from interlock.errors import InterlockError
from interlock.records.store import Store
from interlock.rules.routes import Route, Slot
from interlock.serving.client import ServingClient
from interlock.settings import Settings
from tests.control.traffic import Traffic, copy_package

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("packages")
    return root, trained(root)


@pytest.fixture
def running(environment: Settings, store: Store, made: tuple[Path, str]) -> Iterator[tuple[Traffic, ServingClient]]:
    """A server that answers with the package, and one captured day."""
    copy_package(*made, environment)
    traffic = Traffic(environment, store, made[1], lending())
    own = os.environ | {"INTERLOCK_SERVING_WORKERS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "interlock.cli.main", "serve"], env=own, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    client = ServingClient(environment)
    try:
        _wait(client)
        client.converge(Route(use_case=NAME, generation=1, champion=Slot(version=1, digest=made[1])))
        yield traffic, client
    finally:
        process.terminate()
        process.wait(15)
        client.close()
        traffic.segment.close()


def _wait(client: ServingClient) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if client.health()["workers_live"] == 1:
                return
        except InterlockError:
            time.sleep(0.1)
    raise TimeoutError("the server did not come up")


def written(settings: Settings) -> int:
    return sum(path.stat().st_size for path in settings.folder("capture").rglob("*") if path.is_file())


def test_a_slider_asks_the_server_and_leaves_no_trace(running: tuple[Traffic, ServingClient], monkeypatch: pytest.MonkeyPatch) -> None:
    """The poorest applicant was answered 1 (late); with the largest income of the training rows the same model answers 0."""
    traffic, client = running
    poorest = str(traffic.serve(0).sort("income")["_request_id"][0])
    app = opened("explainability", monkeypatch, lending(), part="answer", request=poorest)
    assert "With the captured values version 1 answers **1**" in text(app)
    before = written(traffic.settings)
    slider = app.slider[0]
    assert slider.label == "income"
    slider.set_value(slider.max).run()
    assert not app.exception
    shown = text(app)
    assert "The decision flips" in shown
    assert "**1** → **0**" in shown
    assert "Answered by version 1, not captured, not counted." in shown
    assert written(traffic.settings) == before
    assert sum(arm["answered"] for one in client.stats(NAME, 0)["generations"] for arm in one["arms"].values()) == 0
    reasons = next(one.value for one in app.table if "reason" in one.value.columns)
    assert "gone" in reasons.iloc[:, -1].tolist()  # the income speaks for the favourable answer now
    _one_change_at_a_time(app, traffic, shown)


def _one_change_at_a_time(app: AppTest, traffic: Traffic, shown: str) -> None:
    """What the page says is what the server says, and the captured row itself was not touched."""
    kept: dict[str, dict[str, Any]] = app.session_state["what if answers"]
    base, changed = kept.values()
    record = dict(app.session_state["explained"][1]["inputs"])
    top = app.slider[0].max
    found = what_if(traffic.settings, Person("Ann", ("analyst",), "test"), NAME, record | {"income": top}, base["digest"])
    assert (found["score"], found["prediction"]) == (changed["score"], changed["prediction"])
    assert base["score"] == pytest.approx(app.session_state["explained"][1]["score"], abs=1e-6)
    assert [one["value"] for one in base["fields"] if one["name"] == "region"] == [record["region"]]


@pytest.mark.parametrize(("low", "high", "whole", "step"), [
    (0.0, 1.0, False, 0.01), (0.0, 23.0, True, 1.0), (0.0, 730.0, False, 10.0), (0.0, 99_999.0, True, 1_000.0), (-3.0, 3.0, False, 0.1)])
def test_a_slider_takes_readable_steps(low: float, high: float, whole: bool, step: float) -> None:
    assert step_of(low, high, whole=whole) == pytest.approx(step)
