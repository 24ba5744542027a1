"""The time machine: what answered at each moment of a staged history, rebuilt from the ledger alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from interlock.control.decisions import standing
from interlock.control.keeping.reconciler import reconcile
from interlock.control.past.timeline import moment_of, timeline, what_answered
from interlock.control.past.timeline_words import answer
from interlock.errors import DataError
from interlock.rules.gates import Verdict
from interlock.rules.routes import Slot
from tests.control.conftest import NAME, START, USE_CASE, gate, slot
from tests.control.test_decision_commands import run, typed
from tests.control.test_standing import DATA, granted

World = Any  # tests/control/conftest.py
QUICK = "\n".join("steps = []" if line.startswith("steps") else line for line in USE_CASE.splitlines())
__all__ = ["typed"]  # a fixture


def at(world: World, seconds: float) -> Any:
    return what_answered(world.settings, world.store, NAME, START + timedelta(seconds=seconds))


def test_before_the_first_release_nothing_answered(world: World) -> None:
    world.clock.forward(60)
    world.make_live(1)
    found = at(world, 59)
    assert (found.stretch, found.changed_next.since) == (None, START + timedelta(seconds=60))
    assert answer(found)[0] == "At 2024-05-04 14:00:59 UTC nothing had been released yet."


def test_every_moment_of_a_canary(world: World) -> None:
    """Version 1 goes live at 0 s; version 2 has 10 % at 121 s, 50 % at 182 s, everything at 243 s (steps bake 60 s)."""
    world.make_live(1)
    world.make_live(2)
    for second, champion, candidate, percent in ((0, 1, None, 0), (121, 1, 2, 10), (181.9, 1, 2, 10), (182, 1, 2, 50), (243, 2, None, 0)):
        found = at(world, second)
        assert found.stretch.champion == slot(champion), second
        assert (found.stretch.candidate, found.stretch.candidate_percent) == (slot(candidate) if candidate else None, percent), second
    during = at(world, 200)
    assert (during.since, during.until) == (START, START + timedelta(seconds=243))
    assert (during.put_there.actor, during.put_there.kind, during.way_back.way) == ("ben", "approve", "instant")
    assert during.candidate_proof.approval.evidence_digest != during.proof.approval.evidence_digest
    assert "and version 2 had 50 % of the requests" in answer(during)[0]
    assert at(world, 300).until is None


def test_who_decided_on_what_evidence_with_which_waiver(make_world: Callable[..., World]) -> None:
    world = make_world(QUICK)
    evidence = world.candidate(1, gates=[gate("auc", Verdict.FAIL, waivable=True)])
    world.waive(evidence, ["auc"], actor="cas")
    world.run(world.approve(evidence).release_id)
    proof = at(world, 1).proof
    assert (proof.approval.actor, proof.approval.evidence_digest, proof.verdict) == ("ben", evidence, "fail")
    assert [(waiver.actor, waiver.detail["gates"]) for waiver in proof.waivers] == [("cas", ["auc"])]
    assert "cas had waived auc: holiday data." in answer(at(world, 1))


def test_a_standing_approval_is_said(world: World) -> None:
    world.make_live(1)
    one = granted(world)
    world.candidate(2, figures=DATA)
    standing.use_all(world.settings, world.store, clock=world.clock)
    from tests.control.test_standing import finish

    finish(world)
    found = what_answered(world.settings, world.store, NAME, world.clock())
    assert found.proof is not None
    assert found.proof.standing == one
    assert f"ben was not asked: it was covered by standing approval {one}." in answer(found)


def override_counts_from_its_swap(world: World) -> None:
    """The server goes back at 300 s with nobody to tell; the store hears of it at 900 s."""
    world.clock.now = START + timedelta(seconds=300)
    world.endpoint.rollback(NAME, actor="pager", reason="errors", override_id="incident-1", expected_generation=world.route.generation)
    world.clock.now = START + timedelta(seconds=900)
    assert reconcile(world.settings, world.store, world.endpoint, NAME, clock=world.clock).found == "absorbed"
    assert [at(world, second).stretch.champion.version for second in (299, 300, 899, 901)] == [2, 1, 1, 1]
    found = at(world, 500)
    assert (found.stretch.by_server, found.put_there.actor, found.stretch.recorded_at) == (True, "pager", START + timedelta(seconds=900))


def test_a_rollback_of_the_server_alone_counts_from_its_swap(make_world: Callable[..., World]) -> None:
    world = make_world(QUICK)
    world.make_live(1)
    world.make_live(2)
    override_counts_from_its_swap(world)


def test_a_time_machine_that_believes_the_time_of_writing_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
                                                                    ) -> None:
    from interlock.control.past import timeline as module

    sound = module._stretch
    monkeypatch.setattr(module, "_stretch", lambda entry, body, decision: sound(entry, body, None))
    world = make_world(QUICK)
    world.make_live(1)
    world.make_live(2)
    with pytest.raises(AssertionError):
        override_counts_from_its_swap(world)


def test_a_promotion_that_the_server_never_took_on_did_not_happen(make_world: Callable[..., World]) -> None:
    """The server goes back at 242 s; at 300 s the store, not knowing, promotes version 3, which never answers."""
    world = make_world(QUICK)
    world.make_live(1)
    world.make_live(2)
    world.endpoint.rollback(NAME, actor="pager", reason="errors", override_id="incident-1", expected_generation=2)
    world.clock.now = START + timedelta(seconds=300)
    world.run(world.approve(world.candidate(3)).release_id)  # the endpoint refuses the route: its override stands
    assert world.route.champion == slot(3)
    world.clock.now = START + timedelta(seconds=400)
    reconcile(world.settings, world.store, world.endpoint, NAME, clock=world.clock)
    assert [at(world, second).stretch.champion.version for second in (241, 243, 350, 500)] == [2, 1, 1, 1]


def test_the_line_of_changes_agrees_with_what_the_endpoint_was_told(world: World) -> None:
    """Every stretch begins where the last ended, and the last one is what the route says."""
    for number in (1, 2, 3):
        world.make_live(number)
    world.roll_back()
    found = timeline(world.store, NAME).stretches
    assert [one.until for one in found[:-1]] == [one.since for one in found[1:]]
    last = found[-1]
    assert (last.until, last.champion, last.generation) == (None, world.route.champion, world.route.generation)


def an_edited_entry_is_named(world: World) -> None:
    world.make_live(1)
    with world.store.engine.connect() as connection:
        connection.execute(text("UPDATE ledger SET body = replace(body, :old, :new) WHERE kind = 'route.changed'"),
                           {"old": '"version":1', "new": '"version":7'})
        connection.commit()
    found = at(world, 1)
    assert (found.stretch, len(found.altered)) == (None, 1)
    assert "are not what was written" in answer(found)[-1]


def test_an_edited_entry_is_named_and_not_believed(world: World) -> None:
    an_edited_entry_is_named(world)


def test_a_time_machine_that_believes_everything_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.control.past.timeline.genuine", lambda entry: True)
    with pytest.raises(AssertionError):
        an_edited_entry_is_named(world)


@pytest.mark.parametrize(("written", "meant"), [
    ("2026-05-04T14:03", datetime(2026, 5, 4, 14, 3, tzinfo=UTC)), ("2026-05-04T16:03+02:00", datetime(2026, 5, 4, 14, 3, tzinfo=UTC)),
    (" 2026-05-04 ", datetime(2026, 5, 4, tzinfo=UTC)), ("2026-05-04T14:03Z", datetime(2026, 5, 4, 14, 3, tzinfo=UTC))])
def test_moments_as_people_write_them(written: str, meant: datetime) -> None:
    assert moment_of(written) == meant


def test_what_is_no_moment() -> None:
    with pytest.raises(DataError, match="this is no moment"):
        moment_of("yesterday")


def test_as_a_person_types_it(typed: World) -> None:
    typed.make_live(1)
    typed.make_live(2)
    line = run("history", NAME)
    assert "version 1 (sha256:" in line
    assert "by interlock: version 2 is live on probation" in line
    said = run("history", NAME, "--at", typed.clock().isoformat())
    assert "version 2 answers now: there is nothing to go back to" in said.replace("Version", "version")
    assert run("rollback", NAME, "--to-version", "1", "--reason", "why", "--yes").startswith("0\n")
    assert typed.route.champion == Slot(version=1, digest=slot(1).digest)
    typed.candidate(3)
    assert "is archived" in run("retire", NAME, "--version", "3", "--reason", "old", "--yes")
    with pytest.raises(DataError, match="needs a use case"):
        run("history", "--at", "2026-05-04")


def test_a_standing_approval_as_a_person_types_it(typed: World) -> None:
    assert "no standing approval" in run("standing", "list")
    said = run("standing", "grant", NAME, "--reason", "nights", "--days", "10", "--yes")
    assert "approved in the name of ben for 10 days" in said
    listed = run("standing", "list")
    assert "active  by ben" in listed
    one = listed.splitlines()[1].split()[0]
    assert "ends now" in run("standing", "revoke", one, "--reason", "enough")
    assert "revoked" in run("standing", "list", NAME)
