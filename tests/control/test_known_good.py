"""Back to any version that verifiably answered: by the ledger, proven, in the same one decision per generation, with the store down too."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from interlock.control.keeping.reconciler import reconcile
from interlock.control.releases import known_good, rollbacks
from interlock.errors import DecisionRefused, PackageError, StaleState, Unavailable
from interlock.records import ledger
from interlock.records.tables import Decision
from tests.control.conftest import NAME, USE_CASE, slot

World = Any  # tests/control/conftest.py
QUICK = "\n".join("steps = []" if line.startswith("steps") else line for line in USE_CASE.splitlines())


@pytest.fixture
def three(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    """Versions 1, 2 and 3 answered, one after the other; 3 answers now."""
    monkeypatch.setattr(rollbacks, "prove", lambda settings, slot: None)  # packages have tests of their own
    world = make_world(QUICK)
    for number in (1, 2, 3):
        world.make_live(number)
    return world


def back_to(world: World, version: int, **changes: Any) -> Any:
    return world.roll_back(to_version=version, **changes)


def state_of(world: World, number: int) -> str:
    from interlock.records import releases
    from interlock.rules.releases import ReleaseState

    with world.store.reading() as session:
        found = releases.of_package(session, NAME, slot(number).digest, tuple(ReleaseState))
        return str(found.state) if found else "none"


def test_an_older_version_answers_again_and_the_newest_good_one_is_the_way_back(three: World) -> None:
    receipt = back_to(three, 1)
    assert (three.route.champion, three.route.previous) == (slot(1), slot(2))
    assert [state_of(three, number) for number in (1, 2, 3)] == ["live", "superseded", "rolled_back"]
    with three.store.reading() as session:
        decision = session.get(Decision, receipt.decision_id)
        assert (decision.detail["to_version"], decision.detail["to"], decision.detail["endpoint_first"]) == (1, slot(1).model_dump(), True)
    assert ledger.verify(three.store).ok


def test_a_person_may_go_back_even_to_what_was_taken_off(three: World) -> None:
    back_to(three, 1)
    back_to(three, 3)
    assert three.route.champion == slot(3)
    assert [state_of(three, number) for number in (1, 2, 3)] == ["rolled_back", "superseded", "live"]


@pytest.mark.parametrize(("version", "told"), [(3, "it answers now"), (4, "never answered customers"), (9, "never answered customers")])
def test_other_versions_are_refused(three: World, version: int, told: str) -> None:
    three.candidate(4)  # trained and validated, never live
    generation = three.route.generation
    with pytest.raises(DecisionRefused, match=told):
        back_to(three, version)
    assert (three.route.champion, three.route.generation) == (slot(3), generation)


def test_a_canary_never_counts_as_one_that_answered(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.make_live(1)
    world.run(world.approve(world.candidate(2)).release_id)
    assert world.route.candidate == slot(2)
    with pytest.raises(DecisionRefused, match="version 2 of 'small_loans' never answered"):
        back_to(world, 2)


def test_a_version_whose_package_is_gone_is_refused(three: World) -> None:
    (three.settings.folder("packages") / slot(1).digest.removeprefix("sha256:")).rmdir()
    with pytest.raises(DecisionRefused, match="not on disk any more"):
        back_to(three, 1)


def test_the_list_of_what_is_possible(three: World) -> None:
    (three.settings.folder("packages") / slot(1).digest.removeprefix("sha256:")).rmdir()
    found = known_good.choices(three.settings, three.store, NAME)
    assert [(one.slot.version, one.way) for one in found] == [(3, "answers now"), (2, "instant"), (1, "not possible")]
    assert (found[0].last_until, found[1].last_until) == (None, found[0].last_at)
    assert found[1].ended == "interlock: version 3 is live on probation"


def an_edited_ledger_is_no_witness(world: World) -> None:
    """Somebody writes into the store that version 9 had answered: the entry's hash does not fit."""
    with world.store.engine.connect() as connection:
        connection.execute(text("UPDATE ledger SET body = replace(body, :old, :new) WHERE kind = 'route.changed' AND seq = "
                                "(SELECT min(seq) FROM ledger WHERE kind = 'route.changed')"),
                           {"old": slot(1).digest, "new": slot(9).digest})
        connection.commit()
    (world.settings.folder("packages") / slot(9).digest.removeprefix("sha256:")).mkdir()
    assert slot(9).digest not in [one.slot.digest for one in known_good.choices(world.settings, world.store, NAME)]


