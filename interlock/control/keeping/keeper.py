"""The keeper: a small process that, every second, makes true what was decided. Each step is bounded, and apart from the others.

    absorb overrides, reconcile endpoints → advance releases → use standing approvals → dispatch the outbox → heal → deliver alerts
    → export the ledger's head
    what may take long runs beside: compaction and rows that leave in one lane, telling people in another
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.backups.confirming import require_confirmed
from interlock.control.decisions import standing
from interlock.control.drills.drill_schedule import tell_missed
from interlock.control.endpoint import Endpoint, reached
from interlock.control.keeping import alerting
from interlock.control.keeping.beside import Beside
from interlock.control.keeping.capture_watch import watch
from interlock.control.keeping.dispatcher import ATTEMPTS_MAX, Dispatcher
from interlock.control.keeping.expiring import expire_all
from interlock.control.keeping.reconciler import Reconciled, reconcile
from interlock.control.keeping.troubles import Troubles
from interlock.control.releases import archiving, rollout, stepping
from interlock.errors import SettingsError, Unavailable
from interlock.records import ledger, outbox, releases
from interlock.records.candidates import same_package
from interlock.records.registry import mirror_champion
from interlock.records.routes import all_routes
from interlock.records.store import Store, utc_now
from interlock.records.tables import Outbox, Release
from interlock.settings import Settings
from interlock.spec.load import readable_use_cases
from interlock.spec.usecase import UseCase

LOG = logging.getLogger("interlock.keeper")
TICK_S = 1.0
COMPACTION_S = 5.0
PREPARE_S = 5.0
ALERTS_S = 5.0
STANDING_S = 5.0
RETIRED_S = 60.0
DRILLS_S = 60.0
HEAD_S = 30.0
CAPTURE_S = 5.0
EXPIRE_S = 3_600.0
HEAL_S = 20.0
MIRROR_S = 10.0


@dataclass
class Keeper:
    """One installation's keeper. Everything it remembers may be lost at any moment: the store holds the truth."""

    settings: Settings
    store: Store
    endpoint: Endpoint
    clock: Callable[[], datetime] = utc_now
    dispatcher: Dispatcher | None = None
    compact: Callable[[], Any] | None = None
    reread: Callable[[], Settings] | None = None  # for the roles that people have now
    found: dict[str, Reconciled] = field(default_factory=dict)
    _due: dict[str, datetime] = field(default_factory=dict)
    _mirrored: dict[str, str] = field(default_factory=dict)
    _known: dict[str, UseCase] = field(default_factory=dict)  # as each file could be read last
    beside: Beside = field(default_factory=Beside)

    def __post_init__(self) -> None:
        self._troubles = Troubles(self.store, self.clock)

    def run_once(self) -> None:
        """One pass. An error in one step or one use case is logged and leaves the others alone."""
        self._troubles.begin_pass()
        self._guard("reconcile", self._reconcile_all)
        self._guard("releases", self._advance_all)
        self._every("standing approvals", STANDING_S, self._use_standing)
        self._guard("silence", self._troubles.tell_silence)
        self._guard("outbox", self._dispatch)
        self._every("heal", HEAL_S, self._heal)
        self._every("watch the capture", CAPTURE_S, lambda: watch(self.settings, self.store, self.endpoint, self.clock()))
        self._every("missing drills", DRILLS_S, lambda: tell_missed(self.settings, self.store, self.clock()))
        self._every("retirements", RETIRED_S, self._finish_retirements)
        self._every("mirror champions in MLflow", MIRROR_S, self._mirror)
        self._every("ledger head", HEAD_S, lambda: export_head(self.settings, self.store))
        for name, result in self.beside.ended():
            self._guard(name, result)
        self._every_beside("captured", "compaction", COMPACTION_S, self.compact or (lambda: _compact(self.settings)))
        self._every_beside("captured", "prepare what lists show", PREPARE_S, lambda: _prepare(self.settings, self.store))
        self._every_beside("captured", "captured rows whose time is over", EXPIRE_S,
                           lambda: expire_all(self.settings, self.store, self.clock()))
        self._every_beside("people", "alerts", ALERTS_S, self._deliver)
        self._guard("heartbeat", self._beat)

    def _reconcile_all(self) -> None:
        with self.store.reading() as session:
            names = [route.use_case for route in all_routes(session)]
        for name in names:
            self._guard(f"reconcile {name}", lambda name=name: self._reconcile(name))  # type: ignore[misc]

    def _reconcile(self, name: str) -> None:
        result = reconcile(self.settings, self.store, self.endpoint, name, clock=self.clock)
        self.found[name] = result
        if result.found in {"converged", "absorbed"}:
            LOG.info("%s: %s", name, result.sentence)
        if result.found == "unreachable":
            raise Unavailable(result.sentence)

    def _advance_all(self) -> None:
        with self.store.reading() as session:
            ids = [(release.id, release.use_case) for release in releases.moving(session)]
        for release_id, name in ids:
            self._guard(f"release {name} {release_id}", lambda release_id=release_id: self._advance(release_id))  # type: ignore[misc]

    def _advance(self, release_id: str) -> None:
        if said := rollout.advance(self.settings, self.store, release_id, self.endpoint, clock=self.clock):
            LOG.info("release %s: %s", release_id, said)

    def _use_standing(self) -> None:
        for said in standing.use_all(self.reread() if self.reread else self.settings, self.store, clock=self.clock, guard=self._guard):
            LOG.info("%s", said)

    def _finish_retirements(self) -> None:
        """What a retirement decided and could not be done then: the server forgets the version, its package goes out of reach."""
        with self.store.reading() as session:
            names = archiving.unfinished(self.settings, session)
        for name in names:
            if left := archiving.follow_up(self.settings, self.store, name, endpoint=self.endpoint, clock=self.clock):
                LOG.info("%s: %s", name, "; ".join(left))

    def _dispatch(self) -> None:
        self.dispatcher = self.dispatcher or Dispatcher(self.settings, self.store, self.clock)
        for said in self.dispatcher.run_once():
            LOG.info("%s", said)

    def _heal(self) -> None:
        """A run that reported success without the state having moved is started again: its success is not the truth. After the last
        attempt people are told."""
        now = self.clock()
        with self.store.writing() as session:
            for release in releases.moving(session):
                row = _intent(session, release)
                if row is None or not rollout.waits_for_run(release) or row.state != "done" \
                        or now - row.updated_at <= timedelta(seconds=HEAL_S):
                    continue
                if row.attempt < ATTEMPTS_MAX:
                    outbox.move(session, row, now, state="pending", attempt=row.attempt + 1, flow_run_id=None, lease_until=None,
                                last_error="the run ended, but the release has not moved")
                else:
                    _record_unmoved(session, release, row, now)

    def _deliver(self) -> None:
        """A broken file silences nobody: the others' alerts go where they say, its own where it said when it could be read last."""
        self._known |= {use_case.name: use_case for use_case in readable_use_cases(self.settings)}
        alerting.deliver(self.settings, self.store, self._known.values())

    def _mirror(self) -> None:
        """MLflow's alias `champion` follows what converged: best effort, one request per change; the first failure ends the pass."""
        for name, result in self.found.items():
            champion = result.route.champion
            if result.found not in {"agrees", "converged"} or champion is None or self._mirrored.get(name) == champion.digest:
                continue
            with self.store.reading() as session:
                made = same_package(session, name, champion.digest)
            if made is not None and made.mlflow_version is not None:
                mirrored = mirror_champion(self.settings, name, made.mlflow_version)
                if mirrored.warning:
                    raise Unavailable(mirrored.warning)
            self._mirrored[name] = champion.digest

    def _beat(self) -> None:
        """Tell `interlock status` that the keeper lives, and what it found."""
        state = {"pid": os.getpid(), "at": self.clock().isoformat(),
                 "found": {name: {"found": item.found, "sentence": item.sentence} for name, item in self.found.items()},
                 "errors": self._troubles.known}
        path = self.settings.folder("run") / "keeper.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.replace(path)

    def _guard(self, step: str, action: Callable[[], Any]) -> None:
        self._troubles.guard(step, action)

    def _every(self, step: str, seconds: float, action: Callable[[], Any]) -> None:
        if self._is_due(step, seconds):
            self._guard(step, action)

    def _every_beside(self, lane: str, job: str, seconds: float, action: Callable[[], Any]) -> None:
        if self._is_due(job, seconds) and not self.beside.start(lane, job, action):
            del self._due[job]  # still at work: again in the next pass

    def _is_due(self, step: str, seconds: float) -> bool:
        now, period = self.clock(), timedelta(seconds=seconds)
        if now < self._due.get(step, now) <= now + period:  # a clock that was put back stops no work
            return False
        self._due[step] = now + period
        return True

    def close(self) -> None:
        self.beside.close()


