"""Questions "what if" on their way from the control port to one worker: few at a time, a stated number a second, never waited for long.

Customers come first: one question at a time is at work on the whole server, in a thread of one worker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from interlock.errors import DataError, InterlockError, PackageError, Unavailable
from interlock.serving.channel import Message
from interlock.serving.crew import Crew

RATE_PER_S, BURST = 5.0, 10.0   # questions that the server takes
WAITING_MAX = 4
TIMEOUT_S = 2.0
KINDS: dict[str, type[InterlockError]] = {"DataError": DataError, "PackageError": PackageError}


class Asking:
    """One for the whole server. `clock`: seconds that only rise."""

    def __init__(self, crew: Crew, clock: Callable[[], float] = time.monotonic) -> None:
        self._crew, self._clock = crew, clock
        self._tokens, self._at = BURST, clock()
        self._one, self._waiting, self._turn = asyncio.Lock(), 0, 0

    async def ask(self, use_case: str, record: Mapping[str, Any], digest: str | None) -> dict[str, Any]:
        """A worker's answer. Raises `Unavailable` when there are too many questions, no worker, or none that answers within 2 s, and
        what `what_if.looked_at` raises."""
        self._take()
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many what-if questions wait for the server", value=self._waiting, allowed=f"{WAITING_MAX} waiting",
                              next_step="ask again in a second")
        self._waiting += 1
        try:
            async with self._one:
                reply = await self._asked(use_case, record, digest)
        finally:
            self._waiting -= 1
        if reply is None:
            raise Unavailable("no worker answered the what-if question in time", value=f"{TIMEOUT_S:g} s",
                              next_step="the server may be busy with customers; ask again in a moment")
        if not reply["ok"]:
            raise KINDS.get(reply["kind"], InterlockError)(reply["error"], value=reply["value"], allowed=reply["allowed"] or "",
                                                           next_step=reply["next_step"] or "")
        return dict(reply["found"])

    async def _asked(self, use_case: str, record: Mapping[str, Any], digest: str | None) -> Message | None:
        live = self._crew.live
        if not live:
            raise Unavailable("no worker is there to answer", next_step="look at the server's log")
        self._turn += 1
        worker = live[self._turn % len(live)]
        return await self._crew.ask(worker, "what_if", TIMEOUT_S, use_case=use_case, record=dict(record), digest=digest)

    def _take(self) -> None:
        """One token of the bucket, which fills at `RATE_PER_S`."""
        now = self._clock()
        self._tokens, self._at = min(BURST, self._tokens + (now - self._at) * RATE_PER_S), now
        if self._tokens < 1:
            raise Unavailable("too many what-if questions", value=f"more than {RATE_PER_S:g} a second", allowed=f"{RATE_PER_S:g} a second",
                              next_step="ask again in a second")
        self._tokens -= 1
