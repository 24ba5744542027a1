"""An installation with one small use case, real packages, sealed evidence, and an endpoint in memory behind the same seam."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from interlock.control.decisions import actions
from interlock.control.decisions.receipts import Receipt
from interlock.control.endpoint import EndpointStats
from interlock.control.keeping.keeper import Keeper
from interlock.control.releases import deploying, rollout
from interlock.errors import StaleState, Unavailable
from interlock.records import releases
from interlock.records.ids import new_id
from interlock.records.routes import read_route
from interlock.records.store import Store
from interlock.records.tables import Candidate, EvidenceRow, Release
from interlock.rules.arms import ArmStats
from interlock.rules.canonical import digest_bytes
from interlock.rules.evidence import Evidence
from interlock.rules.gates import GateResult, Verdict
from interlock.rules.routes import Observed, Route, Slot
from interlock.rules.staging import StagingJudgement
from interlock.settings import Settings
from interlock.spec.load import spec_digest
from tests.control.traffic import small_package

NAME = "small_loans"
USE_CASE = """
spec_version = 1
name = "small_loans"
title = "Small loans"
description = "For tests."
owner = "lending"

[prediction]
task = "binary"
target = "late"
positive = [1]
moment = "at application"

[source]
kind = "files"
files = [{ path = "loans.csv" }]

[columns.age]
type = "float"

[columns.income]
type = "float"

[columns.late]
type = "integer"
role = "target"

[training]
split = "seeded"

[rollout]
steps = [{ percent = 10, bake_s = 60, requests_min = 100 }, { percent = 50, bake_s = 60, requests_min = 100 }]
wait_max_s = 600
probation_s = 120

[staging]
load_seconds = 0

[approval]
expires_hours = 24
evidence_days_max = 7
"""
STAGED = StagingJudgement("pass", "staged")  # staging has tests of its own
START = datetime(2024, 5, 4, 14, 0, tzinfo=UTC)
GOOD = ArmStats(requests=400, errors=0, refusals=0, latency_p99_ms=2.0, histogram=(40,) * 10, latency=(0,) * 17 + (400,) + (0,) * 52)


@dataclass
class Clock:
    """A clock that only moves when told."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class MemoryEndpoint:
    """The seam's contract in memory: newer generations win, an override outranks the route, the same override id changes nothing."""

    clock: Clock
    routes: dict[str, Route] = field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    absorbed_ids: list[str] = field(default_factory=list)
    served: dict[int, Slot] = field(default_factory=dict)
    withdrawn: list[int] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)
    arms: tuple[ArmStats, ...] = (ArmStats(), ArmStats())
    down: bool = False
    calls: list[str] = field(default_factory=list)

    def _up(self, call: str) -> None:
        self.calls.append(call)
        if self.down:
            raise Unavailable("the endpoint does not answer")

    def observed(self, use_case: str) -> Observed:
        self._up("observed")
        route, override = self.routes.get(use_case, Route(use_case=use_case, generation=0)), self.overrides.get(use_case)
        shown = route.model_dump(include=set(Observed.model_fields)) | ({} if override is None else override["effect"])
        return Observed(**shown, workers_ready=1, workers_total=1, observed_at=self.clock(), override=override is not None,
                        override_id=override["id"] if override else None, override_actor=override["actor"] if override else None,
                        override_reason=override["reason"] if override else None, override_at=override["at"] if override else None)

    def converge(self, route: Route) -> Observed:
        self._up("converge")
        have = self.routes.get(route.use_case)
        if route.use_case in self.overrides:
            raise StaleState("an override stands")
        if have is not None and (route.generation < have.generation or (route.generation == have.generation and route != have)):
            raise StaleState("the endpoint has a newer generation")
        self.routes[route.use_case] = route
        self.served |= {slot.version: slot for slot in (route.champion, route.previous) if slot is not None}
        return self.observed(route.use_case)

    def rollback(self, use_case: str, *, actor: str, reason: str, override_id: str, expected_generation: int,
                 to: Literal["previous", "champion"] = "previous", to_version: int | None = None) -> Observed:
        self._up("rollback")
        if use_case not in self.routes:
            raise StaleState("the endpoint has no route for this use case")
        route, override = self.routes[use_case], self.overrides.get(use_case)
        if override_id in self.absorbed_ids or (override and override["id"] == override_id):
            return self.observed(use_case)
        if override is not None or route.generation != expected_generation:
            raise StaleState("another rollback stands, or the route changed")
        target, other = (route.previous, route.champion) if to == "previous" else (route.champion, route.previous)
        if to_version is not None:
            target, other = self.served.get(to_version) if to_version not in self.withdrawn else None, route.champion
        if target is None or (to_version is not None and target == route.champion):
            raise StaleState("there is no previous model")
        self.overrides[use_case] = {"id": override_id, "actor": actor, "reason": reason, "at": self.clock(), "effect": {
            "champion": target, "previous": other, "candidate": None, "candidate_percent": 0}}
        return self.observed(use_case)

    def absorbed(self, use_case: str, override_id: str, route: Route) -> Observed:
        self._up("absorbed")
        override = self.overrides.get(use_case)
        if override is not None and override["id"] == override_id:
            del self.overrides[use_case]
            self.absorbed_ids.append(override_id)
        return self.converge(route)

    def withdraw(self, use_case: str, version: int) -> None:
        self._up("withdraw")
        self.withdrawn = sorted({*self.withdrawn, version})

    def close(self) -> None:
        pass

    def capture_failing(self) -> dict[str, str]:
        return self.failing

    def stats(self, use_case: str) -> EndpointStats:
        self._up("stats")
        return EndpointStats(self.routes[use_case].generation if use_case in self.routes else 0, *self.arms)


