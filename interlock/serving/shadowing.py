"""Mirrored requests: the candidate scores what the champion has answered, after the reply, and nobody is given its answer.

A request is put aside when its answers are ready; the reply is on its way before the first of them is scored. One thread scores a few
rows at a time, so that the event loop gets its turn; what waits is bounded, and what finds no room is dropped and counted. Both models
answer the mirrored rows in the same thread, one after the other, so that their times can be compared. What the candidate would have
answered is captured as `shadow` rows, apart from the predictions: monitoring and labels of the champion never meet them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from interlock.serving.access_log import place_of
from interlock.serving.answering import Answer, answer_rows, captured_row
from interlock.serving.capturing import Capture
from interlock.serving.counters import Counters
from interlock.serving.records import Refused, Row, check_records
from interlock.serving.shelf import Arm, Mirror, Serving, takes_candidate
from interlock.serving.wire import Refusal

log = logging.getLogger("interlock.serving.shadow")
ROWS_MAX = 1_000      # rows that wait, per worker; more are dropped
CHUNK_ROWS = 8        # rows scored without letting the event loop in between
CAPTURE_ROWS = 256    # rows written down at once


@dataclass
class _Scored:
    """What became of some rows: pairs of the champion's answer and the candidate's, and rows refused or failed."""

    pairs: list[tuple[Answer, Answer]] = field(default_factory=list)
    refused: int = 0
    failed: int = 0
    candidate_ms: float | None = None
    champion_ms: float | None = None


class Shadows:
    """The mirror of one worker."""

    def __init__(self, capture: Capture, counters: Counters, rows_max: int = ROWS_MAX) -> None:
        self._capture, self._counters, self._rows_max = capture, counters, rows_max
        self._waiting: deque[tuple[Serving, Mirror, list[Answer]]] = deque()
        self._rows = 0
        self._task: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shadow")

    def offer(self, serving: Serving, answers: list[Answer]) -> None:
        """Put a request's answers aside for the mirror; returns at once. Never raises and never waits."""
        if serving.mirror is None:
            return
        percent = serving.route.candidate_percent
        mine = [answer for answer in answers if answer.row.arm.name == "champion" and takes_candidate(answer.row.id, percent)]
        if not mine:
            return
        if self._rows + len(mine) > self._rows_max:
            serving.mirror.shadow.counts(self._counters).dropped += len(mine)
            return
        self._rows += len(mine)
        self._waiting.append((serving, serving.mirror, mine))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        """Score what waits, a few rows at a time, then write it down."""
        loop = asyncio.get_running_loop()
        rows: list[dict[str, Any]] = []
        at: tuple[Serving, Mirror] | None = None
        try:
            while self._waiting:
                serving, mirror, answers = self._waiting.popleft()
                if at is not None and at[0] is not serving:
                    await self._write(*at, rows)
                at = serving, mirror
                for start in range(0, len(answers), CHUNK_ROWS):
                    part = answers[start:start + CHUNK_ROWS]
                    scored = await loop.run_in_executor(self._threads, _score, serving, mirror, part)
                    self._rows -= len(part)
                    rows += self._count(serving, mirror, scored)
                    if len(rows) >= CAPTURE_ROWS:
                        await self._write(serving, mirror, rows)
            if at is not None:
                await self._write(*at, rows)
        finally:
            self._task = None
            if self._waiting:
                self._task = loop.create_task(self._drain())

    def _count(self, serving: Serving, mirror: Mirror, scored: _Scored) -> list[dict[str, Any]]:
        """Count both models on the mirrored rows; the rows to be captured."""
        ours, its = mirror.shadow.counts(self._counters), mirror.champion.counts(self._counters)
        if scored.refused:
            ours.refused(scored.refused)
        if scored.failed:
            ours.failed(scored.failed)
        decides = mirror.shadow.loaded.manifest.task != "regression"
        now, rows = datetime.now(UTC), []
        for given, would in scored.pairs:
            its.answered(given.score, str(given.prediction) if decides else None)
            ours.answered(would.score, str(would.prediction) if decides else None)
            if decides:
                ours.compared += 1
                ours.flips += str(given.prediction) != str(would.prediction)
            rows.append(captured_row(would, serving, now, scored.candidate_ms or 0.0))
        if scored.candidate_ms is not None and scored.champion_ms is not None:
            ours.took(scored.candidate_ms, len(scored.pairs))
            its.took(scored.champion_ms, len(scored.pairs))
        return rows

    async def _write(self, serving: Serving, mirror: Mirror, rows: list[dict[str, Any]]) -> None:
        """One frame of shadow rows. A disk that fails loses them; the counts stay."""
        if rows:
            shadow = mirror.shadow
            frame = {"kind": "shadow", "columns": {shadow.slot.digest: shadow.loaded.captured}, "rows": list(rows)}
            rows.clear()
            await self._capture.record(serving.route.use_case, frame, len(frame["rows"]))

    def close(self) -> None:
        """Give up what waits."""
        self._waiting.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _score(serving: Serving, mirror: Mirror, answers: list[Answer]) -> _Scored:
    """In the thread: check the rows against the candidate's own fields, and let both models answer them. Never raises."""
    shadow, found = mirror.shadow, _Scored()
    kept: list[Answer] = []
    rows: list[Row] = []
    for answer in answers:
        try:
            rows += check_records(serving, [_record(answer)], shadow)
            kept.append(answer)
        except Refused:
            found.refused += 1
        except Refusal as refusal:
            log.warning("a mirrored request could not be read: %s", refusal)
            found.failed += 1
    if not rows:
        return found
    try:
        would, found.candidate_ms = _timed(shadow, rows)
        found.pairs = list(zip(kept, would, strict=True))
    except Exception as error:  # noqa: BLE001 - the candidate failed on mirrored rows: counted as its errors, logged, nobody waits for it
        log.warning("the candidate failed on mirrored rows: %s", place_of(error))
        found.failed += len(rows)
        return found
    try:
        _, found.champion_ms = _timed(mirror.champion, [_again(answer) for answer in kept])
    except Exception as error:  # noqa: BLE001 - it answered these rows before; without its time none is compared
        log.warning("the champion failed on mirrored rows: %s", place_of(error))
    return found


def _timed(arm: Arm, rows: list[Row]) -> tuple[list[Answer], float]:
    """Answers, and the milliseconds that they took."""
    began = time.perf_counter()
    answers = answer_rows(arm.loaded, rows)
    return answers, (time.perf_counter() - began) * 1000


def _record(answer: Answer) -> dict[str, Any]:
    """The record as it came: what the server itself added is left out."""
    fields = answer.row.arm.loaded.fields
    values = {name: value for name, value in answer.row.values.items() if name in fields}
    return values | {"id": answer.row.id, "event_time": answer.row.event_time.isoformat()}


def _again(answer: Answer) -> Row:
    fields = answer.row.arm.loaded.fields
    values = {name: value for name, value in answer.row.values.items() if name in fields}
    return Row(answer.row.id, answer.row.event_time, values, answer.row.arm)
