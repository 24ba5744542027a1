"""Law 12 of docs/architecture.md: every list says the one verdict of the sealed evidence; a list with a rule of its own is caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interlock.control.readmodel import waiting as room
from interlock.control.status import status
from interlock.records.tables import EvidenceRow
from interlock.rules.evidence import Evidence
from interlock.rules.gates import Verdict
from tests.control.conftest import gate

World = Any  # tests/control/conftest.py


def every_view_says_the_same(world: World) -> None:
    """What the command line and the control room list as waiting is what was sealed: the same evidence, the same verdict."""
    world.candidate(1, gates=[gate(), gate("log_loss", Verdict.FAIL)])
    world.candidate(2, gates=[gate(), gate("log_loss", Verdict.UNKNOWN)])
    world.reject(world.candidate(3))
    with world.store.reading() as session:
        bodies = {row.digest: Evidence.model_validate(row.body) for row in session.query(EvidenceRow)}
    [case] = status(world.settings, world.store, endpoint=world.endpoint, clock=world.clock).use_cases
    by_command = {one.evidence_digest: one.verdict for one in case.waiting}
    on_screen = {one.evidence_digest: one.verdict for one in room.waiting(world.settings, world.store)}
    assert on_screen == by_command
    assert by_command == {digest: bodies[digest].verdict for digest in by_command}
    assert sorted(by_command.values()) == ["fail", "unknown"]


def test_one_verdict_feeds_every_view(world: World) -> None:
    every_view_says_the_same(world)


def test_a_view_with_a_verdict_of_its_own_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> list[room.Waiting]:
        return [replace(one, verdict="pass" if one.verdict == "unknown" else one.verdict) for one in sound(*given)]

    sound = room.undecided
    monkeypatch.setattr(room, "undecided", broken)
    with pytest.raises(AssertionError):
        every_view_says_the_same(world)


def test_a_view_with_a_list_of_its_own_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = room.undecided
    monkeypatch.setattr(room, "undecided", lambda *given: sound(*given)[:1])
    with pytest.raises(AssertionError):
        every_view_says_the_same(world)
