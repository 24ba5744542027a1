"""Who may start work now: bounded work, a part of it kept for every use case, rates, and deadlines.

    general   places that any use case may take
    kept      places that only one use case may take: half of all, divided among the use cases; none where there is only one

So a flooded use case cannot take more than the general places and its own, and every other one still gets in at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn

from interlock.serving.limits import Limits
from interlock.serving.wire import Refusal, Scope
from interlock.spec.serving import Serving as Options

TIMEOUT_US_MAX = 10**12  # longer than any request; a larger number need not be a float
SMALL_BYTES = 65_536  # a body that needs no room
DEADLINE = b"x-request-deadline-ms"


class TurnedAway(Refusal):
    """A request that is not begun: 429 its sender asks too often, 503 the server is busy, 504 nobody waits for the answer any more."""

    def __init__(self, status: int, message: str, reason: str, retry_after_s: float | None = None, **details: Any) -> None:
        headers = {} if retry_after_s is None else {"retry-after": str(max(1, math.ceil(retry_after_s)))}
        super().__init__(status, message, headers=headers, reason=reason, **details)
        self.reason = reason


@dataclass(slots=True)
class Notes:
    """What is known about one request at work. Moments are those of `time.perf_counter`, in seconds; 0: not reached."""

    use_case: str = ""
    client: str = ""
    deadline: float | None = None
    reason: str = ""
    rows: int = 0
    body_bytes: int = 0
    version: int | None = None
    arm: str = ""
    began: float = 0.0
    scored: float = 0.0
    captured: float = 0.0
    ended: float = 0.0

    def check(self) -> None:
        """Refuse work for which nobody waits any more: 504."""
        if self.deadline is not None and time.perf_counter() > self.deadline:
            late("its deadline passed before it was scored")


NOTES: ContextVar[Notes | None] = ContextVar("notes", default=None)


def late(why: str) -> NoReturn:
    """504: the deadline that the request named has passed."""
    raise TurnedAway(504, f"the request was not answered: {why}", "deadline", allowed="X-Request-Deadline-Ms: time enough")


def deadline_of(scope: Scope, limits: Limits, began: float) -> float | None:
    """The moment until which the caller waits, from `X-Request-Deadline-Ms`; None: it does not say. 400 when it is no such number."""
    for name, value in scope["headers"]:
        if name == DEADLINE:
            return began + read_deadline_ms(value.decode("latin-1"), limits) / 1_000
    return None


def read_deadline_ms(text: str, limits: Limits) -> int:
    """Whole milliseconds from 1 to the longest allowed; 400 otherwise."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= limits.deadline_ms_max):
        raise Refusal(400, "this is no deadline", value=text[:20], allowed=f"X-Request-Deadline-Ms: 1 to {limits.deadline_ms_max}")
    return int(text)


def heed_timeout(parameters: Mapping[str, Any]) -> None:
    """The protocol's request parameter `timeout`, in microseconds (0: none): a deadline from the request's start. 400 when it is none."""
    given = parameters.get("timeout")
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise Refusal(400, "parameter 'timeout' is no time", value=str(given)[:20], allowed="whole microseconds from 0")
    notes = NOTES.get()
    if notes is not None and given:
        until = notes.began + min(given, TIMEOUT_US_MAX) / 1_000_000
        notes.deadline = until if notes.deadline is None else min(until, notes.deadline)


@dataclass
class Bucket:
    """At most `rate` per second on average, and a quarter of a second's worth at once (at least one)."""

    rate: float
    tokens: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.at = self.most, time.monotonic()

    @property
    def most(self) -> float:
        return max(1.0, self.rate / 4)

    def wait_s(self) -> float:
        """Take one; 0: taken. Otherwise seconds until there is one."""
        now = time.monotonic()
        self.tokens, self.at = min(self.most, self.tokens + (now - self.at) * self.rate), now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate


class Admission:
    """Places of one worker. `inflight`: requests at work; `of`: by use case; `refused`: turned away, by use case and reason."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.inflight = 0
        self.of: dict[str, int] = {}
        self.body_bytes = 0
        self.refused: dict[tuple[str, str], int] = {}
        self._use_cases = 1
        self._kept, self._general, self._taken = 0, limits.inflight_max, 0
        self._buckets: dict[str, Bucket] = {}

    def enter(self, use_case: str, options: Options, use_cases: int, *, paced: bool) -> None:
        """Take a place; `paced`: it counts against the use case's requests per second.

        503 with Retry-After when there is no place for this use case, or when it is asked too often.
        """
        if use_cases != self._use_cases:
            self._divide(use_cases)
        mine = self.of.get(use_case, 0)
        own = mine < self._kept
        if not own and self._taken >= self._general:
            raise TurnedAway(503, "the server is busy: too many requests at work", "busy", 1)
        if mine >= max(1, math.ceil(options.inflight_share * self._limits.inflight_max)):
            raise TurnedAway(503, f"'{use_case}' is busy: too many requests at work", "share", 1)
        if paced and options.requests_per_s is not None:
            self._pace(use_case, options.requests_per_s)
        self.inflight += 1
        self.of[use_case] = mine + 1
        self._taken += not own

    def hold(self, notes: Notes, size: int) -> None:
        """Count the bytes of this request's body until it leaves; 503 with Retry-After when there are too many beside others'.

        Small ones need no room, so that a use case with large bodies does not shut out those with ordinary ones: places bound them.
        """
        if size <= SMALL_BYTES:
            return
        if self.body_bytes and self.body_bytes + size > self._limits.inflight_bytes_max:
            raise TurnedAway(503, "the server is busy: too many bytes at work", "busy", 1)
        self.body_bytes += size
        notes.body_bytes += size

    def leave(self, use_case: str, notes: Notes) -> None:
        """Give the place back, and the room of its body."""
        self.body_bytes -= notes.body_bytes
        notes.body_bytes = 0
        self.inflight -= 1
        mine = self.of[use_case] = self.of[use_case] - 1
        self._taken -= mine >= self._kept
        if not mine:
            del self.of[use_case]

    def count_refusal(self, use_case: str, reason: str) -> None:
        self.refused[use_case, reason] = self.refused.get((use_case, reason), 0) + 1

    def take_refused(self) -> list[tuple[str, str, int]]:
        """Use case, reason and number of requests turned away since the last call."""
        taken, self.refused = self.refused, {}
        return [(use_case, reason, number) for (use_case, reason), number in taken.items()]

    def _divide(self, use_cases: int) -> None:
        places = self._limits.inflight_max
        self._use_cases = use_cases
        self._kept = places // (2 * use_cases) if use_cases > 1 else 0
        self._general = places - self._kept * use_cases
        self._taken = sum(max(0, mine - self._kept) for mine in self.of.values())

    def _pace(self, use_case: str, requests_per_s: float) -> None:
        rate = requests_per_s / self._limits.workers
        bucket = self._buckets.get(use_case)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[use_case] = Bucket(rate)
        wait_s = bucket.wait_s()
        if wait_s > 0:
            raise TurnedAway(503, f"'{use_case}' is asked more often than it answers", "rate", wait_s,
                             allowed=f"{requests_per_s:g} requests/s")
