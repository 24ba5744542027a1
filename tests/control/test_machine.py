"""Everything that may happen to releases, in any order, with crashes at any point: nothing answers without a valid decision."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from interlock.control.decisions import actions
from interlock.control.keeping.reconciler import reconcile
from interlock.errors import DecisionRefused, StaleState, Unavailable
from interlock.records import ledger, releases
from interlock.records.ids import new_id
from interlock.records.tables import Candidate, Decision, Release
from interlock.rules.arms import ArmStats
from interlock.rules.gates import GateResult, Verdict
from interlock.rules.releases import ReleaseState
from tests.control.conftest import USE_CASE

World = Any  # tests/control/conftest.py
NAME = "small_loans"
GOOD = ArmStats(requests=400, errors=0, refusals=0, latency_p99_ms=2.0, histogram=(40,) * 10, latency=(0,) * 17 + (400,) + (0,) * 52)
BAD = ArmStats(requests=400, errors=40, refusals=0, latency_p99_ms=2.0, histogram=(40,) * 10, latency=(0,) * 17 + (400,) + (0,) * 52)
DIES = st.sampled_from([0, 0, 0, 1, 2, 3, 4])  # at which call to the endpoint the process dies; 0: never
OPEN = ("planned", "staged", "shadow", "canary", "paused")
TEXT = USE_CASE.replace("steps = [", "shadow_s = 60\nshadow_requests_min = 100\nsteps = [")


class Killed(BaseException):
    """The process dies here."""


class Releases(RuleBasedStateMachine):
    """One use case, one endpoint, people, a keeper and `deploy` runs."""

    make: Callable[[Path], World]
    seen: Counter[str]

    @initialize(live=st.integers(0, 3))
    def begin(self, live: int) -> None:
        """`live` versions came and went before."""
        self.folder = Path(tempfile.mkdtemp())
        self.world = type(self).make(self.folder)
        self.number, self.waiting, self.generation, self.dies_at = 0, [], 0, -1
        world, endpoint = self.world, self.world.endpoint
        for _ in range(live):
            self.number += 1
            world.make_live(self.number)
        sound = endpoint._up

        def up(call: str) -> None:
            self.dies_at -= 1
            if self.dies_at == 0:
                raise Killed
            sound(call)

        endpoint._up, self.world = up, world

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Refusals, a silent endpoint and a killed process are all part of the game."""
        try:
            yield
        except (DecisionRefused, StaleState, Unavailable, Killed) as ended:
            self.seen.update([type(ended).__name__])
        finally:
            self.dies_at = -1

    def moving(self) -> list[str]:
        with self.world.store.reading() as session:
            return [release.id for release in releases.moving(session)]

    @rule(passes=st.booleans())
    def validate(self, passes: bool) -> None:
        self.number += 1
        bad = GateResult(gate="auc", title="auc", verdict=Verdict.FAIL, sentence="", metric="m", threshold=1, direction="at_least")
        self.waiting.append(self.world.candidate(self.number, gates=None if passes else [bad]))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), actor=st.sampled_from(["ada", "ben", "cas"]))
    def approve(self, data: st.DataObject, actor: str) -> None:
        with self.attempt():
            self.world.approve(data.draw(st.sampled_from(self.waiting)), actor=actor)

    @rule(upto=st.integers(1, 8))
    def one_goes_far(self, upto: int) -> None:
        """A good candidate takes up to `upto` turns of run, time and keeper: the shortest way into deep states."""
        self.number += 1
        with self.attempt():
            release = self.world.approve(self.world.candidate(self.number)).release_id
            for _ in range(upto):
                self.world.run(release)
                self.world.endpoint.arms = (GOOD,) * 4
                self.world.clock.forward(61)
                self.world.keep(release)
                self.seen.update([self.world.release(release).state])

    @rule(seconds=st.sampled_from([1, 61, 121, 700, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.forward(seconds)

    @rule(dies=DIES)
    def deploy_runs(self, dies: int) -> None:
        for release in self.moving():
            self.dies_at = dies
            with self.attempt():
                self.world.run(release)

    @rule(champion=st.sampled_from([GOOD, GOOD, BAD]), candidate=st.sampled_from([GOOD, GOOD, BAD, ArmStats()]), dies=DIES)
    def keeper_advances(self, champion: ArmStats, candidate: ArmStats, dies: int) -> None:
        self.world.endpoint.arms = (champion, candidate, candidate, champion)
        for release in self.moving():
            self.dies_at = dies
            with self.attempt():
                self.world.keep(release)

    @rule(dies=DIES)
    def keeper_reconciles(self, dies: int) -> None:
        self.dies_at = dies
        with self.attempt():
            reconcile(self.world.settings, self.world.store, self.world.endpoint, NAME, clock=self.world.clock)

    @rule(dies=DIES)
    def person_rolls_back(self, dies: int) -> None:
        self.dies_at = dies
        with self.attempt():
            self.world.roll_back()
            self.seen.update(["rolled back"])

    @rule(action=st.sampled_from([actions.abort, actions.pause, actions.resume]))
    def person_steers(self, action: Callable[..., object]) -> None:
        for release in self.moving():
            with self.attempt():
                action(self.world.settings, self.world.store, actor="cas", release_id=release, reason="r", nonce=new_id(),
                       expected_generation=self.world.route.generation, endpoint=self.world.endpoint, clock=self.world.clock)

    @rule(down=st.booleans())
    def endpoint_goes_up_or_down(self, down: bool) -> None:
        self.world.endpoint.down = down

    @rule()
    def endpoint_loses_its_disk(self) -> None:
        self.world.endpoint.routes.clear()
        self.world.endpoint.overrides.clear()

    @invariant()
    def nothing_answers_without_a_valid_decision(self) -> None:
        with self.world.store.reading() as session:
            yes = {row.package_digest for row in session.query(Decision).filter_by(kind="approve")}
            for row in session.query(Decision).filter_by(kind="approve"):
                assert row.actor != "ada"  # the author
                assert row.detail["verdict"] == "pass"
        endpoint = self.world.endpoint
        answering = [*endpoint.routes.values(), self.world.route]
        assert {slot.digest for route in answering for slot in route.slots()} <= yes
        assert {override["effect"]["champion"].digest for override in endpoint.overrides.values()} <= yes

    @invariant()
    def one_champion_and_one_on_its_way(self) -> None:
        with self.world.store.reading() as session:
            found = session.query(Release).all()
            package = {row.id: row.package_digest for row in session.query(Candidate)}
        live = [package[release.candidate_id] for release in found if release.state in {"probation", "live"}]
        champion, candidate = self.world.route.champion, self.world.route.candidate
        assert live == ([champion.digest] if champion else [])
        opened = [release for release in found if release.state in OPEN]
        assert len(opened) <= 1
        shown = [package[release.candidate_id] for release in opened if release.state in {"shadow", "canary", "paused"}]
        assert shown == ([candidate.digest] if candidate else [])

    @invariant()
    def generations_only_grow(self) -> None:
        assert self.world.route.generation >= self.generation
        self.generation = self.world.route.generation

    def teardown(self) -> None:
        """However it went: with the endpoint up, two passes of the keeper make it do what the route says; the ledger is whole."""
        self.world.endpoint.down, self.dies_at = False, -1
        for _ in range(2):
            found = reconcile(self.world.settings, self.world.store, self.world.endpoint, NAME, clock=self.world.clock).found
        assert found in {"agrees", "nothing"}
        self.one_champion_and_one_on_its_way()
        assert ledger.verify(self.world.store).ok
        self.world.store.close()
        shutil.rmtree(self.folder)


@pytest.fixture
def machine(copies_of: Callable[[str], Callable[[Path], World]]) -> type[Releases]:
    """The machine over copies of one migrated, empty store."""
    return type("OneRun", (Releases,), {"make": staticmethod(copies_of(TEXT)), "seen": Counter()})


def test_in_any_order_and_with_crashes_anywhere(machine: type[Releases]) -> None:
    run_state_machine_as_test(machine, settings=settings(
        max_examples=40, stateful_step_count=15, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck)))
    assert {"shadow", "canary", "probation", "live", "rolled back", "Killed"} <= set(machine.seen), machine.seen


@pytest.mark.parametrize("broken", ["interlock.control.releases.rollbacks._end_releases", "interlock.control.releases.stepping.end_open"])
def test_the_machine_catches_a_rollback_that_forgets_the_releases(machine: type[Releases], monkeypatch: pytest.MonkeyPatch,
                                                                  broken: str) -> None:
    monkeypatch.setattr(broken, lambda *args, **more: None)
    if broken.endswith("end_open"):
        monkeypatch.setattr("interlock.control.releases.steering.end_open", keeps_the_route)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=15, deadline=None, derandomize=True,
                                                             suppress_health_check=list(HealthCheck), print_blob=False,
                                                             phases=[Phase.generate]))


def keeps_the_route(session: Any, release_id: str, **known: Any) -> Any:
    """A broken brake: it ends the release and leaves the candidate in the route."""
    from interlock.records import decisions

    release = releases.get(session, release_id)
    releases.move(session, release, ReleaseState.ROLLED_BACK, now=known["now"], reason="", actor="")
    return decisions.record(session, kind="abort", identity=f"abort:{release_id}", use_case=NAME, actor="", reason="", now=known["now"],
                            detail=known["detail"])
