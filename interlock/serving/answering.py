"""From checked rows to answers: encode, score, decide, count, capture."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from interlock.modeling.decision import decide, group_column, group_flag
from interlock.modeling.package import Manifest
from interlock.serving.capturing import Capture, Captured
from interlock.serving.counters import Counters
from interlock.serving.outcomes import Outcome
from interlock.serving.records import Row
from interlock.serving.shelf import Arm, Loaded, Serving
from interlock.serving.wire import Refusal

FRAME_ROWS = 2_048  # written down at once: a wide row takes some kilobytes
Captures = list[tuple[bytes, int]]  # packed frames, and the rows in each


@dataclass(slots=True)
class Answer:
    """One record's answer. `score`: P(1), P(top class) or the value; `prediction`: 1 or 0, the class, or the value; `interval`: low and
    high end for a value whose model has intervals."""

    row: Row
    score: float
    scores: list[float] | None
    prediction: int | float | str
    flags: list[str]
    interval: list[float] | None = None
    outcome: Outcome | None = None           # only where the model may abstain
    reasons: dict[str, Any] | None = None    # only where they were asked for

    def as_json(self, task_has_scores: bool) -> dict[str, Any]:
        body = {"id": self.row.id, "score": self.score, "prediction": self.prediction, "version": self.row.arm.slot.version,
                "digest": self.row.arm.slot.digest, "arm": self.row.arm.name, "flags": self.flags}
        body |= {"interval": self.interval} if self.interval is not None else {}
        body |= {"scores": self.scores} if task_has_scores else {}
        if self.outcome is not None:
            self.outcome.put_on(body)
        return body if self.reasons is None else body | {"reasons": self.reasons}


def score_rows(rows: list[Row], counters: Counters) -> list[Answer]:
    """Answers in the order of the rows; each arm scores its rows at once. Errors are counted for the arm and raised."""
    answers: dict[int, Answer] = {}
    for arm, places in _by_arm(rows):
        try:
            for place, answer in zip(places, answer_rows(arm.loaded, [rows[place] for place in places]), strict=True):
                answers[place] = answer
        except Exception:
            arm.counts(counters).failed(len(places))
            raise
    return [answers[place] for place in range(len(rows))]


async def capture_answers(capture: Capture, serving: Serving, answers: list[Answer], started: float) -> Captured:
    """Write the answers down; True once they are on the disk, `relaxed` where the use case does not wait for that.

    A large batch is written in parts, one after the other: its frames stay within what may wait for the disk, and other requests get
    their turn in between. 503 when they cannot be written and the use case says `refuse`.
    """
    seen = datetime.now(UTC)
    latency_ms = round((time.perf_counter() - started) * 1000, 3)
    parts = (answers[start:start + FRAME_ROWS] for start in range(0, len(answers), FRAME_ROWS))
    return told(await capture_frames(capture, serving, ((frame_of(part, serving, seen, latency_ms), len(part)) for part in parts)), serving)


async def capture_frames(capture: Capture, serving: Serving, frames: Iterable[tuple[dict[str, Any] | bytes, int]]) -> Captured:
    """Write frames down, one after the other, each with its number of rows; whether all of them are on the disk."""
    record = capture.record_relaxed if serving.route.serving.capture == "relaxed" else capture.record
    captured: Captured = True
    for frame, rows in frames:
        said: Captured = await record(serving.route.use_case, frame, rows)
        captured = said if said is not True and captured else captured
    return captured


def told(captured: Captured, serving: Serving) -> Captured:
    """What the reply says of it; 503 where nothing is recorded and the use case says `refuse`."""
    if not captured and serving.route.on_capture_failure == "refuse":
        raise Refusal(503, "the answer cannot be recorded now, and this use case refuses to answer unrecorded",
                      headers={"retry-after": "1"})
    return captured


def frame_of(answers: list[Answer], serving: Serving, seen: datetime, latency_ms: float) -> dict[str, Any]:
    """The frame in which these answers are written down."""
    kinds = {answer.row.arm.slot.digest: answer.row.arm.loaded.captured for answer in answers}
    return {"kind": "predictions", "columns": kinds, "rows": [captured_row(answer, serving, seen, latency_ms) for answer in answers]}


def count_answers(counters: Counters, answers: list[Answer], latency_ms: float) -> None:
    """Add the answers to the counts of their arms."""
    arm: Arm | None = None
    for answer in answers:
        if answer.row.arm is not arm:  # a batch has one or two arms: looked up when they change
            arm = answer.row.arm
            counts, is_value = arm.counts(counters), arm.loaded.manifest.task == "regression"
        counts.answered(answer.score, None if is_value else str(answer.prediction))
        counts.took(latency_ms, 1)
        if answer.outcome is not None and answer.outcome.kind is not None and answer.outcome.arm is not None:
            answer.outcome.arm.counts(counters).abstained(answer.outcome.kind)


def answer_rows(loaded: Loaded, rows: list[Row]) -> list[Answer]:
    """Answers of one model in the order of the rows, by one call of its booster. Raises `DataError` for a value that it cannot take."""
    manifest, completion = loaded.manifest, loaded.completion
    added = [completion.complete(row.values, row.event_time) for row in rows] if completion.needed else None
    matrix, flags = loaded.encoder.encode([row.values for row in rows], [row.event_time for row in rows])
    found = loaded.model.score(matrix)
    ends = loaded.model.interval(matrix, found)
    column = group_column(manifest)
    groups = None if column is None else [row.values.get(column) for row in rows]
    decisions = in_words(manifest, decide(manifest, found, groups).tolist())
    numbers = found.tolist()  # float32 as float: the same value
    intervals = [None] * len(rows) if ends is None else ends.tolist()
    is_multiclass = manifest.task == "multiclass"
    answers = []
    for place, row in enumerate(rows):
        scores: list[float] = numbers[place] if is_multiclass else []
        said = flags[place] if added is None else added[place] + flags[place]
        said = [*row.said, *said] if row.said else said
        unknown = None if groups is None else group_flag(manifest, groups[place])
        answers.append(Answer(row, max(scores) if is_multiclass else numbers[place], scores or None, decisions[place],
                              [*said, unknown] if unknown else said, intervals[place]))
    return answers


def in_words(manifest: Manifest, decided: list[float]) -> list[int | float | str]:
    """The decisions as replies say them."""
    if manifest.task == "multiclass":
        return [manifest.classes[int(place)] for place in decided]
    return [int(value) for value in decided] if manifest.task == "binary" else list(decided)


def _by_arm(rows: list[Row]) -> list[tuple[Arm, list[int]]]:
    places: dict[str, tuple[Arm, list[int]]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.arm.name, (row.arm, []))[1].append(place)
    return list(places.values())


def captured_row(answer: Answer, serving: Serving, seen: datetime, latency_ms: float) -> dict[str, Any]:
    """What is written down about one answer."""
    row = answer.row
    values = row.values
    if large := [name for name, value in values.items() if type(value) is int and not -(2**63) <= value < 2**63]:
        values = values | {name: _storable(values[name]) for name in large}
    return values | {"_request_id": row.id, "_version": row.arm.slot.version, "_digest": row.arm.slot.digest,
                     "_generation": serving.route.generation, "_arm": row.arm.name, "_event_time": row.event_time, "_seen_time": seen,
                     "_score": answer.score, "_scores": answer.scores, "_prediction": str(answer.prediction),
                     "_interval": answer.interval,
                     "_latency_ms": latency_ms, "_flags": answer.flags}


def _storable(value: int) -> float:
    """MessagePack holds 64-bit integers; larger ones become the nearest float."""
    return float(value) if abs(value) < 2**1023 else float("inf")
