"""The loop replayed on recorded rows: answer the next window with the model of that moment, watch it, retrain when the rules say so.

Prequential evaluation (Dawid 1984; Gama et al. 2013, "On evaluating stream learning algorithms"): every row is answered by a model that
learned only from labels known before it. Time moves as in production: a window is judged once it is complete and the watermark has passed,
a retraining starts then, and its model answers the rows from that moment on. Models are made by `make_package`, as `train` makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.modeling.making import make_package, top_score
from interlock.modeling.package import Model, Package
from interlock.modeling.split import known_rows
from interlock.rules.canonical import digest_bytes
from interlock.rules.monitoring import Judgement, cooled_down, drift_began, retraining_due, window_of
from interlock.spec.usecase import UseCase

Judge = Callable[[Package, pl.DataFrame], Judgement]
Retrain = Literal["never", "breach", "schedule", "both"]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Window:
    """One monitored window: its bounds, rows, and the last judgement about it (None: the model of that time answered no row of it)."""

    start: datetime
    end: datetime
    rows: int
    judgement: Judgement | None


@dataclass(frozen=True)
class Replay:
    """`rows`: those answered, in order of time, with `_score` (probability of 1, or the value) and `_model` (number, from 0);
    `trained`: when each model was made; `causes`: why."""

    rows: pl.DataFrame = field(repr=False)
    windows: list[Window]
    trained: list[datetime]
    causes: list[str]


@dataclass
class _Served:
    """The model that answers now, and what is known about its windows."""

    package: Package
    model: Model
    number: int
    windows: list[tuple[datetime, datetime, pl.DataFrame]] = field(default_factory=list)
    judged: dict[datetime, tuple[int, Judgement]] = field(default_factory=dict)


def replay(use_case: UseCase, frame: pl.DataFrame, judge: Judge, root: Path, *, first: datetime, retrain: Retrain = "breach",
           every: timedelta | None = None, progress: Progress = lambda text: None) -> Replay:
    """Answer the rows from `first` on. `frame`: a snapshot with its derived features, labels with `_label_seen_time`.

    `judge` gives the judgement about rows that one package answered (`_score`; `_label` null where it was not known yet), as monitoring
    does. `retrain`: after breaches as `[monitoring]` says (breaches, of, cooldown), on a schedule (`every`), both, or never. A retraining
    that finds too little to learn from leaves the model in place, as in production. Raises `DataError` where even the first model cannot
    be made, or no row is left to answer.
    """
    if retrain in {"schedule", "both"} and every is None:
        raise DataError("a schedule needs `every`", allowed="a time span")
    last = frame["_event_time"].max()
    if not isinstance(last, datetime) or last < first:
        raise DataError("there is no row to answer", value=first, allowed="a moment before the last row")
    running = _Running(use_case, frame, judge, root, retrain, every, _trained(use_case, frame, first, root, 0), [first])
    start, end = window_of(first, use_case.monitoring.window_hours)
    running.window(start, end, first)
    while end <= last:
        start, end = end, end + (end - start)
        told = running.window(start, end, start)
        if told:
            progress(told)
    return Replay(pl.concat([part for part in running.answered if part.height]), running.windows, running.trained, running.causes)


@dataclass
class _Running:
    """A replay under way. `coming`: the model that was made meanwhile, and from when on it answers; `judged`: what breached,
    by model and window."""

    use_case: UseCase
    frame: pl.DataFrame
    judge: Judge
    root: Path
    retrain: Retrain
    every: timedelta | None
    served: _Served
    trained: list[datetime]
    causes: list[str] = field(default_factory=lambda: ["first"])
    breached: list[datetime] = field(default_factory=list)
    answered: list[pl.DataFrame] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    coming: tuple[datetime, _Served] | None = None
    judged: dict[tuple[int, datetime], list[str]] = field(default_factory=dict)

    def window(self, start: datetime, end: datetime, since: datetime) -> str:
        """Answer the rows of the window from `since` on, judge it, retrain where that is due; what happened, empty: nothing."""
        now = end + timedelta(hours=self.use_case.monitoring.watermark_hours)
        if self.coming is not None and self.coming[0] < end:  # the model made meanwhile answers from its own moment on
            self.answered.append(_answered(self.served, _between(self.frame, since, self.coming[0])))
            since, self.served = max(since, self.coming[0]), self.coming[1]
            self.coming = None
        self.answered.append(_answered(self.served, _between(self.frame, since, end)))
        self.served.windows.append((start, end, self.answered[-1]))
        _judge_again(self.served, self.judge, now, self.use_case.monitoring.of)
        self.judged |= {(self.served.number, began): found.breached for began, (_, found) in self.served.judged.items()}
        judged = self.served.judged.get(start)
        self.windows.append(Window(start, end, self.answered[-1].height, judged[1] if judged else None))
        cause = _cause(self.use_case, self.served, end, self.breached, self.trained, self.retrain, self.every, now)
        return self._retrain(cause, end, now) if cause is not None else ""

    def _retrain(self, cause: str, end: datetime, now: datetime) -> str:
        self.breached += [end] if cause == "breach" else []
        made = _try_training(self.use_case, self.frame, now, self.root, len(self.trained), self._drifted_at())
        if made is None:
            return f"{end:%Y-%m-%d}: too little to learn from"
        self.trained, self.causes, self.coming = [*self.trained, now], [*self.causes, cause], (now, made)
        return f"{end:%Y-%m-%d}: model {len(self.trained) - 1} ({cause})"


    def _drifted_at(self) -> datetime | None:
        """When the last drift began, for training windows that ask: as monitoring knows it, whichever model answered."""
        breached: dict[datetime, list[str]] = {}
        for (_, start), names in self.judged.items():
            breached.setdefault(start, []).extend(names)
        return drift_began(breached)


def known_at(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """The rows with their labels as far as they had been seen by `now`."""
    seen = (pl.col("_label_seen_time") <= now).fill_null(False)
    return rows.with_columns(pl.when(seen).then(pl.col("_label")).otherwise(None).alias("_label"))


def _trained(use_case: UseCase, frame: pl.DataFrame, now: datetime, root: Path, number: int,
             drifted_at: datetime | None = None) -> _Served:
    """The model that training at `now` gives: only rows whose label had been seen by then are handed over at all."""
    known = known_rows(frame, now)
    nothing = digest_bytes(b"")
    made = make_package(root, use_case, known, snapshot_digest=nothing, spec_digest=nothing, as_of=now, drifted_at=drifted_at)
    return _Served(made.package, made.package.open_model(), number)


def _try_training(use_case: UseCase, frame: pl.DataFrame, now: datetime, root: Path, number: int,
                  drifted_at: datetime | None) -> _Served | None:
    try:
        return _trained(use_case, frame, now, root, number, drifted_at)
    except DataError:
        return None


def _between(frame: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    return frame.filter((pl.col("_event_time") >= start) & (pl.col("_event_time") < end))


def _answered(served: _Served, rows: pl.DataFrame) -> pl.DataFrame:
    scores: NDArray[np.float64] = np.empty(0)
    if rows.height:
        scores = top_score(served.model.score(served.package.manifest.features.encode_frame(rows)))
    return rows.with_columns(pl.Series("_score", scores, dtype=pl.Float64), pl.lit(served.number).alias("_model"))


def _judge_again(served: _Served, judge: Judge, now: datetime, of: int) -> None:
    """Judge the newest windows; those again for which more labels are known now."""
    for start, _, rows in served.windows[-of:]:
        if not rows.height:
            continue
        known = known_at(rows, now)
        labelled = rows.height - known["_label"].null_count()
        if start not in served.judged or labelled > served.judged[start][0]:
            served.judged[start] = labelled, judge(served.package, known)


def _cause(use_case: UseCase, served: _Served, end: datetime, breached: list[datetime], trained: list[datetime], retrain: Retrain,
           every: timedelta | None, now: datetime) -> str | None:
    limits = use_case.monitoring
    if retrain in {"breach", "both"}:
        states = [served.judged[start][1].retrains for start, _, _ in served.windows if start in served.judged]
        if retraining_due(states, breaches=limits.breaches, of=limits.of) and cooled_down(end, breached, limits.cooldown_hours):
            return "breach"
    if retrain in {"schedule", "both"} and every is not None and now - trained[-1] >= every:
        return "schedule"
    return None
