"""Where answers of a batch go. A target remembers which chunks it holds; writing one and remembering it is one step for whoever looks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from interlock.control.scoring.rows import Chunk, RefusedRow
from interlock.serving.answering import Answer
from interlock.serving.offline import Answered

if TYPE_CHECKING:
    import polars as pl

OWN = ("id", "score", "prediction", "version", "digest", "arm", "flags", "interval", "scores")


@dataclass(frozen=True)
class Done:
    """A chunk that counts: how many rows were answered and refused, and why; `files`: what holds them (path or table → digest)."""

    index: int
    answered: int
    refused: int
    reasons: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Head:
    """What a job is; the same call gives the same job, and so goes on with it."""

    job: str
    use_case: str
    version: int
    digest: str
    source: str
    source_digest: str
    chunk_rows: int
    moment: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Target(Protocol):
    """A folder of Parquet files, or a table."""

    def open(self, head: Head) -> dict[int, Done]:
        """Prepare for the job; the chunks that it holds already. `StaleState` where another job's results are there."""
        ...

    def write(self, head: Head, done: Done, answers: pl.DataFrame, refused: pl.DataFrame) -> Done:
        """Write one chunk so that it counts whole or not at all; writing it again changes nothing."""
        ...

    def finish(self, head: Head, summary: dict[str, Any]) -> None:
        """All chunks are there; telling again changes nothing."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def counted(chunk: Chunk, refused: list[RefusedRow], answered: int) -> Done:
    """The chunk's figures."""
    reasons: dict[str, int] = {}
    for row in refused:
        for reason in row.reasons:
            reasons[reason] = reasons.get(reason, 0) + 1
    return Done(chunk.index, answered, len(refused), dict(sorted(reasons.items())))


def refusals(chunk: Chunk, found: Answered) -> list[RefusedRow]:
    """Rows of the chunk without an answer: unreadable ones, and those that the server's own check refuses, by number."""
    from interlock.control.scoring.rows import raw_text

    checked = [RefusedRow(chunk.numbers[place], [f"{problem['field']}: {problem['problem']}" for problem in problems],
                          raw_text(chunk.records[place])) for place, problems in found.problems.items()]
    return sorted([*chunk.refused, *checked], key=lambda row: row.number)


def answers_frame(chunk: Chunk, found: Answered, task: str) -> pl.DataFrame:
    """One row per answer, in source order: row number, id, event time, what the server would have said, and by which version."""
    import polars as pl

    bodies = [answer.as_json(answer.scores is not None) for answer in found.answers]
    kinds: dict[str, pl.DataType] = {"binary": pl.Int64(), "multiclass": pl.String(), "regression": pl.Float64()}
    columns: dict[str, tuple[list[Any], pl.DataType]] = {
        "row_number": ([chunk.numbers[place] for place in found.places], pl.Int64()),
        "id": ([body["id"] for body in bodies], pl.String()),
        "event_time": ([answer.row.event_time for answer in found.answers], pl.Datetime("us", "UTC")),
        "score": ([body["score"] for body in bodies], pl.Float64()),
        "prediction": ([_prediction(body["prediction"], task) for body in bodies], kinds[task]),
        "scores": ([body.get("scores") for body in bodies], pl.List(pl.Float64())),
        "interval_low": ([_end(answer, 0) for answer in found.answers], pl.Float64()),
        "interval_high": ([_end(answer, 1) for answer in found.answers], pl.Float64()),
        "flags": ([body["flags"] for body in bodies], pl.List(pl.String())),
        "detail": ([_detail(body) for body in bodies], pl.String()),
        "version": ([body["version"] for body in bodies], pl.Int64()),
        "digest": ([body["digest"] for body in bodies], pl.String()),
    }
    return pl.DataFrame([pl.Series(name, values, dtype=dtype) for name, (values, dtype) in columns.items()])


def refused_frame(rows: list[RefusedRow]) -> pl.DataFrame:
    """One row per refused row: number, first reason, all reasons, the row."""
    import polars as pl

    return pl.DataFrame([pl.Series("row_number", [row.number for row in rows], dtype=pl.Int64()),
                         pl.Series("reason", [row.reasons[0] for row in rows], dtype=pl.String()),
                         pl.Series("reasons", [row.reasons for row in rows], dtype=pl.List(pl.String())),
                         pl.Series("raw", [row.raw for row in rows], dtype=pl.String())])


def _prediction(value: Any, task: str) -> Any:
    if value is None or task == "multiclass":
        return value
    return int(value) if task == "binary" else float(value)


def _end(answer: Answer, place: int) -> float | None:
    return None if answer.interval is None else answer.interval[place]


def _detail(body: dict[str, Any]) -> str | None:
    """What else the server would have said (an abstention and who answered instead), as JSON."""
    more = {name: value for name, value in body.items() if name not in OWN}
    return json.dumps(more, sort_keys=True, default=str) if more else None
