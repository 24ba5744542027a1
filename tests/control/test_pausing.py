"""A person's pause: the rollout is held at its step, the keeper respects it, and a resumed step is judged anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interlock.control.access.people import Person
from interlock.control.decisions import actions
from interlock.control.decisions.receipts import Receipt
from interlock.control.endpoint import EndpointStats
from interlock.control.releases import deploying
from interlock.errors import DecisionRefused, StaleState, Unavailable
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.tables import Outbox, Release
from tests.control.conftest import GOOD, World


def canary(world: World) -> str:
    """Version 1 live, version 2 in its first step (10 %)."""
    world.make_live(1)
    receipt = world.approve(world.candidate(2))
    world.run(receipt.release_id)
    assert receipt.release_id is not None
    return receipt.release_id


def steer(world: World, action: object, release: str, **changes: object) -> Receipt:
    known = {"actor": "cas", "release_id": release, "reason": "odd answers", "nonce": new_id(), "endpoint": world.endpoint,
             "expected_generation": world.route.generation, "clock": world.clock}
    return action(world.settings, world.store, **(known | changes))  # type: ignore[operator]


def deploys(world: World, release: str) -> list[str]:
    with world.store.reading() as session:
        return [row.cause for row in session.query(Outbox).order_by(Outbox.id) if row.parameters.get("release_id") == release]


def test_the_champion_answers_everything_and_the_ledger_says_who_and_why(world: World) -> None:
    release = canary(world)
    receipt = steer(world, actions.pause, release)
    assert (world.release(release).state, world.release(release).step, world.route.candidate_percent) == ("paused", 1, 0)
    assert world.route.candidate is not None  # it stays loaded
    assert receipt.observed is not None
    assert (receipt.observed.champion, receipt.observed.candidate_percent) == (world.route.champion, 0)
    assert receipt.sentence == "step 1 is held: the champion answers everything until somebody resumes or aborts"
    with world.store.reading() as session:
        entry = next(one for one in ledger.entries(session, kinds=["decision.pause"]))
    body = ledger.body_of(entry)
    assert (entry.seq, body["actor"], body["reason"]) == (receipt.ledger_seq, "cas", "odd answers")


def test_the_keeper_respects_it_however_good_the_figures_are(world: World) -> None:
    release = canary(world)
    steer(world, actions.pause, release)
    world.endpoint.arms = (GOOD,) * 4
    for _ in range(5):
        world.clock.forward(10_000)
        assert world.keep(release) == ""
        assert world.run(release).changed is False
    assert (world.release(release).state, world.release(release).step) == ("paused", 1)


def test_a_step_that_had_passed_is_judged_anew_after_a_pause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person saw something that the judgement had not: its `deploy` run, late, must not go on from it."""
    release = canary(world)
    world.endpoint.arms = (GOOD,) * 4
    world.clock.forward(61)
    assert "step 1 passed" in world.keep(release)
    steer(world, actions.pause, release)
    assert world.run(release).changed is False
    steer(world, actions.resume, release, reason="looked at them")
    assert world.run(release).changed is False
    assert (world.release(release).state, world.release(release).step, world.route.candidate_percent) == ("canary", 1, 10)
    world.clock.forward(61)
    assert "step 1 passed" in world.keep(release)
    assert deploys(world, release)[1:] == [f"release:{release}:step:1", f"release:{release}:step:1:1"]  # a run of its own takes it on
    world.run(release)
    assert (world.release(release).step, world.route.candidate_percent) == (2, 50)


