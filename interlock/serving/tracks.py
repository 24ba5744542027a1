"""What each use case should be answered with: the last route, and the override that outranks it (law 5), in memory and on disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from interlock.errors import StaleState, StoreError
from interlock.records.pointer import Override, drop_override, effective, read_overrides, read_routes, write_override, write_route
from interlock.rules.routes import Route, Slot

log = logging.getLogger("interlock.serving")
DISK_S = 2.0
ABSORBED_KEPT = 100


@dataclass
class Track:
    """One use case. `switching` is held while the answer changes; `preparing` while the next route is being loaded."""

    route: Route
    override: Override | None = None
    durable: bool = True
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    absorbed: list[str] = field(default_factory=list)
    preparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    switching: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def effective(self) -> Route:
        return effective(self.route, self.override)

    @property
    def override_id(self) -> str | None:
        return self.override.id if self.override else None

    def has(self, route: Route, absorbs: str | None) -> bool:
        """Whether this is already the route. Raises `StaleState` when it may not become the route.

        A higher generation wins; the same generation must be the same route. While an override stands, only a call that absorbs it by
        its id may bring a route, and that route must be newer than the one the override outranked.
        """
        if self.override is not None:
            if absorbs != self.override.id:
                raise StaleState("the server has rolled back and that is not absorbed yet", value=f"generation {route.generation}",
                                 allowed=f"absorb override {self.override.id} of generation {self.override.generation}",
                                 next_step="interlock status; the keeper absorbs it")
            if route.generation <= self.override.generation:
                raise StaleState("the route is not newer than the one that was rolled back", value=f"generation {route.generation}",
                                 allowed=f"above {self.override.generation}")
            if route.generation > self.route.generation:
                return False
        if route.generation < self.route.generation or (route.generation == self.route.generation and route != self.route):
            raise StaleState("the server has this or a newer generation already", value=f"generation {route.generation}",
                             allowed=f"above {self.route.generation}", next_step="interlock status")
        return route == self.route and self.override is None


class Tracks:
    """All use cases of a server."""

    def __init__(self, run: Path) -> None:
        """Read the files that the last server left. A damaged route is left out: the others are answered, and the keeper sends it again.
        Raises StoreError when an override is damaged: nobody may answer with what was rolled back."""
        self._run = run
        self._writing: dict[str, tuple[Override, asyncio.Task[None]]] = {}
        overrides = read_overrides(run)
        self.all: dict[str, Track] = {}
        for name, route in read_routes(run, _tell_damaged).items():
            override = overrides.get(name)
            if override is not None and route.generation > override.generation:
                override = None  # the new route was written, and then the server died before it dropped the absorbed override
            self.all[name] = Track(route, override)
        for name, override in overrides.items():
            if name not in self.all:  # the route's file is lost: the override says enough to answer
                self.all[name] = Track(Route(use_case=name, generation=override.generation), override)

    def get(self, use_case: str) -> Track:
        """The track of a use case, with an empty route of generation 0 when it is new."""
        return self.all.get(use_case) or Track(Route(use_case=use_case, generation=0))

    def known(self, use_case: str) -> Track:
        """Raises `StaleState` when the server has never had a route for it."""
        if use_case not in self.all:
            raise StaleState(f"the server has no route for '{use_case}'", allowed=", ".join(sorted(self.all)) or "none yet")
        return self.all[use_case]

    def wanted(self) -> dict[str, tuple[Route, str | None]]:
        """What every worker must answer with."""
        return {name: (track.effective, track.override_id) for name, track in self.all.items()}

    async def install(self, track: Track, route: Route, absorbs: str | None) -> None:
        """Make the route the current one, on disk first; an absorbed override goes. Raises OSError: nothing is changed in memory then."""
        await asyncio.to_thread(write_route, self._run, route)
        if absorbs is not None:
            await asyncio.to_thread(drop_override, self._run, route.use_case)
            track.absorbed = [*track.absorbed[1 - ABSORBED_KEPT:], absorbs]
        track.route, track.override, track.durable, track.since = route, None, True, datetime.now(UTC)
        self.all[route.use_case] = track

    def overrule(self, track: Track, override: Override) -> None:
        """Let the override outrank the route, in memory."""
        track.override, track.durable, track.since = override, False, override.at

    async def keep_override(self, track: Track) -> None:
        """Write the override down; `durable` says whether that worked. Never raises for a failing or hanging disk."""
        override = track.override
        if override is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._written(override)), DISK_S)
        except (OSError, TimeoutError) as error:
            why = str(error) or f"the disk has not answered within {DISK_S:g} s"
            log.error("the override of %s is in memory only: %s", override.use_case, why)
            return
        if track.override is override:
            track.durable = True

    def _written(self, override: Override) -> asyncio.Task[None]:
        """The writing of this override: one at a time, so that a hanging disk holds one thread and not one more at each attempt."""
        known, task = self._writing.get(override.use_case, (None, None))
        if task is None or known is not override or task.done():
            task = asyncio.create_task(asyncio.to_thread(write_override, self._run, override))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard, also where nobody waits any more
            self._writing[override.use_case] = override, task
        return task


def _tell_damaged(error: StoreError) -> None:
    log.error("%s: its use case is answered once the keeper has sent the route again", error.what)


def rolled_back(track: Track, *, actor: str, reason: str, override_id: str, to: Literal["previous", "champion"] | Slot,
                now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Override:
    """The override that a rollback makes. `previous`: champion and previous change places. `champion`: only the candidate goes. A slot:
    it answers, and the champion stays loaded beside it.

    Raises `StaleState` when there is nothing to go back to.
    """
    route = track.route
    ways: dict[str, tuple[Slot | None, Slot | None]] = {"previous": (route.previous, route.champion),
                                                        "champion": (route.champion, route.previous)}
    champion, previous = (to, route.champion) if isinstance(to, Slot) else ways[to]
    if champion is None:
        raise StaleState("there is no previous model to roll back to", value=f"generation {route.generation}",
                         next_step="approve another candidate")
    return Override(use_case=route.use_case, id=override_id, generation=route.generation, actor=actor, reason=reason, at=now(),
                    champion=champion, previous=previous)
