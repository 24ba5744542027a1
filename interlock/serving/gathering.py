"""Micro-batches: small requests that are ready in the same turn of the event loop are scored by one call of the booster per model.

Nobody waits for company: a turn takes what is there. A row's answer does not depend on the rows beside it (the same trees are added up
in the same order; a test compares bit by bit), and a request whose rows cannot be scored fails alone: then each is scored by itself.
"""

from __future__ import annotations

import asyncio

from interlock.serving.answering import Answer, answer_rows, score_rows
from interlock.serving.counters import Counters
from interlock.serving.records import Row
from interlock.serving.shelf import Loaded

Waiting = tuple[list[Row], asyncio.Future[list[Answer]]]
TURN_ROWS_MAX = 128  # scored in one turn of the loop; the rest has the next, so that health and control get in between


class Gathering:
    """The requests of one worker that wait for the end of this turn."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._waiting: list[Waiting] = []

    async def scored(self, rows: list[Row]) -> list[Answer]:
        """Answers in the order of the rows. Raises what scoring these rows alone raises."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._turn)
        done: asyncio.Future[list[Answer]] = loop.create_future()
        self._waiting.append((rows, done))
        return await done

    def _turn(self) -> None:
        taken = self._take()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        together = _together(taken) if len(taken) > 1 else None
        place = 0
        for rows, done in taken:
            mine = slice(place, place := place + len(rows))
            if done.done():  # its client has gone
                continue
            try:
                done.set_result(score_rows(rows, self._counters) if together is None else together[mine])
            except Exception as error:  # noqa: BLE001 - handed to the request that it belongs to
                done.set_exception(error)

    def _take(self) -> list[Waiting]:
        count = rows = 0
        while count < len(self._waiting) and (count == 0 or rows + len(self._waiting[count][0]) <= TURN_ROWS_MAX):
            rows += len(self._waiting[count][0])
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


def _together(taken: list[Waiting]) -> list[Answer] | None:
    """The answers of all, by one call per model; None where a row cannot be scored: nothing is changed then."""
    rows = [row for mine, _ in taken for row in mine]
    by_model: dict[str, tuple[Loaded, list[int]]] = {}
    for place, row in enumerate(rows):
        by_model.setdefault(row.arm.loaded.digest, (row.arm.loaded, []))[1].append(place)
    before = [dict(row.values) if row.arm.loaded.completion.needed else None for row in rows]
    answers: dict[int, Answer] = {}
    try:
        for loaded, places in by_model.values():
            answers.update(zip(places, answer_rows(loaded, [rows[place] for place in places]), strict=True))
    except Exception:  # noqa: BLE001 - each request is scored alone next, and the one that it belongs to gets the error
        for row, values in zip(rows, before, strict=True):
            if values is not None:  # what the server had added is taken out again
                row.values.clear()
                row.values.update(values)
        return None
    return [answers[place] for place in range(len(rows))]
