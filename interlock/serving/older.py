"""Versions outside the route that are asked for by number: those that answered customers before.

Loaded when first asked for, after the supervisor has said that this digest served and answers its golden rows; dropped least recently
used first, so that they and the models of all routes stay within `serving_models_bytes_max`. One at work is never dropped.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError, PackageError, Unavailable
from interlock.serving.admission import NOTES, TurnedAway, late
from interlock.serving.wire import Refusal

if TYPE_CHECKING:
    from interlock.serving.shelf import Arm, Loaded, Shelf

FAILED_S = 30.0  # a version that could not be loaded is not tried again before
ARM = "asked"
Prove = Callable[[str, str], Awaitable[None]]


@dataclass
class _Held:
    """A loaded older version; `lent`: requests that use it now."""

    version: int
    loaded: Loaded
    size: int
    lent: int = 0


class Older:
    """The least-recently-used cache of one worker."""

    def __init__(self, shelf: Shelf, load_timeout_s: float) -> None:
        self._shelf, self._timeout_s = shelf, load_timeout_s
        self._known: dict[str, dict[str, str]] = {}
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._failed: dict[tuple[str, str], tuple[float, InterlockError]] = {}
        self._loading = asyncio.Lock()
        self.prove: Prove | None = None
        self.arms: dict[str, dict[str, Arm]] = {}
        self.hits = self.loads = self.evictions = 0

    @property
    def size(self) -> int:
        """Bytes of all that is loaded here."""
        return sum(held.size for held in self._held.values())

    @property
    def count(self) -> int:
        return len(self._held)

    def know(self, use_case: str, versions: dict[str, str]) -> None:
        """Versions of a use case that may be asked for, with their digests; others that are loaded go."""
        self._known[use_case] = versions
        for key, held in list(self._held.items()):
            if key[0] == use_case and versions.get(key[1]) != held.loaded.digest:
                self._drop(key)

    def versions(self, use_case: str) -> list[str]:
        """Versions outside the route that may be asked for, in order; none where the use case serves its route only."""
        serving = self._shelf.serving.get(use_case)
        if serving is None or serving.route.serving.versions == "route":
            return []
        return sorted(set(self._known.get(use_case, {})) - serving.versions, key=int)

    def rename(self, use_case: str) -> None:
        """Count loaded versions under the use case's new generation: a new dict, for a new `Serving`. Those that may not be asked for
        any more, or that the route itself has now, go."""
        allowed = self.versions(use_case)
        for key in [key for key in self._held if key[0] == use_case and key[1] not in allowed]:
            self._drop(key)
        self.arms[use_case] = {key[1]: self._shelf.asked(use_case, held.version, held.loaded)
                               for key, held in self._held.items() if key[0] == use_case}

    def shrink(self, room: int) -> bool:
        """Drop what was not used for longest until the rest fits into `room` bytes; whether it does."""
        dropped = False
        for key in [key for key, held in self._held.items() if not held.lent]:
            if self.size <= room:
                break
            self._drop(key)
            self.evictions += 1
            dropped = True
        if dropped:
            _trim()
        return self.size <= room

    @asynccontextmanager
    async def lent(self, use_case: str, version: str) -> AsyncIterator[None]:
        """While inside, the version is loaded, if it may be asked for. 503 when it cannot be loaded now, 404 when it is archived."""
        serving = self._shelf.serving.get(use_case)
        if serving is None or version in serving.versions or version not in self.versions(use_case):
            yield
            return
        key = (use_case, version)
        if key in self._held:
            self.hits += 1
        else:
            await self._load(key)
        held = self._held[key]
        self._held.move_to_end(key)
        held.lent += 1
        try:
            yield
        finally:
            held.lent -= 1

    def report(self) -> dict[str, Any]:
        """For the metrics: loaded now, and what happened since the last call."""
        taken = {"models": self.count, "bytes": self.size, "hits": self.hits, "loads": self.loads, "evictions": self.evictions}
        self.hits = self.loads = self.evictions = 0
        return taken

    async def _load(self, key: tuple[str, str]) -> None:
        notes = NOTES.get()
        left = self._timeout_s if notes is None or notes.deadline is None else min(self._timeout_s, notes.deadline - time.perf_counter())
        try:
            async with asyncio.timeout(max(0.0, left)), self._loading:
                if key not in self._held:
                    await self._read(key)
        except TimeoutError:
            late(f"version {key[1]} could not be loaded in time")

    async def _read(self, key: tuple[str, str]) -> None:
        use_case, version = key
        digest = self._known.get(use_case, {}).get(version, "")
        failed = self._failed.get(key)
        if failed is not None and time.monotonic() - failed[0] < FAILED_S:
            raise _refusal(version, failed[1])
        size = self._shelf.size_of(digest)
        if not self.shrink(self._shelf.room - size):
            raise TurnedAway(503, f"version {version} does not fit into the server's memory beside the models that answer", "memory", 5,
                             value=f"{size:,} bytes", allowed=f"{max(0, self._shelf.room):,} bytes")
        try:
            if self.prove is not None:
                await self.prove(use_case, digest)
            [loaded] = await asyncio.to_thread(self._shelf.read, use_case, [digest])
        except (PackageError, Unavailable) as error:
            self._failed[key] = (time.monotonic(), error)
            raise _refusal(version, error) from error
        self._failed.pop(key, None)
        if self._known.get(use_case, {}).get(version) != digest or version not in {
                *self.versions(use_case), *self._shelf.serving[use_case].versions}:
            raise Refusal(404, f"version {version} was taken away a moment ago")  # retired, or switched off, while it was being loaded
        self.loads += 1
        self._held[key] = _Held(int(version), loaded, size)
        self.arms.setdefault(use_case, {})[version] = self._shelf.asked(use_case, int(version), loaded)

    def _drop(self, key: tuple[str, str]) -> None:
        del self._held[key]
        self.arms.get(key[0], {}).pop(key[1], None)


def _refusal(version: str, error: InterlockError) -> Refusal:
    gone = "is not there" in error.what
    return Refusal(404, f"version {version} is archived") if gone else TurnedAway(
        503, f"version {version} cannot be loaded: {error.what}", "package", FAILED_S)


def _trim() -> None:
    """Give freed memory back to the system: thousands of small tree nodes would stay with the C library."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
