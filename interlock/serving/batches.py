"""Answers of a batch by column: the same answers, captured rows and counts as row by row (a test compares them), for a part of the cost.

    Columns → matrix → scores → decisions → reply, frames, counts
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

import msgspec
import numpy as np

from interlock.modeling.decision import decide, group_column, group_flag
from interlock.modeling.features import Matrix
from interlock.modeling.package import Model, Scores
from interlock.serving.answering import FRAME_ROWS, Captures, in_words
from interlock.serving.columns import Columns, Given, check_columns
from interlock.serving.counters import Counters
from interlock.serving.shelf import Arm, Serving
from interlock.serving.wire import encode_json

PART_ROWS, PARTS_MAX = 1_000, 4  # a batch is scored in parts of at least so many rows; at most so many parts
pack = msgspec.msgpack.Encoder().encode


class Said(msgspec.Struct, gc=False):
    """One answer as the reply says it, in this order; what is unset is not said. Made and written in half the time of a dictionary."""

    id: str
    score: float
    prediction: int | float | str
    version: int
    digest: str
    arm: str
    flags: list[str]
    interval: list[float] | msgspec.UnsetType
    scores: list[float] | msgspec.UnsetType


@dataclass(frozen=True)
class Batch:
    """The answers of one arm to checked records, in their order. `flags`: None where no row has one."""

    columns: Columns
    score: list[float]
    scores: list[list[float]] | None
    prediction: list[int | float | str]
    interval: list[list[float]] | None
    flags: list[list[str]] | None

    def __len__(self) -> int:
        return len(self.score)

    @property
    def arm(self) -> Arm:
        return self.columns.arm

    def as_json(self) -> msgspec.Raw:
        """The reply's `predictions`."""
        slot, unset = self.arm.slot, repeat(msgspec.UNSET)
        said = map(Said, self.columns.ids, self.score, self.prediction, repeat(slot.version), repeat(slot.digest), repeat(self.arm.name),
                   self.flags_by_row, unset if self.interval is None else self.interval, unset if self.scores is None else self.scores)
        return msgspec.Raw(encode_json(list(said)))

    def captures(self, serving: Serving, started: float) -> Captures:
        """Packed frames with the number of rows in each; `started`: when the request came, on `perf_counter`."""
        seen, latency_ms = datetime.now(UTC), round((time.perf_counter() - started) * 1000, 3)
        slot = self.arm.slot
        same: dict[str, Any] = {"_version": slot.version, "_digest": slot.digest, "_generation": serving.route.generation,
                                "_arm": self.arm.name, "_seen_time": seen, "_latency_ms": latency_ms}
        lists: dict[str, Any] = dict(self.columns.values)
        lists |= {"_request_id": self.columns.ids, "_score": self.score, "_prediction": list(map(str, self.prediction))}
        for name, values, otherwise in (("_scores", self.scores, None), ("_interval", self.interval, None), ("_flags", self.flags, [])):
            lists |= {} if values is None else {name: values}
            same |= {name: otherwise} if values is None else {}
        if self.columns.one_time:
            same["_event_time"] = self.columns.event_times[0]
        else:
            lists["_event_time"] = self.columns.event_times
        head = {"kind": "predictions", "columns": {slot.digest: self.arm.loaded.captured}, "same": same}
        parts = range(0, len(self), FRAME_ROWS)
        return [(pack(head | {"count": min(FRAME_ROWS, len(self) - start),
                              "lists": {name: values[start:start + FRAME_ROWS] for name, values in lists.items()}}),
                 min(FRAME_ROWS, len(self) - start)) for start in parts]

    def count(self, counters: Counters, latency_ms: float) -> None:
        """Add the answers to the counts of their arm."""
        is_value = self.arm.loaded.manifest.task == "regression"
        self.arm.counts(counters).answered_all(self.score, None if is_value else self.prediction)
        self.arm.counts(counters).took(latency_ms, len(self))

    @property
    def flags_by_row(self) -> list[list[str]]:
        return self.flags if self.flags is not None else [[]] * len(self)


@dataclass(frozen=True)
class Ready:
    """A batch with all that is to be sent and written down, made in the thread that answered it."""

    batch: Batch
    said: Any
    frames: Captures


@dataclass(frozen=True)
class Large:
    """How a batch may be answered by column. `read`: its records or columns; `arm`: who answers, where that is decided; `tell`: what the
    reply says."""

    read: Callable[[], list[dict[str, Any]] | Given]
    arm: Arm | None = None
    tell: Callable[[Batch], Any] = Batch.as_json


def goes_by_column(serving: Serving) -> bool:
    """Whether batches of this use case may be answered by column: nothing looks at single answers later."""
    return serving.mirror is None and (serving.policy is None or not serving.policy.abstains)


def answer_batch(serving: Serving, large: Large, counters: Counters, started: float, spare: int = 0) -> Ready | None:
    """The batch, answered; None where its rows have to be looked at one by one. An error is counted for the arm and raised.

    `spare`: cores that nothing else needs now; a large batch is scored on them too.
    """
    columns = check_columns(serving, large.read(), large.arm)
    if columns is None:
        return None
    try:
        answered = answer_columns(columns, spare)
    except Exception:
        columns.arm.counts(counters).failed(len(columns.ids))
        raise
    return Ready(answered, large.tell(answered), answered.captures(serving, started))


def scored(model: Model, matrix: Matrix, spare: int) -> Scores:
    """The model's scores; in parts at the same time where there are cores to spare. A row's score does not depend on the rows beside it."""
    parts = min(1 + spare, PARTS_MAX, len(matrix) // PART_ROWS)
    if parts < 2:
        return model.score(matrix)
    mine, *others = np.array_split(matrix, parts)
    with ThreadPoolExecutor(parts - 1, thread_name_prefix="part") as threads:
        found = threads.map(model.score, others)
        return np.concatenate([model.score(mine), *found])


def answer_columns(columns: Columns, spare: int = 0) -> Batch:
    """The answers of the batch's model."""
    loaded = columns.arm.loaded
    manifest, completion = loaded.manifest, loaded.completion
    added = completion.complete_columns(columns) if completion.needed else None
    matrix, flags = loaded.encoder.encode_columns(columns.values, columns.numbers, columns.event_times)
    if added is not None:
        flags = added if flags is None else [looked + said for looked, said in zip(added, flags, strict=True)]
    found = scored(loaded.model, matrix, spare)
    ends = loaded.model.interval(matrix, found)
    by = group_column(manifest)
    groups = None if by is None else columns.values.get(by, [None] * len(columns.ids))
    if groups is not None:
        unknown = [group_flag(manifest, group) for group in groups]
        if any(unknown):
            flags = [[*said, one] if one else said for said, one in zip(flags or [[]] * len(unknown), unknown, strict=True)]
    decisions = in_words(manifest, decide(manifest, found, groups).tolist())
    is_multiclass = manifest.task == "multiclass"
    scores = found.tolist()  # float32 as float: the same values
    return Batch(columns, list(map(max, scores)) if is_multiclass else scores, scores if is_multiclass else None, decisions,
                 None if ends is None else ends.tolist(), flags)
