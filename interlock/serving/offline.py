"""The server's own way from record to answer, without a server: for batches and streams that must answer bit for bit the same.

    records → check_records → score_rows → settled → answers, and the frame that capture would have written
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from interlock.rules.routes import Route
from interlock.serving.answering import Answer, capture_answers, score_rows
from interlock.serving.capturing import Capture
from interlock.serving.counters import Counters
from interlock.serving.limits import Limits
from interlock.serving.records import Aside, check_records
from interlock.serving.settling import settled
from interlock.serving.shelf import Arm, Serving, Shelf

Problem = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """Answers in the order of the records that passed (`places` in the batch), and the problems of those that were refused, by place."""

    places: list[int]
    answers: list[Answer]
    problems: dict[int, list[Problem]]
    row_ms: float


@dataclass
class _Recorder:
    """Stands where the capture of a worker stands, and keeps the frames instead of writing them."""

    frames: list[dict[str, Any]] = field(default_factory=list)

    async def record(self, use_case: str, body: dict[str, Any], rows: int) -> bool:
        self.frames.append(body)
        return True


class Offline:
    """The models of one route, verified and loaded, answering in this process. Only the champion is asked."""

    def __init__(self, packages: Path, route: Route) -> None:
        """`packages`: their folder; online tables of feature views are looked for in `online/` beside it. Raises `PackageError`."""
        self._shelf = Shelf(packages, Limits())
        self._counters = Counters()
        self._shelf.put(self._shelf.read(route.use_case, [slot.digest for slot in route.slots()]))
        self._shelf.switch(route, None)

    @property
    def route(self) -> Route:
        """What is answered with."""
        return self._serving.route

    @property
    def arm(self) -> Arm:
        """The champion."""
        return self._serving.arms["champion"]

    def answer(self, records: list[dict[str, Any]]) -> Answered:
        """Check and score the records; a refused one hinders no other. Records should carry `id` and `event_time`: what they lack is drawn
        anew and told by the clock, as the server does."""
        began, aside = time.perf_counter(), Aside()
        rows = check_records(self._serving, records, self.arm, aside)
        answers = score_rows(rows, self._counters) if rows else []
        if answers and self._serving.policy is not None:
            answers = settled(self._serving, answers, self._counters, False)
        places = [place for place in range(len(records)) if place not in aside.problems]
        return Answered(places, answers, aside.problems, (time.perf_counter() - began) * 1000 / max(len(records), 1))

    def captured(self, found: Answered) -> list[dict[str, Any]]:
        """The frames that the server would have captured; the latency is the time spent per record."""
        if not found.answers:
            return []
        recorder = _Recorder()
        asyncio.run(capture_answers(cast(Capture, recorder), self._serving, found.answers, time.perf_counter() - found.row_ms / 1000))
        return recorder.frames

    @property
    def _serving(self) -> Serving:
        return next(iter(self._shelf.serving.values()))
