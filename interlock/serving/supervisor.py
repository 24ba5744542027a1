"""The supervisor: owns the listening socket, the workers, the control port and what is answered with. Predictions cannot delay it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from interlock.errors import InterlockError, PackageError, StaleState, Unavailable
from interlock.rules.routes import Observed, Route, Slot
from interlock.serving.channel import Message
from interlock.serving.counters import ArmCounts, ArmKey, Counters
from interlock.serving.crew import Crew, Worker
from interlock.serving.going_back import going_back, overruled
from interlock.serving.limits import Limits
from interlock.serving.options import WorkerOptions
from interlock.serving.proving import Prover
from interlock.serving.served_here import Served
from interlock.serving.sockets import listen
from interlock.serving.tracks import Track, Tracks, rolled_back

log = logging.getLogger("interlock.serving")


class Supervisor:
    """Converge, roll back, absorb, observe."""

    def __init__(self, *, packages: Path, capture: Path, run: Path, host: str, port: int, workers: int, limits: Limits,
                 options: WorkerOptions | None = None) -> None:
        self.limits = limits
        self.tracks = Tracks(run)
        self.counters = Counters()
        self.totals = Counters()
        self.began = time.monotonic()
        self._prover = Prover(packages, run, limits.probe_timeout_s)
        self.listening = listen(host, port)
        self.served = Served(run)
        for track in self.tracks.all.values():
            self.served.note(track.effective)
        self.crew = Crew(workers, self.listening, {"packages": packages, "capture": capture}, limits, self.tracks.wanted, self._count,
                         self.served.of, self._prove, options or WorkerOptions())
        self.statuses: dict[str, int] = {}
        self.refused: dict[tuple[str, str], int] = {}  # by use case and reason
        self.cache = {"hits": 0, "loads": 0, "evictions": 0}
        self.capture: dict[str, dict[str, int]] = {}

    def capture_failing(self) -> dict[str, str]:
        """Use cases whose answers a worker cannot record now, with the disk's error."""
        return {name: state["failing"] for worker in self.crew.live for name, state in worker.report.get("capture", {}).items()
                if state["failing"]}

    async def run(self) -> None:
        """Start the workers and look after them until cancelled."""
        self.crew.start()
        try:
            while True:
                await asyncio.sleep(self.limits.beat_s)
                self.crew.look_after()
                await asyncio.gather(*(self.tracks.keep_override(track) for track in list(self.tracks.all.values())
                                       if track.override is not None and not track.durable))
        finally:
            await self.crew.stop()
            self.listening.close()

    async def converge(self, route: Route, absorbs: str | None = None) -> Observed:
        """Answer with the route on every worker: prove, load everywhere, write down, switch. Idempotent.

        Raises `StaleState` (older generation, or an unabsorbed override), `PackageError` (nothing is changed), `Unavailable`.
        """
        track = self.tracks.get(route.use_case)
        async with track.preparing:
            track = self.tracks.get(route.use_case)
            if track.has(route, absorbs):
                self.tracks.all.setdefault(route.use_case, track)
                return self.observed(route.use_case)
            await self._prover.prove(route)
            await self._prepare(route)
            async with track.switching:
                with self._or_let_go(route):
                    if not track.has(route, absorbs):  # a rollback may have come in between
                        await self._install(track, route, absorbs)
        self.counters.forget_but(route.use_case, self.limits.generations_kept)
        return self.observed(route.use_case)

    async def absorb(self, use_case: str, override_id: str, route: Route) -> Observed:
        """The store has recorded the override: its new route takes over. Idempotent. Raises what `converge` raises."""
        if route.use_case != use_case:
            raise StaleState("the route is for another use case", value=route.use_case, allowed=use_case)
        return await self.converge(route, absorbs=override_id)

    async def rollback(self, use_case: str, *, actor: str, reason: str, override_id: str, to: Literal["previous", "champion"] = "previous",
                       expected_generation: int | None = None, to_version: int | None = None) -> Observed:
        """Swap at once with what is loaded already; the override is written while the workers switch. Needs no other process.

        `to_version`: any version that answered here before; one that is not the previous one is verified, proven and loaded first.
        The same `override_id` again changes nothing. Raises `StaleState` when another rollback stands or nothing is there to go back to,
        `PackageError` when the version is not sound any more: nothing is changed then.
        """
        track = self.tracks.known(use_case)
        if to_version is not None and not overruled(track, override_id, expected_generation):
            slot = going_back(track, to_version, self.served.of(use_case))
            if slot != track.route.previous:
                async with track.preparing:
                    aside = track.route.model_copy(update={"champion": slot, "previous": track.route.champion, "candidate": None})
                    await self._prover.prove(aside)
                    await self._prepare(aside)
                    with self._or_let_go(aside):
                        return await self._overrule(track, actor, reason, override_id, slot, expected_generation)
        return await self._overrule(track, actor, reason, override_id, to, expected_generation)

    async def _overrule(self, track: Track, actor: str, reason: str, override_id: str, to: Literal["previous", "champion"] | Slot,
                        expected_generation: int | None) -> Observed:
        async with track.switching:
            if not overruled(track, override_id, expected_generation):
                if isinstance(to, Slot):  # it may have been retired, and its package put away, while it was loaded
                    going_back(track, to.version, self.served.of(track.route.use_case))
                self.tracks.overrule(track, rolled_back(track, actor=actor, reason=reason, override_id=override_id, to=to))
                await asyncio.gather(self._switch(track), self.tracks.keep_override(track))
        return self.observed(track.route.use_case)

    def observed(self, use_case: str) -> Observed:
        """What the workers answer with now. Raises `StaleState` for an unknown use case."""
        track = self.tracks.known(use_case)
        route, override = track.effective, track.override
        return Observed(
            use_case=use_case, generation=route.generation, champion=route.champion, previous=route.previous, candidate=route.candidate,
            candidate_percent=route.candidate_percent, candidate_mode=route.candidate_mode,
            workers_ready=self.crew.ready(use_case, (route.generation, track.override_id)),
            workers_total=self.crew.size, override=override is not None, override_id=track.override_id, override_durable=track.durable,
            override_actor=override.actor if override else None, override_reason=override.reason if override else None,
            override_at=override.at if override else None, observed_at=datetime.now(UTC))

    async def withdraw(self, use_case: str, version: int) -> list[str]:
        """Never answer with this version by number again; the versions that are left. Idempotent.

        Raises `StaleState` for a use case that the server never had a route for, `Unavailable` where it cannot be written down.
        """
        self.tracks.known(use_case)
        try:
            await asyncio.to_thread(self.served.withdraw, use_case, version)
        except OSError as error:
            raise Unavailable("the server cannot write down that the version is withdrawn", value=error) from error
        self.crew.tell_versions(use_case)
        return sorted(self.served.of(use_case), key=int)

    async def collect(self) -> None:
        """Have every worker push what it counted since its last beat."""
        await asyncio.gather(*(self.crew.ask(worker, "report", self.limits.beat_s) for worker in self.crew.live))

    def counts(self, use_case: str, generation_min: int) -> dict[ArmKey, ArmCounts]:
        """Counts per arm from this generation on."""
        return {key: counts for key, counts in self.counters.arms.items() if key.use_case == use_case and key.generation >= generation_min}

    async def _prove(self, use_case: str, digest: str) -> None:
        """For a worker that is asked for an older version. Raises `PackageError` unless it served this use case and is sound."""
        if digest not in self.served.of(use_case).values():
            raise PackageError("the package is not one that served", value=digest)
        await self._prover.prove_package(digest)

    async def _prepare(self, route: Route) -> None:
        """Every live worker loads the route; one that does not answer in time is restarted."""
        workers = await self.crew.wait_live(self.limits.switch_timeout_s * 5)
        replies = await asyncio.gather(*(self.crew.prepare(worker, route) for worker in workers))
        refused = next((reply for reply in replies if reply is not None and not reply["ok"]), None)
        if refused is not None:
            with self._or_let_go(route):  # some may have loaded it
                raise PackageError(refused["error"], value=refused["value"], allowed=refused["allowed"], next_step=refused["next_step"])
        for worker, reply in zip(workers, replies, strict=True):
            if reply is None:
                self.crew.restart(worker, f"did not load generation {route.generation} of {route.use_case} in time")
        if not any(replies):
            raise Unavailable("no worker is there to load the route", next_step="look at the server's log; the keeper tries again")

    async def _install(self, track: Track, route: Route, absorbs: str | None) -> None:
        """Write the route down, then switch to it."""
        try:
            await self.tracks.install(track, route, absorbs if track.override else None)
        except OSError as error:
            raise Unavailable("the server cannot write the route down and goes on with the old one", value=error) from error
        await asyncio.to_thread(self.served.note, route)
        await self._switch(track)

    @contextmanager
    def _or_let_go(self, route: Route) -> Iterator[None]:
        """Where a prepared route does not come after all, no worker keeps its packages for it."""
        try:
            yield
        except InterlockError:
            for worker in self.crew.live:
                self.crew.let_go(worker, route)
            raise

    async def _switch(self, track: Track) -> None:
        """Push what the track says to every live worker; one that does not acknowledge is removed and started anew."""
        route, override_id = track.effective, track.override_id
        workers = self.crew.live
        done = await asyncio.gather(*(self.crew.switch(worker, route, override_id) for worker in workers))
        for worker, switched in zip(workers, done, strict=True):
            if not switched:
                self.crew.restart(worker, f"did not switch to generation {route.generation} of {route.use_case}")

    def _count(self, worker: Worker, message: Message) -> None:
        """Add what a worker pushed."""
        self.counters.add(message["counters"])
        for item in message["counters"]:
            self.totals.add([{"key": item["key"] | {"generation": 0, "override_id": ""}, "counts": item["counts"]}])
        for status, number in message["statuses"].items():
            self.statuses[status] = self.statuses.get(status, 0) + number
        for use_case, reason, number in message["refused"]:
            self.refused[use_case, reason] = self.refused.get((use_case, reason), 0) + number
        for name in self.cache:
            self.cache[name] += message["older"][name]
        for use_case, figures in message["capture"].items():
            total = self.capture.setdefault(use_case, {"rows": 0, "lost": 0, "syncs": 0})
            for name in total:
                total[name] += figures[name]