def test_broken_any_earlier_pass_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant of `passed`: a resumed step goes on without having been judged again."""
    release = canary(world)
    world.endpoint.arms = (GOOD,) * 4
    world.clock.forward(61)
    world.keep(release)
    steer(world, actions.pause, release)

    def any_pass(row: Release) -> bool:
        return any(item.get("verdict") == "pass" for item in row.analysis)

    monkeypatch.setattr(deploying, "passed", any_pass)
    steer(world, actions.resume, release)
    world.run(release)
    assert world.release(release).step == 2  # what must not happen


def test_only_a_running_step_can_be_paused(world: World) -> None:
    world.make_live(1)
    receipt = world.approve(world.candidate(2))
    assert receipt.release_id is not None
    with pytest.raises(StaleState, match="planned: only a step that runs"):
        steer(world, actions.pause, receipt.release_id)
    world.run(receipt.release_id)
    steer(world, actions.pause, receipt.release_id)
    with pytest.raises(StaleState, match="paused: only a step that runs"):
        steer(world, actions.pause, receipt.release_id)
    steer(world, actions.abort, receipt.release_id)
    assert world.release(receipt.release_id).state == "rolled_back"


def test_a_double_click_is_one_pause_and_a_stale_page_none(world: World) -> None:
    release, nonce = canary(world), new_id()
    generation = world.route.generation
    with pytest.raises(StaleState, match="not the one that you saw"):
        steer(world, actions.pause, release, expected_generation=generation - 1)
    first = steer(world, actions.pause, release, nonce=nonce)
    second = steer(world, actions.pause, release, nonce=nonce, expected_generation=generation)
    assert (second.decision_id, second.replayed) == (first.decision_id, True)


def test_it_needs_a_role_and_a_reason(world: World) -> None:
    release = canary(world)
    world.settings = world.settings.model_copy(update={"people": {"vic": ["viewer", "auditor"], "cas": ["approver"], "oli": ["operator"]}})
    with pytest.raises(DecisionRefused, match="vic may not pause"):
        steer(world, actions.pause, release, actor=Person("vic"))
    with pytest.raises(DecisionRefused, match="needs a reason"):
        steer(world, actions.pause, release, reason=" ")
    assert world.release(release).state == "canary"
    steer(world, actions.pause, release, actor=Person("oli"))
    assert world.release(release).state == "paused"


def test_without_the_endpoint_it_is_paused_and_the_receipt_warns(world: World) -> None:
    release = canary(world)
    world.endpoint.down = True
    receipt = steer(world, actions.pause, release)
    assert (world.release(release).state, receipt.observed) == ("paused", None)
    assert "has not taken generation" in receipt.warnings[0]


def test_how_the_step_stood_stays_on_record(world: World) -> None:
    release = canary(world)
    world.endpoint.arms = (GOOD, replace(GOOD, requests=40), GOOD, GOOD)
    world.clock.forward(20)
    world.keep(release)
    steer(world, actions.pause, release)
    last = world.release(release).analysis[-1]
    assert (last["verdict"], last["arms"]["candidate"]["requests"]) == ("paused", 40)
    assert "interim" not in last


def a_step_begun_anew_is_not_held_for_the_old_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the keeper waits for a server that does not answer, somebody pauses the step and resumes it: its time begins anew."""
    release = canary(world)
    world.clock.forward(100_000)

    def silent(use_case: str) -> EndpointStats:
        steer(world, actions.pause, release)
        steer(world, actions.resume, release)
        raise Unavailable("no answer")

    with monkeypatch.context() as slow:
        slow.setattr(world.endpoint, "stats", silent)
        assert world.keep(release) == ""
    assert (world.release(release).state, world.route.candidate_percent) == ("canary", 10)


def test_a_step_begun_anew_is_not_held_for_the_old_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a_step_begun_anew_is_not_held_for_the_old_one(world, monkeypatch)


def test_a_keeper_that_holds_whatever_it_finds_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = deploying.load

    def without_revision(*given: Any) -> deploying.Plan:
        plan = known(*given)
        return replace(plan, release=Moved(plan.release))  # type: ignore[arg-type]

    monkeypatch.setattr(deploying, "load", without_revision)
    with pytest.raises(AssertionError):
        a_step_begun_anew_is_not_held_for_the_old_one(world, monkeypatch)


class Moved:
    """A release whose revision is equal to every other, as if nobody compared them."""

    def __init__(self, release: Release) -> None:
        self._release, self.revision = release, AnyRevision()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._release, name)


class AnyRevision:
    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]
