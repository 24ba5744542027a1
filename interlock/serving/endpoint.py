"""The predictions port of one worker: bounded bodies, one way to an answer, one shape of error. Bare ASGI: layers cost time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from interlock.errors import DataError
from interlock.serving.access_log import place_of
from interlock.serving.admission import NOTES, Admission, Notes
from interlock.serving.answering import Answer, capture_answers, capture_frames, count_answers, score_rows, told
from interlock.serving.batches import Large, Ready, answer_batch, goes_by_column
from interlock.serving.capturing import Capture, Captured
from interlock.serving.counters import Counters
from interlock.serving.gathering import Gathering
from interlock.serving.keys import Keys
from interlock.serving.limits import Limits
from interlock.serving.records import Refused, Row
from interlock.serving.settling import check_bound, settled
from interlock.serving.shadowing import Shadows
from interlock.serving.shelf import Serving, Shelf
from interlock.serving.turns import Turns
from interlock.serving.wire import Disconnected, Receive, Refusal, Scope, Send, header, read_body, reply

log = logging.getLogger("interlock.serving")
BodyT = TypeVar("BodyT")
ReadT = TypeVar("ReadT", covariant=True)
Prepare = Callable[[], list[Row]]


class Decoder(Protocol[ReadT]):
    """Reads a request's body; raises what msgspec raises."""

    def decode(self, data: bytes, /) -> ReadT: ...