def gate(name: str = "auc", verdict: Verdict = Verdict.PASS, *, waivable: bool = False) -> GateResult:
    return GateResult(gate=name, title=name, verdict=verdict, sentence=name, metric=f"performance.{name}", threshold=0.7,
                      direction="at_least", waivable=waivable)


@dataclass
class World:
    """The installation and short ways to say what happens in it."""

    settings: Settings
    store: Store
    endpoint: MemoryEndpoint
    clock: Clock

    def candidate(self, number: int, *, gates: list[GateResult] | None = None, author: str = "Ada <ada@example.org>",
                  started_by: str = "scheduler", package: str | None = None, figures: dict[str, Any] | None = None) -> str:
        """A candidate with sealed evidence against the present champion; the answer is the evidence's digest."""
        path = self.settings.usecases_dir / f"{NAME}.toml"
        digest, row_id = package or digest_bytes(f"package {number}".encode()), new_id()
        (self.settings.folder("packages") / digest.removeprefix("sha256:")).mkdir(exist_ok=True)
        champion = self.route.champion
        evidence = Evidence(use_case=NAME, candidate_id=row_id, package_digest=digest, policy_digest=spec_digest(path),
                            champion_digest=champion.digest if champion else None, snapshots=[], created_at=self.clock(), findings=[],
                            gates=[gate()] if gates is None else gates, figures=figures or {})
        with self.store.writing() as session:
            session.add(Candidate(id=row_id, use_case=NAME, number=number, package_digest=digest, snapshot_digest="", author=author,
                                  spec_digest=evidence.policy_digest, started_by=started_by, metrics={}, created_at=self.clock()))
            session.flush()
            session.add(EvidenceRow(digest=evidence.seal(), use_case=NAME, candidate_id=row_id, verdict=evidence.verdict.value,
                                    body=evidence.model_dump(mode="json"), created_at=evidence.created_at))
        return evidence.seal()

    @property
    def route(self) -> Route:
        with self.store.reading() as session:
            return read_route(session, NAME)

    def approve(self, evidence: str, actor: str = "ben", **changes: Any) -> Receipt:
        wanted: dict[str, Any] = {"actor": actor, "evidence_digest": evidence, "reason": "all clear", "nonce": new_id(),
                                  "expected_generation": self.route.generation, "clock": self.clock}
        return actions.approve(self.settings, self.store, **(wanted | changes))

    def reject(self, evidence: str, actor: str = "ben") -> Receipt:
        return actions.reject(self.settings, self.store, actor=actor, evidence_digest=evidence, reason="no", nonce=new_id(),
                              clock=self.clock)

    def waive(self, evidence: str, gates: list[str], actor: str = "ben", hours: float = 48, on_expiry: str = "rollback") -> Receipt:
        return actions.waive(self.settings, self.store, actor=actor, evidence_digest=evidence, gates=gates, reason="holiday data",
                             nonce=new_id(), hours=hours, on_expiry=on_expiry, clock=self.clock)

    def roll_back(self, actor: str = "cas", **changes: Any) -> Receipt:
        wanted: dict[str, Any] = {"actor": actor, "use_case": NAME, "reason": "complaints", "nonce": new_id(), "clock": self.clock,
                                  "expected_generation": self.route.generation, "endpoint": self.endpoint}
        return actions.rollback(self.settings, self.store, **(wanted | changes))

    def release(self, release_id: str | None) -> Release:
        assert release_id is not None
        with self.store.reading() as session:
            return releases.get(session, release_id)

    def run(self, release_id: str | None) -> deploying.Outcome:
        """One `deploy` run whose package is whole (packages have tests of their own)."""
        assert release_id is not None
        plan = deploying.load(self.settings, self.store, release_id)
        if plan.state == "planned":
            deploying.stage(self.store, plan, deploying.objections(plan, self.clock()), STAGED, clock=self.clock)
        return deploying.converge(self.endpoint, deploying.go_on(self.settings, self.store, release_id, clock=self.clock))

    def keep(self, release_id: str | None) -> str:
        """What the keeper does for a release at this moment."""
        assert release_id is not None
        return rollout.advance(self.settings, self.store, release_id, self.endpoint, clock=self.clock)

    def make_live(self, number: int) -> str:
        """The whole way of one candidate to confirmed live; the answer is the release."""
        receipt = self.approve(self.candidate(number))
        self.run(receipt.release_id)
        while self.release(receipt.release_id).state in {"shadow", "canary"}:
            self.endpoint.arms = (GOOD,) * 4
            self.clock.forward(61)
            self.keep(receipt.release_id)
            self.run(receipt.release_id)
        self.endpoint.arms = (GOOD, ArmStats())  # customers are answered by it
        self.clock.forward(121)
        self.keep(receipt.release_id)
        assert self.release(receipt.release_id).state == "live"
        return str(receipt.release_id)


