"""R2: 2 to 64 approvers at once, double clicks, replays: exactly one decision and one effective deployment each."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from interlock.control.keeping.dispatcher import Dispatcher
from interlock.errors import InterlockError
from interlock.records import ledger, outbox
from interlock.records.ids import new_id
from interlock.records.store import utc_now
from interlock.records.tables import Decision, Outbox, Release
from tests.control.conftest import MemoryEndpoint, World
from tests.control.test_dispatcher import Prefect
from tests.reliability.installation import ROOT, Installation

pytestmark = pytest.mark.end_to_end
PROCESSES = 4


@contextmanager
def approvers(installation: Installation, broken: str = "") -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that press when they are told."""
    with ExitStack() as stack:
        yield [stack.enter_context(subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.approvers"], env=installation.environment() | {"BROKEN": broken}, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) for _ in range(PROCESSES)]


def press(processes: list[subprocess.Popen[str]], evidence: str, generation: int, people: list[tuple[str, str]]) -> list[list[Any]]:
    """All press at the same moment, spread over the processes; what each was told."""
    at = time.time() + 0.02
    asked = [process for place, process in enumerate(processes) if people[place::PROCESSES]]
    for place, process in enumerate(asked):
        assert process.stdin is not None
        process.stdin.write(json.dumps({"at": at, "evidence": evidence, "generation": generation,
                                        "presses": people[place::PROCESSES]}) + "\n")
        process.stdin.flush()
    return [told for process in asked if process.stdout for told in json.loads(process.stdout.readline())]


def people_of(draw: random.Random, number: int) -> tuple[str, list[tuple[str, str]]]:
    """2 to 64 presses: of different people, of one person's many clicks, or of both."""
    size, kind = draw.choice([2, 3, 4, 8, 16, 32, 64]), draw.choice(["people", "one person's clicks", "both"])
    if kind == "people":
        return kind, [(f"person{n}", f"nonce-{number}-{n}-long-enough") for n in range(size)]
    if kind == "both":
        return kind, [(f"person{n // 2}", f"nonce-{number}-{n // 2}-long-enough") for n in range(size)]
    return kind, [("ben", f"nonce-{number}-long-enough")] * size


def one_round(world: World, processes: list[subprocess.Popen[str]], number: int, draw: random.Random, waits: list[float]) -> Counter[str]:
    """Everybody presses; two keepers dispatch; runs race. One decision, release, intent and run, and one new generation."""
    evidence = world.candidate(number)
    before = world.route
    kind, people = people_of(draw, number)
    told = press(processes, evidence, before.generation, people)
    with world.store.reading() as session:
        decided = session.query(Decision).filter_by(evidence_digest=evidence).all()
        assert len(decided) == 1, told
        releases, intents = (session.query(table).filter_by(**{key: decided[0].id}).all()
                             for table, key in ((Release, "decision_id"), (Outbox, "cause")))
    assert (len(releases), len(intents)) == (1, 1)
    receipts = [answer for answer in told if answer[0] == "receipt"]
    assert {answer[1] for answer in receipts} == {decided[0].id}
    assert sum(not answer[2] for answer in receipts) == 1  # one did it; the same click again got the same receipt
    mine = sum(nonce == decided[0].detail["nonce"] for _, nonce in people)
    assert len(receipts) == mine
    assert all(f"already decided by {decided[0].actor}" in answer[1] for answer in told if answer[0] == "refused")
    assert [answer for answer in told if answer[0] == "failed"] == []
    waits += [answer[3] for answer in told]
    again = press(processes, evidence, before.generation, people[:3])  # replays, long after
    assert all(answer[2] for answer in again if answer[0] == "receipt")
    _one_deployment(world, intents[0].cause, releases[0].id, before.generation)
    return Counter({kind: 1, "presses": len(people) + len(again)})


def _one_deployment(world: World, cause: str, release_id: str, generation: int) -> None:
    prefect = Prefect()
    with ThreadPoolExecutor(8) as threads:
        keepers = [Dispatcher(world.settings, world.store, utc_now, httpx.MockTransport(prefect)) for _ in range(2)]
        for dispatched in [threads.submit(keeper.run_once) for keeper in keepers]:
            dispatched.exception()
        assert list(prefect.runs) == [f"{cause}:1"]
        runs = [threads.submit(world.run, release_id) for _ in range(4)]
        errors = [run.exception() for run in runs]
    assert all(error is None or isinstance(error, InterlockError) for error in errors), errors
    assert (world.route.generation, world.release(release_id).state) == (generation + 1, "probation")
    with world.store.writing() as session:  # this run has ended; the next round has a Prefect of its own
        row = session.query(Outbox).filter_by(cause=cause).one()
        assert (row.state, row.attempt) == ("dispatched", 1)
        outbox.move(session, row, utc_now(), state="done")


def rounds(installation: Installation, number: int, broken: str = "") -> tuple[Counter[str], list[float]]:
    """So many rounds, one after the other in one installation."""
    world, draw, waits = installation.world, random.Random(2013), list[float]()
    world.endpoint = MemoryEndpoint(world.clock)
    done: Counter[str] = Counter()
    with approvers(installation, broken) as processes:
        for place in range(1, number + 1):
            done += one_round(world, processes, place, draw, waits)
            if place % 100 == 0 or place == number:
                assert ledger.verify(world.store).problems == []
    return done, waits


def test_many_approvers_make_one_decision_and_one_deployment(installation: Installation, count: Callable[..., int],
                                                             measured: Callable[..., None]) -> None:
    number = count(1_000, 12)
    done, waits = rounds(installation, number)
    assert done["people"] + done["both"] + done["one person's clicks"] == number
    waits.sort()
    measured("R2", "approvers at once", rounds=number, **{kind.replace(" ", "_").replace("'", ""): total for kind, total in done.items()},
             decisions=number, effective_deployments=number, answer_ms_median=round(waits[len(waits) // 2] * 1000, 1),
             answer_ms_max=round(waits[-1] * 1000))


def test_an_identity_per_click_is_caught(installation: Installation) -> None:
    with pytest.raises(AssertionError):
        rounds(installation, 15, "identity-per-click")


def test_a_run_per_try_is_caught(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.records.outbox.idempotency_key", lambda row: new_id())
    monkeypatch.setattr("interlock.records.outbox.move", lambda *_, **__: True)  # nor does the outbox remember that it was started
    with pytest.raises(AssertionError):
        rounds(installation, 3)
