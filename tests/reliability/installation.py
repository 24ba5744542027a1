"""One installation under attack: promotions in processes of their own, a real server, a real keeper, and what must hold at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interlock.control.embedded import EmbeddedEndpoint
from interlock.control.keeping.keeper import Keeper
from interlock.control.releases import deploying
from interlock.errors import InterlockError
from interlock.modeling.package import read_package
from interlock.records import ledger, outbox
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Decision, Outbox, Release
from interlock.rules.routes import Route
from interlock.serving.client import ServingClient
from interlock.settings import Settings, settings_environment
from tests.control.test_real_server import NAME, SPACE, build

ROOT = Path(__file__).resolve().parents[2]
RECORDS = [{"age": float(20 + 3 * n), "income": float(15 + 9 * n)} for n in range(20)]
MOMENT = "2024-03-01T00:00:00Z"


class Fake:
    """Prefect's place: the intents are carried out in this process."""

    def __init__(self, settings: Settings, store: Store, endpoint: Any) -> None:
        self.settings, self.store, self.endpoint = settings, store, endpoint

    def run_once(self) -> list[str]:
        with self.store.writing() as session:
            rows = [(row, row.parameters) for row in outbox.due(session, utc_now())]
            for row, _ in rows:
                outbox.move(session, row, utc_now(), state="done")
        for row, parameters in rows:
            if row.deployment == "deploy/deploy":
                deploying.carry_out(self.settings, self.store, self.endpoint, parameters["release_id"])
        return []


class Installation:
    """The world of tests/control on the machine's own clock, with real packages and processes."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.recoveries: list[float] = []
        world.clock = utc_now
        self.settings: Settings = world.settings
        self.store: Store = world.store
        self.endpoint = EmbeddedEndpoint(self.settings)
        self.client = ServingClient(self.settings)
        self.server: subprocess.Popen[bytes] | None = None
        self.number = 0
        self._expected: dict[str, list[float]] = {}

    def environment(self) -> dict[str, str]:
        return os.environ | settings_environment(self.settings) | {"PYTHONDONTWRITEBYTECODE": "1"}

    def candidate(self) -> tuple[str, str]:
        """A new candidate with a model of its own: evidence digest and package digest."""
        self.number += 1
        package = build(self.settings.folder("packages"), self.number)
        return self.world.candidate(self.number, package=package), package

    def promote(self, evidence: str, before: list[str] | None = None, *more: str, staged: bool = False) -> subprocess.CompletedProcess[str]:
        """Approve and deploy in a process of its own, which `before` may kill; nobody else holds the store meanwhile. `staged`: with the
        staging server, which takes seconds."""
        generation = self.world.route.generation
        self.store.close()
        return subprocess.run([*(before or []), sys.executable, "-m", "tests.reliability.promotion", evidence, str(generation),
                               *([] if staged else ["without-staging"]), *more],
                              env=self.environment(), cwd=ROOT, capture_output=True, text=True, timeout=120)

    def start_server(self, **environment: str) -> float:
        """Start the prediction server; seconds until it answered."""
        began = time.monotonic()
        self.server = subprocess.Popen([sys.executable, "-m", "interlock.serving"], env=self.environment() | environment, cwd=ROOT)
        until(lambda: self.client.health()["workers_live"] == self.settings.serving_workers)
        return time.monotonic() - began

    def kill_server(self) -> None:
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGKILL)
        if self.server is not None:
            self.server.wait(10)
        self.server = None

    @contextmanager
    def keeper(self) -> Iterator[float]:
        """A real keeper process; the seconds that its first whole pass took from its start."""
        began = time.monotonic()
        beat = self.settings.folder("run") / "keeper.json"
        with (self.settings.folder("log") / "keeper.err").open("ab") as errors:
            process = subprocess.Popen([sys.executable, "-m", "interlock.cli.main", "keeper"], env=self.environment(), cwd=ROOT,
                                       stdout=subprocess.DEVNULL, stderr=errors)
        try:
            until(lambda: process.poll() is not None or (beat.exists() and json.loads(beat.read_text())["pid"] == process.pid), 0.01)
            assert process.poll() is None, self.settings.folder("log").joinpath("keeper.err").read_text()[-2_000:]
            yield time.monotonic() - began
        finally:
            process.kill()
            process.wait(10)

    def heal(self) -> Route:
        """What the keeper and `deploy` runs do until store and server agree; the route then."""
        keeper = Keeper(self.settings, self.store, self.endpoint, compact=lambda: None)
        keeper.dispatcher = Fake(self.settings, self.store, self.endpoint)  # type: ignore[assignment]
        until(lambda: keeper.run_once() or (self._settled() and (
            self.server is None or NAME not in keeper.found or keeper.found[NAME].found in {"agrees", "nothing"})))
        keeper.close()
        return self.world.route

    def _settled(self) -> bool:
        with self.store.reading() as session:
            begun = session.query(Release).filter(Release.state.in_(["planned", "staged"])).count()
            return not begun and not outbox.due(session, utc_now())

    def old_or_new(self, before: Route, evidence: str, package: str, store: Store | None = None) -> str:
        """What must hold in the store at any moment of the promotion of `package`: "old", "decided" or "new", whole, never between."""
        store = store or self.store
        assert ledger.verify(store).problems == []
        with store.reading() as session:
            from interlock.records.routes import read_route

            route = read_route(session, NAME)
            decided = session.query(Decision).filter_by(evidence_digest=evidence).all()
            candidate = session.query(Candidate).filter_by(package_digest=package).one()
            releases = session.query(Release).filter_by(candidate_id=candidate.id).all()
            intents = session.query(Outbox).filter(Outbox.cause.in_([row.id for row in decided])).all()
        assert (len(decided), len(releases), len(intents)) in {(0, 0, 0), (1, 1, 1)}
        state = releases[0].state if releases else "none"
        if state in {"none", "planned", "staged"}:
            assert route == before, f"the release is {state}, but the route has moved"
            return "decided" if decided else "old"
        assert state == "probation", releases[0].reason
        assert route.generation == before.generation + 1
        assert route.champion is not None
        assert (route.champion.digest, route.previous) == (package, before.champion)
        return "new"

    def answers_whole(self, allowed: set[str]) -> str:
        """Ask the server: one version for the request, one of `allowed`, and exactly its model's scores; its digest."""
        records = [record | {"id": f"r{place}", "event_time": MOMENT} for place, record in enumerate(RECORDS)]
        reply = self.client.predict(NAME, records)
        digest = str(reply["digest"])
        assert digest in allowed
        assert [item["digest"] for item in reply["predictions"]] == [digest] * len(RECORDS)
        assert [item["score"] for item in reply["predictions"]] == self.expected(digest)
        return digest

    def expected(self, digest: str) -> list[float]:
        """The packaged model's scores, computed in this process."""
        if digest not in self._expected:
            from datetime import datetime

            matrix, _ = SPACE.encode_records(RECORDS, [datetime.fromisoformat(MOMENT)] * len(RECORDS))
            model = read_package(self.settings.folder("packages"), digest).open_model()
            self._expected[digest] = [float(score) for score in model.score(matrix)]
        return self._expected[digest]

    def stop(self) -> None:
        self.kill_server()
        self.endpoint.close()
        self.client.close()


def until(condition: Callable[[], Any], pause_s: float = 0.05, timeout_s: float = 60) -> None:
    """Wait for the condition; the server not answering counts as not yet."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            if condition():
                return
        except InterlockError:
            pass
        time.sleep(pause_s)
    raise TimeoutError(f"not within {timeout_s:g} s")
