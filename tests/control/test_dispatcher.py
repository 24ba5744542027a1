"""Outbox → Prefect: accepted with Prefect down, started once, again only with a raised attempt, given up with an alert."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from interlock.control.deployments import DEPLOY, TRAIN
from interlock.control.keeping.dispatcher import ATTEMPTS_MAX, Dispatcher
from interlock.errors import Unavailable
from interlock.records import outbox
from interlock.records.tables import Alert, Outbox

World = Any  # tests/control/conftest.py


@dataclass
class Prefect:
    """The few addresses of Prefect's API that the keeper uses, in memory; a repeated idempotency key returns the same run."""

    down: bool = False
    deployed: bool = True
    chokes_on: tuple[str, ...] = ()  # causes
    known: str = DEPLOY
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        if self.down:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/api")
        if path == f"/deployments/name/{self.known}":
            return httpx.Response(200, json={"id": "d1"}) if self.deployed else httpx.Response(404)
        if path == "/deployments/d1/create_flow_run":
            body = json.loads(request.content)
            if body["idempotency_key"].partition(":")[0] in self.chokes_on:
                return httpx.Response(500)
            run = self.runs.setdefault(body["idempotency_key"], {"id": f"run{len(self.runs) + 1}", "state_type": "SCHEDULED", **body})
            return httpx.Response(201, json=run)
        found = [run for run in self.runs.values() if path == f"/flow_runs/{run['id']}"]
        return httpx.Response(200, json=found[0]) if found else httpx.Response(404)

    def ends(self, key: str, kind: str) -> None:
        self.runs[key]["state_type"] = kind


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def dispatcher(world: World, prefect: Prefect) -> Dispatcher:
    with world.store.writing() as session:
        outbox.enqueue(session, "cause", DEPLOY, {"use_case": "small_loans", "release_id": "r"}, at=world.clock())
    return Dispatcher(world.settings, world.store, world.clock, transport=httpx.MockTransport(prefect))


def row(world: World) -> Outbox:
    with world.store.reading() as session:
        return session.query(Outbox).one()


def forward(world: World, dispatcher: Dispatcher, seconds: float) -> None:
    """Let the keeper pass every second, as it does."""
    for _ in range(int(seconds)):
        world.clock.forward(1)
        dispatcher.run_once()