def test_an_edited_ledger_is_no_witness(three: World) -> None:
    an_edited_ledger_is_no_witness(three)


def test_a_ledger_that_is_believed_unread_is_caught(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.records.served.genuine", lambda entry: True)
    with pytest.raises(AssertionError):
        an_edited_ledger_is_no_witness(three)


def unproven_bytes_answer_nobody(world: World) -> None:
    """The endpoint is silent, so nobody has proven the package: it is proven here before the route may name it."""
    world.endpoint.down = True
    with pytest.raises(PackageError):
        back_to(world, 1)
    assert world.route.champion == slot(3)


def test_with_the_endpoint_silent_the_package_is_proven_here(make_world: Callable[..., World]) -> None:
    world = make_world(QUICK)
    for number in (1, 2, 3):
        world.make_live(number)
    unproven_bytes_answer_nobody(world)  # the packages of these tests are empty folders


def test_a_rollback_that_proves_nothing_is_caught(three: World) -> None:
    with pytest.raises(pytest.fail.Exception):
        unproven_bytes_answer_nobody(three)


def test_one_way_back_from_each_generation(three: World) -> None:
    generation = three.route.generation
    back_to(three, 1, expected_generation=generation)
    with pytest.raises(DecisionRefused, match="already decided by cas"):
        back_to(three, 2, actor="dan", expected_generation=generation)
    with pytest.raises(StaleState, match="is not the one that you saw"):
        back_to(three, 2, expected_generation=generation - 1)


def test_with_the_store_locked_the_endpoint_goes_back_alone_and_the_keeper_writes_it_down(three: World) -> None:
    began = three.clock()
    path = three.settings.store_address.removeprefix("sqlite:///")
    generation = three.route.generation
    three.store.engine.dispose()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        from interlock.records.store import Store

        locked = Store(f"sqlite:///{path}")
        locked.engine.dispose()
        receipt = rollbacks.rollback(three.settings, _impatient(locked), actor="cas", use_case=NAME, reason="why", nonce="incident-1",
                                     expected_generation=generation, to_version=1, endpoint=three.endpoint, clock=three.clock)
        other.execute("ROLLBACK")
    assert receipt.observed is not None
    assert (receipt.decision_id, receipt.observed.champion) == (None, slot(1))
    three.clock.forward(300)
    assert reconcile(three.settings, three.store, three.endpoint, NAME, clock=three.clock).found == "absorbed"
    assert three.route.champion == slot(1)
    with three.store.reading() as session:
        decision = session.query(Decision).filter_by(kind="rollback").one()
        assert (decision.actor, decision.detail["absorbed"], decision.detail["override_at"]) == ("cas", True, began.isoformat())


def _impatient(store: Any) -> Any:
    """The same store, which does not wait ten seconds for a lock."""
    from sqlalchemy import event

    event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=50"))
    return store


def another_version_than_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is busy for a moment, and the endpoint forgot version 1: only version 1 may answer, or nothing changes."""
    world.endpoint.served.clear()
    reading = world.store.reading
    monkeypatch.setattr(world.store, "reading", lambda *, hasty=False: _busy() if hasty else reading())
    receipt = back_to(world, 1)
    assert (world.route.champion, receipt.warnings[0]) == (slot(1), "the store does not answer: locked")


def test_a_busy_store_does_not_turn_one_version_into_another(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    another_version_than_asked_for(three, monkeypatch)


def test_an_unknown_version_changes_nothing_with_a_busy_store(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = three.store.reading
    monkeypatch.setattr(three.store, "reading", lambda *, hasty=False: _busy() if hasty else reading())
    with pytest.raises(DecisionRefused, match="never answered"):
        back_to(three, 8)
    assert three.route.champion == slot(3)


def _busy() -> Any:
    raise Unavailable("locked")


def test_what_came_back_and_was_taken_off_is_not_the_way_back(three: World) -> None:
    """Version 2 was superseded in good standing, then the same bytes were released again as version 5 and taken off: 1 is the way back."""
    release = three.approve(three.candidate(5, package=slot(2).digest)).release_id
    three.run(release)
    assert three.route.champion.digest == slot(2).digest
    three.roll_back()
    assert (three.route.champion, three.route.previous) == (slot(3), slot(1))
    three.make_live(6)
    three.roll_back()
    assert (three.route.champion, three.route.previous) == (slot(3), slot(1))  # not version 2
