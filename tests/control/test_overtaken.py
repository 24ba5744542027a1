"""What a release rests on can end while it is in its steps: a standing approval before any customer saw an answer, a waiver at any time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interlock.control.decisions import actions
from interlock.control.releases import deploying
from interlock.errors import StaleState
from interlock.rules.gates import Verdict
from tests.control.conftest import GOOD, gate, slot
from tests.control.test_pausing import steer
from tests.control.test_standing import approvals, granted, retraining, revoke, used
from tests.control.test_strategies import SHADOW, begin, world_with

World = Any  # tests/control/conftest.py
SHADOWED = "shadow_s = 60\nshadow_requests_min = 100\nsteps = [{ percent = 10, bake_s = 60 }]"


def in_the_shadow(make_world: Callable[..., World]) -> tuple[World, str, str]:
    """Version 1 is live; a standing approval has let version 2 into its shadow step, which has passed."""
    world = world_with(make_world, SHADOWED)
    world.make_live(1)
    standing_id = granted(world)
    retraining(world)
    assert used(world)
    release = str(approvals(world)[0].detail["release_id"])
    world.run(release)
    world.endpoint.arms = (GOOD, GOOD, SHADOW, GOOD)
    world.clock.forward(61)
    world.keep(release)
    assert deploying.passed(world.release(release))
    return world, release, standing_id


def revoked_in_the_shadow(make_world: Callable[..., World]) -> None:
    """Nobody has seen an answer yet: the run that was ordered before leads nowhere, and the keeper ends the release."""
    world, release, standing_id = in_the_shadow(make_world)
    revoke(world, standing_id)
    world.run(release)
    assert (world.release(release).state, world.route.candidate_mode) == ("shadow", "shadow")
    assert "was ended by cas" in world.keep(release)
    assert (world.release(release).state, world.route.champion, world.route.candidate) == ("rolled_back", slot(1), None)


def test_a_standing_approval_revoked_in_the_shadow_reaches_no_customer(make_world: Callable[..., World]) -> None:
    revoked_in_the_shadow(make_world)


def test_a_release_that_is_never_overtaken_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "overtaken", lambda session, plan, now: "")
    with pytest.raises(AssertionError):
        revoked_in_the_shadow(make_world)


def test_once_customers_have_seen_answers_a_revoked_standing_approval_ends_nothing(make_world: Callable[..., World]) -> None:
    world, release, standing_id = in_the_shadow(make_world)
    world.run(release)
    assert world.release(release).state == "canary"
    revoke(world, standing_id)
    world.endpoint.arms = (GOOD, GOOD)
    world.clock.forward(301)
    world.keep(release)
    world.run(release)
    assert world.release(release).state == "probation"


@pytest.mark.parametrize(("on_expiry", "state"), [("rollback", "rolled_back"), ("ask", "canary")])
def test_a_waiver_that_ends_during_the_canary_takes_it_off_or_asks_later(world: World, on_expiry: str, state: str) -> None:
    world.make_live(1)
    evidence = world.candidate(2, gates=[gate("auc", Verdict.FAIL, waivable=True)])
    world.waive(evidence, ["auc"], actor="ben", hours=0.01, on_expiry=on_expiry)
    release = world.approve(evidence, actor="cas").release_id
    world.run(release)
    assert (world.release(release).state, world.keep(release)) == ("canary", "")
    world.clock.forward(37)
    world.keep(release)
    assert world.release(release).state == state
    assert (world.route.candidate is None) == (state == "rolled_back")


def test_a_waiver_that_ends_while_people_think_about_it_ends_the_pause(world: World) -> None:
    world.make_live(1)
    evidence = world.candidate(2, gates=[gate("auc", Verdict.FAIL, waivable=True)])
    world.waive(evidence, ["auc"], actor="ben", hours=0.5)
    release = world.approve(evidence, actor="cas").release_id
    world.run(release)
    world.endpoint.arms = (GOOD, GOOD)
    world.clock.forward(30)
    world.endpoint.down = True
    world.clock.forward(601)
    world.keep(release)
    world.endpoint.down = False
    assert world.release(release).state == "paused"
    world.clock.forward(1_800)
    assert "expired" in world.keep(release)
    assert (world.release(release).state, world.route.candidate) == ("rolled_back", None)


def test_nobody_resumes_what_a_waiver_under_it_no_longer_covers(world: World) -> None:
    """The keeper would end it within a second; until then, or with the keeper down, customers must not meet it."""
    world.make_live(1)
    evidence = world.candidate(2, gates=[gate("auc", Verdict.FAIL, waivable=True)])
    world.waive(evidence, ["auc"], actor="ben", hours=0.5)
    release = str(world.approve(evidence, actor="cas").release_id)
    world.run(release)
    steer(world, actions.pause, release)
    world.clock.forward(1_801)
    before = world.route
    with pytest.raises(StaleState, match="expired"):
        steer(world, actions.resume, release)
    assert (world.release(release).state, world.route) == ("paused", before)


def test_begin_is_the_same_way_without_a_standing_approval(make_world: Callable[..., World]) -> None:
    """A person's own yes stands behind a release whatever standing approvals do."""
    world = world_with(make_world, SHADOWED)
    release = begin(world)
    revoke(world, granted(world))
    world.endpoint.arms = (GOOD, GOOD, SHADOW, GOOD)
    world.clock.forward(61)
    world.keep(release)
    world.run(release)
    assert world.release(release).state == "canary"
