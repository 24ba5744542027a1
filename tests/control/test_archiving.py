"""What the run `retire` does: everything that a retirement decided, never to what answers, and it says what is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from interlock.control.deployments import RETIRE
from interlock.control.releases import archiving
from interlock.errors import StoreError
from interlock.records import ledger
from interlock.records.tables import Candidate, Outbox
from tests.control.conftest import NAME, slot
from tests.control.test_retiring import package, retire, retired_in_the_same_moment, three  # noqa: F401 - a fixture

World = Any  # tests/control/conftest.py


def carried_out(world: World, decision_id: str) -> archiving.Archived:
    found = archiving.carry_out(world.settings, world.store, decision_id, endpoint=world.endpoint, clock=world.clock)
    archiving.record(world.store, found, clock=world.clock)
    return found


def told(world: World) -> list[str]:
    with world.store.reading() as session:
        return [str(ledger.body_of(entry)["sentence"]) for entry in ledger.entries(session, kinds=["retirement.done"])]


def test_a_retirement_starts_one_run_that_finishes_it(three: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    receipt = retire(three, 1)
    with three.store.reading() as session:
        row, = session.query(Outbox).filter_by(cause=receipt.decision_id)
    assert (row.deployment, row.parameters) == (RETIRE, {"use_case": NAME, "decision_id": receipt.decision_id})
    package(three, 1).mkdir()  # as if the action had died before it moved the package
    (three.settings.folder("packages") / "retired" / package(three, 1).name).rmdir()
    asked: list[int] = []
    monkeypatch.setattr(archiving, "archive_version", lambda settings, name, number: asked.append(number) or "")
    with three.store.writing() as session:
        session.execute(update(Candidate).where(Candidate.number == 1).values(mlflow_version=11))
    for _ in range(2):
        assert carried_out(three, str(receipt.decision_id)).sentence == "version 1 is archived"
    assert (package(three, 1).exists(), asked, told(three)) == (False, [11, 11], ["version 1 is archived"])
    assert ledger.verify(three.store).ok


def what_answers_is_not_touched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server went back to version 1 in the moment when it was retired: neither its package nor MLflow's version is archived."""
    retired_in_the_same_moment(world, monkeypatch)
    from interlock.control.keeping.reconciler import reconcile

    reconcile(world.settings, world.store, world.endpoint, NAME, clock=world.clock)
    asked: list[int] = []
    monkeypatch.setattr(archiving, "archive_version", lambda settings, name, number: asked.append(number) or "")
    with world.store.writing() as session:
        session.execute(update(Candidate).where(Candidate.number == 1).values(mlflow_version=11))
        decision, = (row.cause for row in session.query(Outbox).filter_by(deployment=RETIRE))
    found = carried_out(world, decision)
    assert found.sentence == "version 1 answers all the same: it is archived once it has left the route"
    assert (world.route.champion, package(world, 1).is_dir(), asked, told(world)) == (slot(1), True, [], [])


def test_what_answers_is_not_touched(three: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    what_answers_is_not_touched(three, monkeypatch)


def test_a_run_that_does_not_ask_the_route_is_caught(three: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(archiving, "_on_route", lambda session, use_case: set())
    monkeypatch.setattr(archiving, "held_by", lambda observed: set())
    with pytest.raises(AssertionError):
        what_answers_is_not_touched(three, monkeypatch)


def test_what_is_left_is_said_and_written_down_only_when_done(three: World) -> None:  # noqa: F811
    receipt = retire(three, 1)
    three.endpoint.down = True
    assert "except: the prediction server has not forgotten them yet" in carried_out(three, str(receipt.decision_id)).sentence
    assert told(three) == []
    three.endpoint.down = False
    assert carried_out(three, str(receipt.decision_id)).sentence == "version 1 is archived"
    assert told(three) == ["version 1 is archived"]


def test_only_a_retirement_can_be_carried_out(make_world: Callable[..., World]) -> None:
    world = make_world()
    decision = world.approve(world.candidate(1)).decision_id
    for unknown in (decision, "no-such-id"):
        with pytest.raises(StoreError, match="no such retirement"):
            carried_out(world, str(unknown))
