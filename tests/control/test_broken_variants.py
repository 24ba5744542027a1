"""Laws 2, 3, 4 and 10 of docs/architecture.md: each check passes on the real code and fails on a deliberately broken variant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from interlock.control.decisions import actions
from interlock.control.deployments import DEPLOY
from interlock.control.keeping.dispatcher import Dispatcher
from interlock.control.releases import deploying
from interlock.errors import DecisionRefused
from interlock.records import decisions, outbox
from interlock.records.ids import new_id
from interlock.records.tables import Decision, Outbox
from tests.control.test_dispatcher import Prefect

World = Any  # tests/control/conftest.py


def count(world: World, table: type[Any]) -> int:
    with world.store.reading() as session:
        return int(session.scalar(select(func.count()).select_from(table)) or 0)


def two_people_decide_once(world: World) -> None:
    """Law 2: the second decision on the same evidence must not be written."""
    evidence = world.candidate(1)
    world.reject(evidence, actor="ben")
    with suppress(DecisionRefused, IntegrityError):
        world.reject(evidence, actor="cas")
    assert count(world, Decision) == 1


def test_one_effect_has_one_decision(world: World) -> None:
    two_people_decide_once(world)


def test_an_identity_per_click_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "on_evidence", lambda digest: f"evidence:{digest}:{new_id()}")
    with pytest.raises(AssertionError):
        two_people_decide_once(world)


def test_without_the_look_first_the_constraint_still_decides(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "known", lambda session, identity: None)
    two_people_decide_once(world)


def decision_and_intent_or_neither(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 3: a process that dies in the middle of an approval leaves neither a decision nor an intent."""

    def power_cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    evidence = world.candidate(1)
    with monkeypatch.context() as dying:
        dying.setattr(decisions, "add_detail", power_cut)
        with pytest.raises(KeyboardInterrupt):
            world.approve(evidence)
    assert (count(world, Decision), count(world, Outbox)) == (0, 0)


def test_decision_and_intent_are_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decision_and_intent_or_neither(world, monkeypatch)


def test_an_intent_outside_the_transaction_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(session: Session, *given: Any, **more: Any) -> Outbox:
        row = sound(session, *given, **more)
        session.commit()  # on its own, before the rest of its decision
        return row

    sound = outbox.enqueue
    monkeypatch.setattr(outbox, "enqueue", broken)
    with pytest.raises(AssertionError):
        decision_and_intent_or_neither(world, monkeypatch)


def one_run_while_it_works(world: World, leases: dict[str, int] | None = None) -> None:
    """Law 3: while a run works within its lease, no second one is started."""
    prefect = Prefect()
    with world.store.writing() as session:
        outbox.enqueue(session, "cause", DEPLOY, {"use_case": "small_loans", "release_id": "r"}, at=world.clock())
    keeper = Dispatcher(world.settings, world.store, world.clock, httpx.MockTransport(prefect))
    keeper.lost_after_s.update(leases or {})
    keeper.run_once()
    prefect.ends("cause:1", "RUNNING")
    for _ in range(6):
        world.clock.forward(10)
        keeper.run_once()
    assert list(prefect.runs) == ["cause:1"]


def test_a_working_run_is_left_alone(world: World) -> None:
    one_run_while_it_works(world)


def test_an_attempt_raised_without_a_lease_is_caught(world: World) -> None:
    with pytest.raises(AssertionError):
        one_run_while_it_works(world, {DEPLOY: -1})


def a_run_ends_at_the_first_canary_step(world: World) -> None:
    """Law 4: one run takes the release to its first canary step and ends; the bake time is a state, not a wait."""
    world.make_live(1)
    receipt = world.approve(world.candidate(2))
    began = world.clock()
    world.run(receipt.release_id)
    world.run(receipt.release_id)
    release = world.release(receipt.release_id)
    assert (release.state, release.step, world.clock()) == ("canary", 1, began)


def test_a_run_makes_one_transition_and_ends(world: World) -> None:
    a_run_ends_at_the_first_canary_step(world)


def test_a_run_that_goes_on_by_itself_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "passed", lambda release: True)  # asks nobody whether the step was judged
    with pytest.raises(AssertionError):
        a_run_ends_at_the_first_canary_step(world)


def test_a_run_that_waits_for_its_bake_time_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any, **more: Any) -> deploying.Outcome:
        outcome = sound(*given, **more)
        if outcome.state == "canary":
            world.clock.forward(60)
        return outcome

    sound = deploying.go_on
    monkeypatch.setattr(deploying, "go_on", broken)
    with pytest.raises(AssertionError):
        a_run_ends_at_the_first_canary_step(world)


def a_viewer_decides_nothing(make_world: Callable[..., World]) -> None:
    """Law 10: whatever a screen offers, the action looks up the role itself."""
    world = make_world(people={"ben": ["viewer"]})
    evidence = world.candidate(1)
    with suppress(DecisionRefused):
        world.approve(evidence, actor="ben")
    assert (count(world, Decision), count(world, Outbox)) == (0, 0)


def test_an_action_checks_the_role(make_world: Callable[..., World]) -> None:
    a_viewer_decides_nothing(make_world)


def test_an_action_that_trusts_its_caller_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "require", lambda *_: {})
    with pytest.raises(AssertionError):
        a_viewer_decides_nothing(make_world)