class Endpoint:
    """What every route of a worker shares."""

    def __init__(self, shelf: Shelf, capture: Capture, counters: Counters, limits: Limits) -> None:
        self.shelf, self.capture, self.counters, self.limits = shelf, capture, counters, limits
        self.statuses: dict[int, int] = {}
        self.admission, self.turns = Admission(limits), Turns(limits)
        self.gathering, self.shadows = Gathering(counters), Shadows(capture, counters)
        self.capture.expected = lambda use_case: self.admission.of.get(use_case, 0)
        self.keys: Keys | None = None
        self.leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        from interlock.serving.dispatch import dispatch

        try:
            status, body, headers, close = *await dispatch(self, scope, receive), False
        except Disconnected:
            return
        except Refusal as refusal:
            status, body, headers, close = refusal.status, refusal.body, refusal.headers, refusal.close
            if scope["method"] == "HEAD":
                body = b""
        except Exception as error:  # noqa: BLE001 - one request must not take the worker down: logged, counted, 500
            log.error("a request failed: %s", place_of(error))
            status, body, headers, close = 500, {"error": "the server failed on this request; it is in its log"}, {}, False
        self.statuses[status] = self.statuses.get(status, 0) + 1
        await reply(send, status, body, headers, close=close)

    def serving(self, use_case: str) -> Serving:
        """What the use case is answered with: 404 when nobody knows it."""
        found = self.shelf.serving.get(use_case)
        if found is None:
            known = ", ".join(sorted(self.shelf.serving)) or "none yet"
            raise Refusal(404, f"there is no use case '{use_case[:80]}' here", allowed=known if self.keys is None else "see /docs")
        return found

    async def body(self, scope: Scope, receive: Receive, decoder: Decoder[BodyT], serving: Serving | None = None) -> BodyT:
        """The request's JSON body, no larger than the use case allows; 400 when it is not JSON of that shape."""
        if header(scope, b"content-encoding") not in (None, "identity"):
            raise Refusal(415, "compressed bodies are not accepted", close=True, allowed="identity")
        most = self.limits.body_bytes_max
        if serving is not None:
            most = min(most, serving.route.serving.body_bytes_max or most)
        data = await read_body(scope, receive, most, self.limits.body_timeout_s)
        self.admission.hold(NOTES.get() or Notes(), len(data))
        try:
            return decoder.decode(data)
        except msgspec.ValidationError as error:
            raise Refusal(400, f"the body has the wrong shape: {error}") from error
        except (ValueError, RecursionError) as error:
            raise Refusal(400, f"the body is not JSON: {str(error)[:200]}") from error

    async def predict(self, serving: Serving, rows_at_most: int, prepare: Prepare, *, explain: bool = False,
                      large: Large | None = None) -> tuple[list[Answer] | Ready, Captured]:
        """Answers and whether they are captured. `prepare` checks the records; large batches and reasons are worked on in a thread.
        `large`: how many ordinary records may be answered by column; what the reply says of them is ready then."""
        started = self._begin(serving, rows_at_most, explain)
        by_column = large is not None and not explain and rows_at_most > self.limits.inline_rows_max and goes_by_column(serving)
        try:
            found = await self._scored(serving, rows_at_most, prepare, explain, large if by_column else None, started)
        except (Refused, DataError) as error:
            raise self._refusal(error) from error
        given = self._given(serving, found, started) if isinstance(found, list) else self._given_by_column(serving, found, started)
        return found, await given

    async def _given_by_column(self, serving: Serving, found: Ready, started: float) -> Captured:
        """Capture and count a batch."""
        notes = NOTES.get() or Notes()
        notes.scored, notes.rows = time.perf_counter(), len(found.batch)
        notes.version, notes.arm = found.batch.arm.slot.version, found.batch.arm.name
        captured = told(await capture_frames(self.capture, serving, found.frames), serving)
        notes.captured = time.perf_counter()
        found.batch.count(self.counters, (time.perf_counter() - started) * 1000)
        return captured

    def _begin(self, serving: Serving, rows: int, explain: bool) -> float:
        """When it began; refuses what is too much or too late."""
        rows_max = min(serving.route.serving.rows_max or self.limits.rows_max, self.limits.rows_max)
        if rows > rows_max:
            raise Refusal(413, "too many records in one request", value=rows, allowed=f"{rows_max} records")
        if explain:
            check_bound(serving.route.serving, rows)
        (NOTES.get() or Notes()).check()
        return time.perf_counter()

    def _refusal(self, error: Refused | DataError) -> Refusal:
        """What the client is told; refused records are counted for the arm that would have answered."""
        if isinstance(error, DataError):
            return Refusal(422, error.what, value=str(error.value), allowed=error.allowed)
        for arm, records in error.by_arm:
            arm.counts(self.counters).refused(records)
        return error

    async def _given(self, serving: Serving, answers: list[Answer], started: float) -> Captured:
        """Capture, count and mirror the answers."""
        notes = NOTES.get() or Notes()
        notes.scored = time.perf_counter()
        if not answers:  # every record was refused in its place
            return True
        notes.rows, notes.version, notes.arm = len(answers), answers[0].row.arm.slot.version, answers[0].row.arm.name
        captured = await capture_answers(self.capture, serving, answers, started)
        notes.captured = time.perf_counter()
        count_answers(self.counters, answers, (time.perf_counter() - started) * 1000)
        self.shadows.offer(serving, answers)
        return captured

    async def _scored(self, serving: Serving, rows: int, prepare: Prepare, explain: bool, large: Large | None,
                      started: float) -> list[Answer] | Ready:
        if rows <= self.limits.inline_rows_max and not explain:
            return self._settled(serving, await self.gathering.scored(prepare()), explain)

        def answered() -> list[Answer] | Ready:
            ready = None if large is None else answer_batch(serving, large, self.counters, started, self.turns.spare)
            return ready or self._settled(serving, score_rows(prepare(), self.counters), explain)

        return await self.turns.run(serving.route.use_case, answered)

    def _settled(self, serving: Serving, answers: list[Answer], explain: bool) -> list[Answer]:
        return settled(serving, answers, self.counters, explain) if serving.policy is not None or explain else answers

    def report(self) -> dict[str, Any]:
        """For the supervisor's metrics: what happened since the last call."""
        statuses, self.statuses = self.statuses, {}
        return {"statuses": {str(status): count for status, count in statuses.items()}, "inflight": self.admission.inflight,
                "inflight_of": self.admission.of, "waiting": self.turns.waiting, "refused": self.admission.take_refused(),
                "pinned": [len(self.shelf.pinned), self.shelf.pinned_bytes], "older": self.shelf.older.report(),
                "capture": self.capture.report()}
