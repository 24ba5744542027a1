"""`interlock approve | reject | rollback | status | history | verify`, as a person types them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.control import status as reading
from interlock.control.evidence.validation import next_candidate
from interlock.control.keeping.keeper import export_head
from interlock.errors import DecisionRefused, EvidenceError
from interlock.records.store import utc_now
from interlock.records.tables import Candidate, Decision, LedgerEntry, RouteRow
from interlock.rules.routes import Slot

World = Any  # tests/control/conftest.py
NAME = "small_loans"


@pytest.fixture
def typed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Commands find this installation through the environment, and the endpoint in memory."""
    world.clock.now = utc_now()
    names = {"home": world.settings.home, "usecases_dir": world.settings.usecases_dir, "actor": "ben"}
    names |= {f"{part}_port": getattr(world.settings, f"{part}_port") for part in ("predictions", "control", "prefect", "mlflow")}
    for name, value in names.items():
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(value))
    monkeypatch.setattr("interlock.control.endpoint.endpoint_from", lambda settings: world.endpoint)
    return world


def run(*words: str, says: str = "") -> str:
    result = CliRunner().invoke(app, list(words), input=says)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return f"{result.exit_code}\n{result.output}"


def test_a_person_approves_the_waiting_candidate(typed: World) -> None:
    typed.candidate(1)
    said = run("approve", NAME, "--reason", "all clear", says="y\n")
    assert "approve version 1 of small_loans (PASS" in said
    with typed.store.reading() as session:
        decision = session.query(Decision).one()
    assert (decision.actor, decision.reason, decision.kind) == ("ben", "all clear", "approve")
    assert f"decision {decision.id}, ledger entry 1, by ben" in said


def test_saying_no_at_the_question_changes_nothing(typed: World) -> None:
    typed.candidate(1)
    assert run("approve", NAME, "--reason", "r", says="n\n").startswith("1\n")
    with typed.store.reading() as session:
        assert session.query(Decision).count() == 0


def test_two_waiting_candidates_need_a_version(typed: World) -> None:
    typed.candidate(1)
    typed.candidate(2)
    with pytest.raises(DecisionRefused, match="2 candidates of 'small_loans' wait"):
        run("reject", NAME, "--reason", "r", "--yes")
    assert "version 2 is rejected" in run("reject", NAME, "--reason", "r", "--yes", "--version", "2")


def test_evidence_about_another_policy_or_champion_waits_for_validate_not_for_a_person(typed: World) -> None:
    def chosen(**named: Any) -> int | None:
        found = next_candidate(typed.settings, typed.store, NAME, **named)
        if found is None:
            return None
        with typed.store.reading() as session:
            return int(session.get_one(Candidate, found).number)

    typed.make_live(1)
    typed.candidate(2)
    assert ("waiting   version 2" in run("status"), chosen(), chosen(version=2)) == (True, None, 2)
    assert "has evidence that counts" in run("validate", NAME)
    typed.candidate(3)
    typed.clock.now = utc_now()
    typed.approve(typed.candidate(4))
    path = typed.settings.usecases_dir / f"{NAME}.toml"
    path.write_text(path.read_text() + "\n# another policy\n")
    assert ("waiting " in run("status"), chosen()) == (False, 4)  # the newest first, also one whose yes is void now
    path.write_text(path.read_text().removesuffix("\n# another policy\n"))
    assert chosen() is None
    with typed.store.writing() as session:  # version 3 answers now: nothing older is looked for by itself
        champion = Slot(version=3, digest=session.query(Candidate).filter_by(number=3).one().package_digest)
        row = session.get_one(RouteRow, NAME)
        row.body = {**row.body, "champion": champion.model_dump(mode="json")}
    assert ("waiting " in run("status"), chosen()) == (False, 4)


def test_validate_names_what_is_wrong_with_the_candidate(typed: World) -> None:
    with pytest.raises(EvidenceError, match="has no candidate yet"):
        run("validate", NAME)
    typed.candidate(1)
    with pytest.raises(EvidenceError, match="has no such version"):
        run("validate", NAME, "--version", "7")
    with typed.store.reading() as session:
        found = session.query(Candidate).one().id
    text = (typed.settings.usecases_dir / f"{NAME}.toml").read_text()
    (typed.settings.usecases_dir / "another.toml").write_text(text.replace(f'name = "{NAME}"', 'name = "another"'))
    with pytest.raises(EvidenceError, match="is version 1 of 'small_loans'"):
        run("validate", "another", "--candidate", found)


def test_a_person_rolls_back(typed: World) -> None:
    typed.make_live(1)
    typed.make_live(2)
    said = run("rollback", NAME, "--reason", "complaints", says="y\n")
    assert "small_loans: version 1 instead of version 2?" in said
    assert "the endpoint answers with version 1" in said


def test_status_says_what_the_endpoint_itself_answers(typed: World) -> None:
    typed.make_live(1)
    typed.endpoint.routes[NAME] = typed.route.model_copy(update={"generation": 0, "champion": None})
    assert "nothing yet: not converged" in run("status")
    typed.endpoint.routes[NAME] = typed.route
    typed.candidate(2)
    said = run("status")
    assert "answers   version 1 sha256:" in said
    assert "no way back" in said
    assert "waiting   version 2: PASS" in said
    assert "release   version 1 live" in said
    assert "Prefect            down" in said
    typed.endpoint.down = True
    assert "unknown: the endpoint does not answer; its last route says version 1" in run("status")


def test_an_endpoint_that_hangs_does_not_hold_the_status(typed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    typed.make_live(1)
    hanging = threading.Event()
    monkeypatch.setattr(typed.endpoint, "observed", lambda use_case: hanging.wait(60))
    try:
        found = reading.status(typed.settings, typed.store, endpoint=typed.endpoint)
    finally:
        hanging.set()
    assert "no answer within" in found.use_cases[0].says


def test_history_shows_decisions_and_routes(typed: World) -> None:
    typed.make_live(1)
    typed.make_live(2)
    typed.roll_back()
    said = run("history", NAME, "--entries")
    for part in ("decision.approve  ben: all clear on evidence sha256:", "g1 v1 → g2 v1 + 10 % v2", "canary 1 → canary 2",
                 "probation → live", "decision.rollback  cas: complaints", "g4 v2 → g5 v1"):
        assert part in said, part


def test_verify_answers_with_its_exit_code(typed: World) -> None:
    typed.make_live(1)
    export_head(typed.settings, typed.store)
    assert run("verify").startswith("0\n")
    with typed.store.writing() as session:
        session.execute(delete(LedgerEntry).where(LedgerEntry.seq > 2))
    said = run("verify")
    assert said.startswith("1\n")
    assert "the tail is cut" in said


@pytest.mark.end_to_end
def test_status_answers_within_a_second_with_everything_down(typed: World) -> None:
    typed.make_live(1)
    subprocess.run([sys.executable, "-m", "interlock.cli.main", "status"], env=dict(os.environ), check=True, capture_output=True)
    before = os.times()
    done = subprocess.run([sys.executable, "-m", "interlock.cli.main", "status"], env=dict(os.environ), check=True, capture_output=True)
    after = os.times()
    # processor time rather than the clock, so that a busy machine does not decide; what it waits for is at most ASK_S
    assert (after.children_user - before.children_user) + (after.children_system - before.children_system) < 1.5
    assert b"unknown: the prediction server" in done.stdout
