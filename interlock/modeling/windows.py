"""How much history to learn from: all of it, the newest days, what came since the last drift, or what a backtest says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from interlock.errors import DataError
from interlock.modeling.features import FeatureSpace
from interlock.modeling.fitting import fit_on
from interlock.modeling.selection import row_losses
from interlock.modeling.split import known_rows, sliding_since, split_rows, target
from interlock.modeling.trials import FIRST_TRIAL, fixed_parameters
from interlock.rules.canonical import iso
from interlock.spec.training import Window
from interlock.spec.usecase import UseCase

CUTS = (0.55, 0.70, 0.85)  # share of the rows before each cut-off of the backtest
ROUNDS = 80
INSTANT = timedelta(microseconds=1)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Chosen:
    """The window: rows after `since` count (None: all). `figures`: what the backtest measured, plain JSON."""

    kind: Window
    since: datetime | None
    note: str
    figures: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {"kind": self.kind, "since": iso(self.since) if self.since else None, "note": self.note, **self.figures}


def choose_window(use_case: UseCase, frame: pl.DataFrame, as_of: datetime | None, drifted_at: datetime | None, *,
                  progress: Progress = lambda text: None) -> Chosen:
    """The window that `[training] window` names. `drifted_at`: when the last drift began (None: none known).

    A window that leaves too few rows after a drift gives way to all history, and the note says so: a retraining that a drift asked
    for must not fail because the drift is young. A sliding window that is too short stays, and the split refuses it: a person wrote it.
    """
    training = use_case.training
    wanted, known = training.window_kind, known_rows(frame, as_of)
    if wanted == "sliding" and training.window_days is not None:
        return _sliding(known, training.window_days)
    if wanted == "auto":
        chosen = backtest(use_case, known, drifted_at, progress=progress)
    else:
        chosen = _since_drift(drifted_at) if wanted == "since_drift" and drifted_at is not None else Chosen("all", None, "all history")
    if chosen.since is None:
        return replace(chosen, note="all history: no drift is known") if wanted == "since_drift" else chosen
    try:
        split_rows(use_case, frame, as_of, chosen.since)
    except DataError as error:
        return Chosen("all", None, f"all history, because of {chosen.note} {error.what}", chosen.figures)
    return chosen


def backtest(use_case: UseCase, known: pl.DataFrame, drifted_at: datetime | None, *, progress: Progress = lambda text: None) -> Chosen:
    """The window that predicted best at three earlier cut-offs, by a small fixed budget (the first trial's parameters, 80 rounds).

    Only rows before the held-out part of all history are looked at, so the evidence stays unseen. At each cut-off every window learns
    from its rows before it and answers the rows up to the next; its loss (log loss, squared error) is compared with all history's on
    the same rows. The lowest mean relative loss wins, all history where none is lower.
    """
    tried = known.sort("_event_time", maintain_order=True).head(round(known.height * (1 - use_case.training.test_fraction)))
    windows = _candidates(use_case, known, drifted_at)
    measured: dict[str, list[float | None]] = {chosen.note: [] for chosen, _ in windows}
    cuts = []
    for place, share in enumerate(CUTS):
        times = tried["_event_time"]
        start = times[min(tried.height - 1, round(tried.height * share))]
        end = times[min(tried.height - 1, round(tried.height * (CUTS[place + 1] if place + 1 < len(CUTS) else 1.0)))]
        block = tried.filter((pl.col("_event_time") >= start) & (pl.col("_event_time") < end))
        before = tried.filter((pl.col("_event_time") < start) & (pl.col("_label_seen_time") <= start))
        cuts.append(iso(start))
        for chosen, since in windows:
            edge = since(start)
            measured[chosen.note].append(_loss(use_case, before if edge is None else before.filter(pl.col("_event_time") > edge), block))
        progress(f"backtest of windows: cut-off {place + 1} of {len(CUTS)}")
    changes = {note: _change(losses, measured["all history"]) for note, losses in measured.items()}
    able = {note: change for note, change in changes.items() if change is not None}
    best = min(able, key=lambda note: (able[note], note != "all history"), default="all history")
    chosen = next(chosen for chosen, _ in windows if chosen.note == best)
    figures = {"backtest": {"cut_offs": cuts, "losses": measured, "change": changes, "rounds": ROUNDS}}
    return Chosen(chosen.kind, chosen.since, best, figures)


def _candidates(use_case: UseCase, known: pl.DataFrame, drifted_at: datetime | None
                ) -> list[tuple[Chosen, Callable[[datetime], datetime | None]]]:
    """Windows to try, each with where it begins for a given cut-off."""
    first, last = known["_event_time"].min(), known["_event_time"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return [(Chosen("all", None, "all history"), lambda cut: None)]
    given, span = use_case.training.window_days, (last - first) / timedelta(days=1)
    found: list[tuple[Chosen, Callable[[datetime], datetime | None]]] = [(Chosen("all", None, "all history"), lambda cut: None)]
    for days in [given] if given is not None else [span / 2, span / 4]:
        found.append((_sliding(known, days), lambda cut, days=days: cut - timedelta(days=days)))  # type: ignore[misc]
    if drifted_at is not None:
        found.append((_since_drift(drifted_at), lambda cut: drifted_at - INSTANT if drifted_at < cut else cut))
    return found


def _sliding(known: pl.DataFrame, days: float) -> Chosen:
    return Chosen("sliding", sliding_since(known, days), f"the newest {days:g} days")


def _since_drift(drifted_at: datetime) -> Chosen:
    return Chosen("since_drift", drifted_at - INSTANT, f"since the drift of {drifted_at:%Y-%m-%d %H:%M} UTC")


def _loss(use_case: UseCase, learned: pl.DataFrame, block: pl.DataFrame) -> float | None:
    """Mean loss on the block of a quick model of these rows; None with too few rows or one class."""
    most, least = use_case.training.tune_rows_max, use_case.training.rows_min
    if learned.height < least or block.is_empty() or (use_case.prediction.task != "regression" and learned["_label"].n_unique() < 2):
        return None
    learned = learned.tail(most)
    parameters = fixed_parameters(use_case, FeatureSpace.fit(use_case, learned), learned.height)
    fitted = fit_on(use_case, learned, parameters | FIRST_TRIAL | {"seed": use_case.training.seed, "learning_rate": 0.1}, ROUNDS)
    margins = fitted.margins(block, use_case.training.threads).astype(np.float64)
    if use_case.prediction.task == "binary":
        margins = np.exp(-np.logaddexp(0, -margins))
    elif use_case.prediction.task == "multiclass":
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        margins = powers / powers.sum(axis=1, keepdims=True)
    return float(row_losses(margins, target(use_case.prediction, block), str(parameters["objective"])).mean())


def _change(losses: list[float | None], against: list[float | None]) -> float | None:
    """Mean relative loss beyond all history's, over the cut-offs where both were measured."""
    pairs = [(own, other) for own, other in zip(losses, against, strict=True) if own is not None and other]
    return float(np.mean([own / other - 1 for own, other in pairs])) if pairs else None
