"""The way back: the endpoint first, the store after; with the store locked, the endpoint down, or a process killed in between."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.control.keeping.reconciler import reconcile
from interlock.errors import DecisionRefused, StaleState
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.store import Store
from interlock.records.tables import Decision, Outbox

World = Any  # tests/control/conftest.py
NAME = "small_loans"


def decisions(world: World, kind: str = "rollback") -> list[Decision]:
    with world.store.reading() as session:
        return list(session.query(Decision).filter_by(kind=kind))


def keep(world: World) -> str:
    return reconcile(world.settings, world.store, world.endpoint, NAME, clock=world.clock).found


@pytest.fixture
def two(world: World) -> World:
    """Version 2 is live, version 1 is the way back."""
    world.make_live(1)
    world.make_live(2)
    world.endpoint.calls.clear()
    return world


def test_the_endpoint_swaps_before_the_store_writes(two: World) -> None:
    receipt = two.roll_back()
    assert two.endpoint.calls[0] == "rollback"
    assert (receipt.observed.champion.version, two.route.champion.version, receipt.observed.override) == (1, 1, False)
    with two.store.reading() as session:
        intent = session.query(Outbox).filter_by(cause=receipt.decision_id).one()
        assert (intent.deployment, intent.parameters) == ("rollback/rollback", {"use_case": NAME, "decision_id": receipt.decision_id})
        assert ledger.body_of(ledger.entries(session, kinds=["decision.rollback"])[0])["detail"]["endpoint_first"] is True


def test_the_bad_version_is_not_the_way_back(two: World) -> None:
    receipt = two.roll_back()
    assert two.route.previous is None
    assert "no further way back" in receipt.sentence
    with pytest.raises(DecisionRefused, match="no way back"):
        two.roll_back()


def test_the_version_before_is_the_way_back_where_it_is_still_there(two: World) -> None:
    two.make_live(3)
    two.roll_back()
    assert (two.route.champion.version, two.route.previous.version) == (2, 1)


def test_a_version_whose_package_is_gone_is_no_way_back(two: World) -> None:
    two.make_live(3)
    digest = two.endpoint.routes[NAME].previous
    assert digest is not None
    for folder in two.settings.folder("packages").iterdir():
        folder.rmdir()
    two.roll_back()
    assert two.route.previous is None


def test_a_double_click_rolls_back_once(two: World) -> None:
    nonce, generation = new_id(), two.route.generation
    first, second = (two.roll_back(nonce=nonce, expected_generation=generation) for _ in range(2))
    assert second.replayed
    assert second.decision_id == first.decision_id
    assert (two.route.champion.version, len(decisions(two))) == (1, 1)


def test_two_people_at_once_make_one_rollback(two: World) -> None:
    generation = two.route.generation

    def press(actor: str) -> str:
        try:
            return str(two.roll_back(actor=actor, expected_generation=generation).decision_id)
        except (DecisionRefused, StaleState) as error:
            return type(error).__name__

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(press, [f"person{n}" for n in range(8)]))
    assert sum(answer not in {"DecisionRefused", "StaleState"} for answer in answers) == 1
    assert (two.route.champion.version, len(decisions(two))) == (1, 1)


def test_a_route_that_changed_since_the_person_looked_is_not_rolled_back(two: World) -> None:
    with pytest.raises(StaleState, match="not the one that you saw"):
        two.roll_back(expected_generation=two.route.generation - 1)
    assert two.endpoint.calls == []


def test_with_the_store_locked_the_endpoint_swaps_and_the_keeper_writes_it_down(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.records.store.BUSY_TIMEOUT_MS", 50)
    impatient = Store(two.settings.store_address)
    locker = sqlite3.connect(two.settings.store_address.removeprefix("sqlite:///"), isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    nonce, began = new_id(), time.monotonic()
    patient, two.store = two.store, impatient
    receipt = two.roll_back(nonce=nonce)
    assert time.monotonic() - began < 5
    assert receipt.decision_id is None
    assert two.endpoint.observed(NAME).champion.version == 1
    locker.execute("ROLLBACK")
    locker.close()
    impatient.close()
    two.store = patient
    assert keep(two) == "absorbed"
    assert [(row.actor, row.reason, row.detail["absorbed"]) for row in decisions(two)] == [("cas", "complaints", True)]
    assert (two.route.champion.version, keep(two), ledger.verify(two.store).ok) == (1, "agrees", True)


def test_a_process_killed_after_the_endpoint_swapped_loses_nothing(two: World) -> None:
    two.endpoint.rollback(NAME, actor="cas", reason="r", override_id="nonce-of-cas", expected_generation=two.route.generation)
    assert keep(two) == "absorbed"  # nothing else ever reached the store
    assert (two.route.champion.version, decisions(two)[0].actor) == (1, "cas")


def test_a_process_killed_before_the_endpoint_heard_of_the_absorption_heals(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    generation = two.route.generation
    with monkeypatch.context() as patch:
        patch.setattr(two.endpoint, "absorbed", die)
        with pytest.raises(KeyboardInterrupt):
            two.roll_back()
    assert two.endpoint.observed(NAME).override
    assert keep(two) == "absorbed"
    assert (keep(two), len(decisions(two)), two.route.generation) == ("agrees", 1, generation + 1)


def test_an_override_outranks_a_promotion_that_the_endpoint_never_saw(two: World) -> None:
    third = two.approve(two.candidate(3)).release_id
    generation = two.route.generation
    two.endpoint.rollback(NAME, actor="cas", reason="r", override_id="nonce-of-cas", expected_generation=generation)
    two.endpoint.down = True
    two.run(third)  # the store moves on to a canary while the endpoint cannot hear it
    two.endpoint.down = False
    assert keep(two) == "absorbed"
    assert (two.route.generation, two.route.champion.version, two.route.candidate) == (generation + 2, 1, None)
    assert two.release(third).state == "rolled_back"


def test_with_the_endpoint_down_the_rollback_is_decided_and_takes_effect_when_it_is_back(two: World) -> None:
    two.endpoint.down = True
    receipt = two.roll_back()
    assert receipt.decision_id
    assert receipt.observed is None
    assert "does not answer" in receipt.warnings[0]
    assert keep(two) == "unreachable"
    two.endpoint.down = False
    assert (keep(two), two.endpoint.observed(NAME).champion.version) == ("converged", 1)


def test_after_a_rollback_the_next_candidate_is_judged_against_the_good_version(two: World) -> None:
    two.roll_back()
    fourth = two.candidate(4)
    assert two.approve(fourth).release_id


def test_with_a_store_that_is_no_database_any_more_the_endpoint_still_swaps(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = two.route.generation
    two.store.close()
    for file in two.settings.home.glob("store.db*"):
        file.write_bytes(b"no database " * 500)
    for name in ("home", "usecases_dir"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(two.settings, name)))
    monkeypatch.setattr("interlock.control.endpoint.endpoint_from", lambda settings: two.endpoint)
    said = CliRunner().invoke(app, ["rollback", NAME, "--reason", "complaints", "--yes"])
    assert said.exit_code == 0, said.output
    assert "the endpoint answers with version 1" in said.output
    assert "the keeper writes it down later" in said.output
    assert "the store cannot be used: file is not a database" in said.output
    observed = two.endpoint.observed(NAME)
    assert (observed.champion.version, observed.generation, observed.override) == (1, generation, True)