def test_an_intent_becomes_one_run(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    dispatcher.run_once()
    forward(world, dispatcher, 5)
    assert list(prefect.runs) == ["cause:1"]
    assert prefect.runs["cause:1"]["parameters"] == {"use_case": "small_loans", "release_id": "r"}
    assert (row(world).state, row(world).flow_run_id) == ("dispatched", "run1")
    prefect.ends("cause:1", "COMPLETED")
    forward(world, dispatcher, 3)
    assert row(world).state == "done"


def test_with_prefect_down_it_waits_and_is_carried_out_later(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    prefect.down = True
    with pytest.raises(Unavailable, match="Prefect does not answer"):
        dispatcher.run_once()
    for _ in range(600):
        world.clock.forward(1)
        try:
            dispatcher.run_once()
        except Unavailable:
            continue
    # pauses of 1, 2, 4, 8, 16, then 30 s: about 600 / 30 = 20 tries in ten minutes, not 600
    assert 15 <= len(prefect.requests) <= 30
    assert row(world).state == "pending"
    prefect.down = False
    forward(world, dispatcher, 30)
    assert row(world).state == "dispatched"


def test_a_crash_between_start_and_record_starts_no_second_run(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    dispatcher.run_once()
    with world.store.writing() as session:  # as if the keeper had died before it could write the run down
        session.query(Outbox).update({"state": "pending", "flow_run_id": None, "lease_until": None})
    Dispatcher(world.settings, world.store, world.clock, transport=httpx.MockTransport(prefect)).run_once()
    assert (list(prefect.runs), row(world).flow_run_id) == (["cause:1"], "run1")


@pytest.mark.parametrize("kind", ["FAILED", "CRASHED", "CANCELLED"])
def test_a_run_that_ended_badly_is_started_again_with_the_next_attempt(world: World, prefect: Prefect, dispatcher: Dispatcher,
                                                                       kind: str) -> None:
    dispatcher.run_once()
    prefect.ends("cause:1", kind)
    forward(world, dispatcher, 8)
    assert list(prefect.runs) == ["cause:1", "cause:2"]


def test_a_killed_run_that_still_says_running_is_lost_after_its_lease(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    dispatcher.run_once()
    prefect.ends("cause:1", "RUNNING")
    forward(world, dispatcher, 170)  # the lease of `deploy` is 180 s
    assert list(prefect.runs) == ["cause:1"]
    forward(world, dispatcher, 40)
    assert list(prefect.runs) == ["cause:1", "cause:2"]


def test_a_deploy_run_that_no_worker_takes_is_started_again(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    dispatcher.run_once()
    forward(world, dispatcher, 170)  # the lease of `deploy` is 180 s
    assert list(prefect.runs) == ["cause:1"]
    forward(world, dispatcher, 40)
    assert list(prefect.runs) == ["cause:1", "cause:2"]
    forward(world, dispatcher, 5 * 240)
    assert (len(prefect.runs), row(world).state) == (ATTEMPTS_MAX, "dispatched")  # the last one waits for the worker
    with world.store.reading() as session:
        assert session.query(Alert).one().title == "deploy/deploy has not begun"


def test_of_a_training_that_no_worker_takes_people_are_told_once(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    with world.store.writing() as session:
        session.query(Outbox).update({"deployment": TRAIN})
    dispatcher.lost_after_s[TRAIN] = 100
    prefect.known = TRAIN
    dispatcher.run_once()
    forward(world, dispatcher, 90)
    with world.store.reading() as session:
        assert session.query(Alert).count() == 0
    forward(world, dispatcher, 60)
    assert (list(prefect.runs), row(world).state) == (["cause:1"], "dispatched")  # a second training would cost as much again
    with world.store.reading() as session:
        assert session.query(Alert).one().title == "train/train has not begun"
    prefect.ends("cause:1", "COMPLETED")
    forward(world, dispatcher, 16)
    assert row(world).state == "done"


def test_after_the_last_attempt_people_are_told_once(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    dispatcher.run_once()
    for attempt in range(1, ATTEMPTS_MAX + 1):
        prefect.ends(f"cause:{attempt}", "FAILED")
        forward(world, dispatcher, 25)
    assert len(prefect.runs) == ATTEMPTS_MAX
    assert row(world).state == "failed"
    with world.store.reading() as session:
        assert session.query(Alert).one().title == "deploy/deploy could not be carried out"


def test_a_deployment_that_prefect_does_not_know_waits_and_says_what_to_run(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    prefect.deployed = False
    forward(world, dispatcher, 10)
    assert (row(world).state, "prefect deploy --all" in row(world).last_error, len(prefect.requests)) == ("pending", True, 1)
    prefect.deployed = True
    forward(world, dispatcher, 16)
    assert row(world).state == "dispatched"


def test_an_intent_that_prefect_chokes_on_holds_up_no_other(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    prefect.chokes_on = ("cause",)
    with world.store.writing() as session:
        outbox.enqueue(session, "later", DEPLOY, {"use_case": "small_loans", "release_id": "q"}, at=world.clock())
    dispatcher.run_once()
    with world.store.reading() as session:
        first, second = session.query(Outbox).order_by(Outbox.id)
    assert (first.state, first.attempt, second.state) == ("pending", 1, "dispatched")
    assert first.last_error == "Prefect answers 500 to this intent, but not to others"
    prefect.chokes_on = ()
    forward(world, dispatcher, 16)
    assert sorted(prefect.runs) == ["cause:1", "later:1"]


def test_with_prefect_choking_on_everything_a_pass_asks_only_a_few_times(world: World, prefect: Prefect, dispatcher: Dispatcher) -> None:
    causes = [f"cause{number}" for number in range(20)]
    prefect.chokes_on = ("cause", *causes)
    with world.store.writing() as session:
        for cause in causes:
            outbox.enqueue(session, cause, DEPLOY, {"use_case": "small_loans", "release_id": cause}, at=world.clock())
    with pytest.raises(Unavailable):
        dispatcher.run_once()
    assert sum(request.endswith("create_flow_run") for request in prefect.requests) == 5
    with world.store.reading() as session:
        assert {(row.state, row.attempt) for row in session.query(Outbox)} == {("pending", 1)}
