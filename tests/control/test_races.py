"""Eight real processes decide at the same moment: one decision, one release, one intent (law 2)."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from interlock.records import ledger
from interlock.records.tables import Decision, Outbox, Release

World = Any  # tests/control/conftest.py
NAME = "small_loans"
APPROVE = """
import sys
from interlock.control.decisions import actions
from interlock.errors import DecisionRefused
from interlock.records.store import open_store
from interlock.settings import load_settings
actor, evidence, nonce = sys.argv[1:]
settings = load_settings(); store = open_store(settings)
print("ready", flush=True)
sys.stdin.read()
try:
    receipt = actions.approve(settings, store, actor=actor, evidence_digest=evidence, reason="clear", nonce=nonce, expected_generation=0)
    print("receipt", receipt.decision_id, receipt.replayed)
except DecisionRefused as error:
    print("refused", error.what)
"""


def press(world: World, evidence: str, people: list[tuple[str, str]]) -> list[str]:
    """Every (actor, nonce) approves from a process of its own at the same moment; their answers."""
    names = {"home": world.settings.home, "usecases_dir": world.settings.usecases_dir}
    environment = os.environ | {f"INTERLOCK_{name.upper()}": str(value) for name, value in names.items()}
    gate, opener = os.pipe()  # all wait for its end, which comes to all at once
    running = [subprocess.Popen([sys.executable, "-c", APPROVE, actor, evidence, nonce], env=environment, stdin=gate,
                                stdout=subprocess.PIPE, text=True) for actor, nonce in people]
    os.close(gate)
    try:
        assert [process.stdout.readline() for process in running if process.stdout] == ["ready\n"] * len(people)
    finally:
        os.close(opener)
    return [process.communicate(timeout=60)[0].strip() for process in running]


@pytest.mark.end_to_end
@pytest.mark.parametrize("same_click", [False, True])
def test_eight_processes_make_one_decision(world: World, same_click: bool) -> None:
    from interlock.records.store import utc_now

    world.clock.now = utc_now()
    evidence = world.candidate(1)
    people = [("ben", "nonce-of-ben")] * 8 if same_click else [(f"person{n}", f"nonce-of-{n}") for n in range(8)]
    answers = press(world, evidence, people)
    with world.store.reading() as session:
        assert [session.query(table).count() for table in (Decision, Release, Outbox)] == [1, 1, 1]
        decision = session.query(Decision).one()
    receipts = [answer for answer in answers if answer.startswith(f"receipt {decision.id}")]
    assert len(receipts) == (8 if same_click else 1), answers
    assert sum("False" in receipt for receipt in receipts) == 1  # one did it, the others got the same receipt
    assert all(f"already decided by {decision.actor}" in answer for answer in answers if answer not in receipts)
    assert ledger.verify(world.store).ok