def run(settings: Settings, store: Store, *, endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now,
        stop: threading.Event | None = None, reread: Callable[[], Settings] | None = None) -> None:
    """Run until SIGTERM, SIGINT or `stop`; `reread` gives the settings as they are now. A second keeper of an installation is refused."""
    ended = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    require_confirmed(settings)
    with only_one(settings), reached(settings, endpoint) as seam:
        keeper = Keeper(settings, store, seam, clock, reread=reread)
        LOG.info("keeper at work for %s", settings.home.resolve())
        if clock is not utc_now:
            with store.writing() as session:
                ledger.append(session, "clock.injected", {"sentence": "the keeper runs on a clock that is not the machine's"})
        try:
            while not ended.is_set():
                began = time.monotonic()
                keeper.run_once()
                ended.wait(max(0.05, TICK_S - (time.monotonic() - began)))
        finally:
            keeper.close()


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the keeper's lock; the kernel frees it when the process dies, however it dies."""
    path = settings.folder("run") / "keeper.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError("a keeper is already at work for this installation", value=str(settings.home.resolve()),
                                next_step="interlock status") from error
        yield


def head_path(settings: Settings) -> Path:
    """Where the ledger's head is exported to."""
    return settings.folder("run") / "ledger-head.json"


def export_head(settings: Settings, store: Store) -> ledger.Head:
    """Export the ledger's head; the keeper does it at intervals."""
    return ledger.export_head(store, head_path(settings))


def _intent(session: Any, release: Release) -> Outbox | None:
    cause = release.decision_id if release.state in {"planned", "staged"} else stepping.breach_id(release)
    return cast("Outbox | None", session.scalars(select(Outbox).where(Outbox.cause == cause)).first())


def _record_unmoved(session: Session, release: Release, row: Outbox, now: datetime) -> None:
    """People are told, once, that a release stands still though every run for it reported success."""
    alerting.record_alert(
        session, identity=f"unmoved:{row.id}", severity="critical", at=now, use_case=release.use_case,
        title=f"the release of {release.use_case} does not move",
        body=f"{row.attempt} runs of {row.deployment} reported success, and release {release.id} is still {release.state}. Does the worker "
             f"use this installation's home? See the runs in Prefect. To end it: interlock abort {release.id}")


def _compact(settings: Settings) -> Any:
    from interlock.records.compaction import compact
    from interlock.records.lake import lake_from

    return compact(settings, lake_from(settings))


def _prepare(settings: Settings, store: Store) -> Any:
    from interlock.control.preparing import prepare

    return prepare(settings, store)