def slot(number: int) -> Slot:
    return Slot(version=number, digest=digest_bytes(f"package {number}".encode()))


@pytest.fixture(autouse=True)
def keepers_end_with_their_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a keeper still does beside its passes would reach into the next test."""
    made: list[Keeper] = []
    begin = Keeper.__init__

    def noted(self: Keeper, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        made.append(self)

    monkeypatch.setattr(Keeper, "__init__", noted)
    yield
    for keeper in made:
        keeper.close()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where the package of the small use case lies, and its digest; to be copied, not changed."""
    root = tmp_path_factory.mktemp("packages")
    return root, small_package(root)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_world(settings: Settings, store: Store, clock: Clock, tmp_path: Path) -> Callable[..., World]:
    """A world whose settings and use-case file may be changed."""

    def make(text: str = USE_CASE, **changes: Any) -> World:
        folder = tmp_path / "usecases"
        folder.mkdir(exist_ok=True)
        (folder / f"{NAME}.toml").write_text(text)
        changed = settings.model_copy(update={"usecases_dir": folder, **changes})
        return World(changed, store, MemoryEndpoint(clock), clock)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def copies_of(make_world: Callable[..., World]) -> Callable[[str], Callable[[Path], World]]:
    """Makes worlds with this use-case text in folders, each with a copy of one migrated, empty store: for state machines."""
    def prepared(text: str) -> Callable[[Path], World]:
        world = make_world(text)
        template = Path(world.settings.store_address.removeprefix("sqlite:///"))
        world.store.close()

        def make(folder: Path) -> World:
            shutil.copy(template, folder / "store.db")
            clock, cases = type(world.clock)(), folder / "usecases"
            shutil.copytree(world.settings.usecases_dir, cases)
            changed = world.settings.model_copy(update={"home": folder, "usecases_dir": cases})
            return type(world)(changed, Store(changed.store_address), type(world.endpoint)(clock), clock)

        return make

    return prepared
