"""A release whose approved use-case file and present one are both unreadable: its candidate answers nobody until a person says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.control.decisions import actions
from interlock.control.keeping.keeper import Keeper
from interlock.control.releases import stepping
from interlock.errors import DataError, UseCaseError
from interlock.records import policies
from interlock.records.ids import new_id
from tests.control.conftest import GOOD, NAME, slot
from tests.control.test_approved_policy import file_of, in_the_first_step, nothing_remembered, titles  # noqa: F401 - a fixture

World = Any  # tests/control/conftest.py


def spoil_both(world: World) -> bytes:
    """Neither the approved file nor the present one can be read; the answer is what both held."""
    held = file_of(world).read_bytes()
    for path in world.settings.folder("policies").iterdir():
        path.unlink()
    policies._read.cache_clear()
    file_of(world).write_text("= [")
    return held


def nobody_can_read_what_was_approved(world: World) -> str:
    """The keeper's own pass, in which an error stays in its step: the candidate's share ends with the first one."""
    release = in_the_first_step(world)
    spoil_both(world)
    keeper = Keeper(world.settings, world.store, world.endpoint, world.clock)
    try:
        keeper._advance_all()
    finally:
        keeper.close()
    assert (world.release(release).state, world.route.candidate_percent, world.route.champion) == ("paused", 0, slot(1))
    return release


def test_where_nobody_can_read_what_was_approved_the_candidate_answers_nobody(world: World) -> None:
    release = nobody_can_read_what_was_approved(world)
    assert f"version 2 of {NAME} waits for a person" in titles(world)
    assert "is not on record, and the use-case file as it is now cannot be read either" in world.release(release).reason
    assert world.route.candidate == slot(2)  # it stays loaded: it may go on within seconds
    with pytest.raises(UseCaseError, match="cannot be read either"):  # nothing is left to do for it, and that is said
        world.keep(release)


def test_a_candidate_that_goes_on_without_its_limits_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "hold_unread", lambda *_: "")
    with pytest.raises(AssertionError):
        nobody_can_read_what_was_approved(world)


def test_after_that_a_person_resumes_with_the_file_restored_or_aborts_without_it(world: World) -> None:
    release = in_the_first_step(world)
    held = spoil_both(world)
    world.keep(release)
    asked: dict[str, Any] = {"actor": "cas", "release_id": release, "reason": "seen", "endpoint": world.endpoint, "clock": world.clock}
    with pytest.raises(UseCaseError, match="cannot be read either"):
        actions.resume(world.settings, world.store, nonce=new_id(), expected_generation=world.route.generation, **asked)
    file_of(world).write_bytes(held)
    actions.resume(world.settings, world.store, nonce=new_id(), expected_generation=world.route.generation, **asked)
    assert (world.release(release).state, world.route.candidate_percent) == ("canary", 10)
    file_of(world).write_text("= [")
    world.keep(release)
    actions.abort(world.settings, world.store, nonce=new_id(), expected_generation=world.route.generation, **asked)
    assert (world.release(release).state, world.route.candidate) == ("rolled_back", None)


def test_what_answers_already_goes_on_without_the_files_and_people_are_told(world: World) -> None:
    """Live on probation nothing but a found breach or a person takes a version off."""
    release = str(world.approve(world.candidate(1)).release_id)
    world.run(release)
    assert world.release(release).state == "probation"
    spoil_both(world)
    with pytest.raises(UseCaseError, match="cannot be read either"):
        world.keep(release)
    assert (world.release(release).state, world.route.champion) == ("probation", slot(1))


def test_a_folder_that_cannot_be_read_stops_no_release_whose_approved_file_is_there(world: World) -> None:
    release = in_the_first_step(world)
    world.settings = world.settings.model_copy(update={"usecases_dir": Path("x" * 300)})  # the system refuses the name
    world.endpoint.arms = (GOOD, GOOD)
    world.clock.forward(61)
    assert world.keep(release).startswith("step 1 passed")


def without_a_judgement(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A step whose outcomes cannot be read: raised until its longest wait is over, then the reason of a pause."""
    def broken(*_: Any, **__: Any) -> None:
        raise DataError("the captured rows cannot be read")

    release = in_the_first_step(world)
    monkeypatch.setattr(stepping, "judge", broken)
    world.clock.forward(61)
    with pytest.raises(DataError):
        world.keep(release)
    assert (world.release(release).state, world.route.candidate_percent) == ("canary", 10)
    world.clock.forward(86_400)
    said = str(world.keep(release))
    assert world.route.candidate_percent == 0
    return said


def test_a_step_that_cannot_be_judged_pauses_at_its_longest_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the step cannot be judged: DataError: the captured rows cannot be read" in without_a_judgement(world, monkeypatch)


def test_a_step_that_nobody_judges_for_ever_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "_pause", lambda *_: "")
    with pytest.raises(AssertionError):
        without_a_judgement(world, monkeypatch)
