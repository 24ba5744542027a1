"""A retired version keeps its history and cannot come back by accident; what answers, is the way back or is on its way stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from interlock.control.decisions import actions
from interlock.control.decisions.undecided import undecided
from interlock.control.keeping.reconciler import reconcile
from interlock.control.releases import archiving, known_good, retiring
from interlock.errors import DecisionRefused, StaleState, Unavailable
from interlock.records import ledger
from interlock.records.candidates import newest_unvalidated
from interlock.records.ids import new_id
from interlock.records.tables import Candidate, Release
from interlock.rules.releases import TRANSITIONS, ReleaseState
from tests.control.conftest import NAME, USE_CASE, slot

World = Any  # tests/control/conftest.py
QUICK = "\n".join("steps = []" if line.startswith("steps") else line for line in USE_CASE.splitlines())


def retire(world: World, version: int, actor: str = "cas") -> Any:
    return actions.retire(world.settings, world.store, actor=actor, use_case=NAME, version=version, reason="replaced", nonce=new_id(),
                          endpoint=world.endpoint, clock=world.clock)


def package(world: World, number: int) -> Any:
    return world.settings.folder("packages") / slot(number).digest.removeprefix("sha256:")


@pytest.fixture
def three(make_world: Callable[..., World]) -> World:
    """Versions 1, 2 and 3 answered; 3 answers now, 2 is the way back."""
    world = make_world(QUICK)
    for number in (1, 2, 3):
        world.make_live(number)
    return world


def test_a_version_that_answers_nobody_is_archived(three: World) -> None:
    receipt = retire(three, 1)
    assert receipt.warnings == []
    assert (package(three, 1).exists(), (three.settings.folder("packages") / "retired" / package(three, 1).name).is_dir()) == (False, True)
    assert three.endpoint.withdrawn == [1]
    with three.store.reading() as session:
        assert [release.state for release in session.query(Release).order_by(Release.id)] == ["retired", "superseded", "live"]
        said = [entry.kind for entry in ledger.entries(session, use_case=NAME, limit=2)]
    assert said == ["release.changed", "decision.retire"]
    assert ledger.verify(three.store).ok


def never_comes_back(world: World) -> None:
    retire(world, 1)
    with pytest.raises(DecisionRefused, match="no way back to version 1 .*: retired by cas: replaced"):
        world.roll_back(to_version=1)
    assert [(one.slot.version, one.way) for one in known_good.choices(world.settings, world.store, NAME)][-1] == (1, "not possible")


def test_it_is_no_last_known_good_any_more(three: World) -> None:
    never_comes_back(three)


def test_a_way_back_that_forgets_retirements_is_caught(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_good, "retired", lambda session, use_case: {})
    with pytest.raises(AssertionError):
        never_comes_back(three)


def nobody_may_approve_it(world: World) -> None:
    evidence = world.candidate(4)
    retire(world, 4)
    with world.store.reading() as session:
        assert undecided(world.settings, session, NAME) == []
        assert newest_unvalidated(session, NAME, None) is None
    with pytest.raises(DecisionRefused, match="this version was retired"):
        world.approve(evidence)


def test_it_can_neither_be_approved_nor_validated_anew(three: World) -> None:
    nobody_may_approve_it(three)


def test_an_approval_that_forgets_retirements_is_caught(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from interlock.control.decisions import approving

    sound = approving.facts_of
    monkeypatch.setattr(approving, "facts_of", lambda *given: (_not_retired(sound(*given)[0]), sound(*given)[1]))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        nobody_may_approve_it(three)


def _not_retired(facts: Any) -> Any:
    from dataclasses import replace

    return replace(facts, retired=False)


@pytest.mark.parametrize(("version", "told"), [(3, "holds version 3"), (2, "holds version 2")])
def test_what_answers_and_the_way_back_stay(three: World, version: int, told: str) -> None:
    with pytest.raises(DecisionRefused, match=told):
        retire(three, version)
    assert package(three, version).is_dir()


@pytest.mark.parametrize(("version", "told"), [(3, "answers now"), (2, "is the way back")])
def test_the_store_knows_it_too(three: World, version: int, told: str) -> None:
    three.endpoint.routes.clear()  # a server that was just set up anew
    with pytest.raises(DecisionRefused, match=told):
        retire(three, version)


def test_what_is_on_its_way_stays(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.make_live(1)
    release = world.approve(world.candidate(2)).release_id
    with pytest.raises(DecisionRefused, match="is on its way"):
        retire(world, 2)
    world.run(release)
    with pytest.raises(DecisionRefused, match="holds version 2"):
        retire(world, 2)


def test_once_for_good_and_by_those_who_may(make_world: Callable[..., World]) -> None:
    world = make_world(people={"cas": ["approver"], "ben": ["approver"], "ops": ["operator"]})
    world.candidate(1)
    with pytest.raises(DecisionRefused, match="ops may not retire"):
        retire(world, 1, "ops")
    retire(world, 1)
    with pytest.raises(DecisionRefused, match="already decided by cas"):
        retire(world, 1, "ben")
    with pytest.raises(DecisionRefused, match="no such version"):
        retire(world, 7)


def test_a_package_that_another_version_needs_stays(three: World) -> None:
    three.candidate(4, package=slot(1).digest)
    retire(three, 1)
    assert package(three, 1).is_dir()
    retire(three, 4)
    assert not package(three, 1).exists()


def test_with_the_server_failing_half_way_the_keeper_finishes_it(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(use_case: str, version: int) -> None:
        raise Unavailable("the prediction server does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(three.endpoint, "withdraw", fails)
        assert "has not forgotten them yet" in retire(three, 1).warnings[0]
    assert package(three, 1).is_dir()
    with three.store.reading() as session:
        assert archiving.unfinished(three.settings, session) == [NAME]
    assert archiving.follow_up(three.settings, three.store, NAME, endpoint=three.endpoint) == []
    with three.store.reading() as session:
        assert archiving.unfinished(three.settings, session) == []
    assert (package(three, 1).exists(), three.endpoint.withdrawn) == (False, [1])


def what_the_server_went_back_to_stays(world: World) -> None:
    """The server went back to version 1 by itself, and the store has not heard of it yet."""
    world.endpoint.rollback(NAME, actor="pager", reason="errors", override_id="incident-1", expected_generation=3, to_version=1)
    with pytest.raises(DecisionRefused, match="the prediction server holds version 1"):
        retire(world, 1)
    assert package(world, 1).is_dir()


def test_what_the_server_went_back_to_by_itself_stays(three: World) -> None:
    what_the_server_went_back_to_stays(three)


def test_a_retirement_that_asks_the_store_alone_is_caught(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "held_by", lambda observed: set())
    with pytest.raises(pytest.fail.Exception):
        what_the_server_went_back_to_stays(three)


def test_with_the_server_silent_nothing_is_retired(three: World) -> None:
    three.endpoint.down = True
    with pytest.raises(Unavailable):
        retire(three, 1)
    assert package(three, 1).is_dir()


def test_the_newest_good_version_that_is_not_retired_is_the_way_back(three: World) -> None:
    three.make_live(4)
    retire(three, 2)
    three.roll_back()
    assert (three.route.champion, three.route.previous) == (slot(3), slot(1))


def retired_in_the_same_moment(world: World, monkeypatch: pytest.MonkeyPatch, *, absorbed_first: bool = False) -> None:
    """The server goes back to version 1 by itself after the retirement has asked it, and before the retirement is on record."""
    sound = retiring.once

    def and_a_rollback(*given: Any) -> Any:
        world.endpoint.rollback(NAME, actor="pager", reason="errors", override_id="incident-1", expected_generation=3, to_version=1)
        if absorbed_first:
            reconcile(world.settings, world.store, world.endpoint, NAME, clock=world.clock)
        return sound(*given)

    with monkeypatch.context() as race:
        race.setattr(retiring, "once", and_a_rollback)
        retire(world, 1)


def states(world: World) -> dict[int, str]:
    with world.store.reading() as session:
        rows = session.query(Release, Candidate.number).join(Candidate, Candidate.id == Release.candidate_id)
        return {number: release.state for release, number in rows}


def left_over(world: World) -> list[str]:
    with world.store.reading() as session:
        return archiving.unfinished(world.settings, session)


def what_answers_is_live(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    retired_in_the_same_moment(world, monkeypatch)
    assert (package(world, 1).is_dir(), world.endpoint.withdrawn) == (True, [1])
    reconcile(world.settings, world.store, world.endpoint, NAME, clock=world.clock)
    assert (world.route.champion, states(world)[1], package(world, 1).is_dir(), left_over(world)) == (slot(1), "live", True, [])


def test_what_the_server_went_back_to_in_the_moment_of_its_retirement_is_live(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    what_answers_is_live(three, monkeypatch)
    assert ledger.verify(three.store).ok


def test_a_champion_whose_release_stays_retired_is_caught(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSITIONS, ReleaseState.RETIRED, frozenset())
    with pytest.raises((AssertionError, StaleState)):
        what_answers_is_live(three, monkeypatch)


def test_the_other_order_refuses_the_retirement(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DecisionRefused, match="version 1 .* answers now"):
        retired_in_the_same_moment(three, monkeypatch, absorbed_first=True)
    assert (states(three)[1], package(three, 1).is_dir()) == ("live", True)


def test_the_retirement_counts_once_the_version_has_left_the_route(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    what_answers_is_live(three, monkeypatch)
    three.make_live(4)
    assert (three.route.previous, package(three, 1).is_dir(), left_over(three)) == (slot(1), True, [])  # the way back stays whole
    three.make_live(5)
    assert left_over(three) == [NAME]
    assert archiving.follow_up(three.settings, three.store, NAME, endpoint=three.endpoint, clock=three.clock) == []
    assert (states(three)[1], package(three, 1).exists(), left_over(three)) == ("retired", False, [])
    with pytest.raises(DecisionRefused, match="no way back to version 1"):
        three.roll_back(to_version=1)


def test_a_retired_way_back_that_is_loaded_is_still_the_way_back(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    what_answers_is_live(three, monkeypatch)
    three.make_live(4)
    three.endpoint.down = True  # the store decides alone
    three.roll_back()
    assert (three.route.champion, states(three)[1]) == (slot(1), "live")


def test_a_store_that_was_left_half_way_is_brought_into_step(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As versions before this one left it: version 1 answers, its release says retired, its package is put away."""
    what_answers_is_live(three, monkeypatch)
    with three.store.writing() as session:
        session.execute(update(Release).where(Release.state == "live").values(state="retired"))
    archiving.archive(three.settings, slot(1).digest)
    assert (package(three, 1).exists(), left_over(three)) == (False, [NAME])
    assert archiving.follow_up(three.settings, three.store, NAME, endpoint=three.endpoint, clock=three.clock) == []
    assert (states(three)[1], package(three, 1).is_dir(), left_over(three)) == ("live", True, [])
