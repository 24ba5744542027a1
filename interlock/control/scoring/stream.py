"""`interlock score-stream`: records as they arrive, answered by whatever is live at that moment, exactly once.

Each step reads records, looks up the route, answers by the server's own path and commits answers and position together. A swap takes
effect from one step to the next; every answer names the version and digest that gave it. A new champion is verified and proven in a
child process first; one that cannot be loaded leaves the old one answering, as in the prediction server.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from interlock.control.scoring.capture_out import CapturedPieces
from interlock.control.scoring.spool import LINE_BYTES_MAX, LocalSpool, Message, Polled, Stream
from interlock.control.scoring.versions import champion_route, prove
from interlock.errors import InterlockError
from interlock.records.store import Store
from interlock.rules.routes import Route
from interlock.serving.offline import Offline
from interlock.settings import Settings

RECORDS_MAX = 200   # of one step: the most that one swap waits for
POLL_S = 0.5
RAW_CHARACTERS_MAX = 4_000


@dataclass
class Streamed:
    """What one run did."""

    answered: int = 0
    refused: int = 0
    steps: int = 0
    files: int = 0
    replays: int = 0


class _Live:
    """The model that answers now."""

    def __init__(self, settings: Settings, store: Store, use_case: str, say: Callable[[str], None]) -> None:
        self._settings, self._store, self._use_case, self._say = settings, store, use_case, say
        self._model: Offline | None = None
        self._told = ""

    def model(self) -> Offline:
        """Follow the route; with trouble the model before goes on. Raises only where there never was one."""
        try:
            route = champion_route(self._settings, self._store, self._use_case)
            if self._model is None or _what(self._model.route) != _what(route):
                self._model = self._load(route)
            self._told = ""
        except InterlockError as error:
            if self._model is None:
                raise
            if str(error) != self._told:
                self._told = str(error)
                self._say(f"version {self._model.arm.slot.version} goes on: {error.what}")
        return self._model

    def _load(self, route: Route) -> Offline:
        slot = route.slots()[0]
        prove(self._settings, slot.digest)
        model = Offline(self._settings.folder("packages"), route)
        self._say(f"version {slot.version} answers ({slot.digest[:19]}…)")
        return model


def run(settings: Settings, store: Store, use_case: str, folder: Path, *, once: bool = False, capture: bool = False,
        stop: threading.Event | None = None, records_max: int = RECORDS_MAX, say: Callable[[str], None] = lambda text: None,
        after: Callable[[str], None] = lambda step: None) -> Streamed:
    """Work on a local spool until SIGTERM, SIGINT or `stop`; `once`: until nothing waits. `after` is told each step (crash tests)."""
    ended = stop or threading.Event()
    with closing(LocalSpool(folder)) as spool, _signals(ended):
        done = work(settings, store, use_case, spool, ended, once=once, capture=capture, records_max=records_max, say=say, after=after)
        done.files, done.replays = spool.finished, spool.replays
    return done


def work(settings: Settings, store: Store, use_case: str, stream: Stream, ended: threading.Event, *, once: bool, capture: bool,
         records_max: int, say: Callable[[str], None], after: Callable[[str], None]) -> Streamed:
    """The loop, over any stream."""
    live, done = _Live(settings, store, use_case, say), Streamed()
    pieces = CapturedPieces(settings, use_case, f"stream-{stream.name}") if capture else None
    if pieces is not None:
        pieces.settle(lambda step: step <= stream.step)
    while not ended.is_set():
        polled = stream.poll(records_max)
        if polled is None:
            if once:
                break
            ended.wait(POLL_S)
            continue
        answers, refused = _step(live.model(), polled, pieces, stream.step + 1)
        after("answered")
        stream.commit(polled, answers, refused)
        after("committed")
        if pieces is not None:
            pieces.publish(stream.step)
        done = Streamed(done.answered + len(answers), done.refused + len(refused), done.steps + 1)
    return done


def _step(model: Offline, polled: Polled, pieces: CapturedPieces | None, step: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Answers and refused records, each with where it came from."""
    read = [(message, *_record(message)) for message in polled.messages]
    good = [(message, record) for message, record, _ in read if record is not None]
    found = model.answer([record for _, record in good])
    if pieces is not None:
        pieces.stage(step, model.captured(found))
    answers = [answer.as_json(answer.scores is not None) | {"source": _source(good[place][0])}
               for place, answer in zip(found.places, found.answers, strict=True)]
    refused = [_refused(message, [problem]) for message, record, problem in read if record is None]
    refused += [_refused(good[place][0], [f"{one['field']}: {one['problem']}" for one in problems])
                for place, problems in found.problems.items()]
    return answers, sorted(refused, key=lambda row: int(row["source"]["offset"]))


def _record(message: Message) -> tuple[dict[str, Any] | None, str]:
    """The record, with an id of its own where it has none; or why it is none."""
    if len(message.line) > LINE_BYTES_MAX:
        return None, f"longer than {LINE_BYTES_MAX:,} bytes"
    try:
        record = msgspec.json.decode(message.line)
    except (ValueError, RecursionError) as error:
        return None, f"is not JSON: {str(error)[:200]}"
    if not isinstance(record, dict):
        return None, "is not a JSON object"
    if record.get("id") is None:
        record["id"] = f"{message.file.removeprefix('sha256:')[:16]}-{message.offset}"
    return record, ""


def _refused(message: Message, reasons: list[str]) -> dict[str, Any]:
    return {"source": _source(message), "reasons": reasons, "raw": message.line.decode(errors="replace").rstrip("\n")[:RAW_CHARACTERS_MAX]}


def _source(message: Message) -> dict[str, Any]:
    return {"file": message.file, "offset": message.offset}


def _what(route: Route) -> tuple[object, ...]:
    """What decides an answer: the package and how requests are treated; and the generation, which capture tells."""
    return route.champion, route.generation, route.serving


@contextmanager
def _signals(ended: threading.Event) -> Iterator[None]:
    """End after the step at work on SIGTERM and SIGINT; other handlers come back afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
