"""Answers that need no model: what a candidate has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.split import Split, target
from interlock.spec.usecase import UseCase

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Naive:
    """Naive answers for the held-out rows: scores shaped like a model's, and for time-ordered rows the last known label."""

    prior: Floats
    last_label: Floats | None


def naive_answers(use_case: UseCase, split: Split) -> Naive:
    """prior: base rate, class shares or mean of the fitting rows. last_label: see `last_known_labels`, only for a split by time."""
    known = target(use_case.prediction, split.fit_rows)
    rows = split.test.height
    if use_case.prediction.task == "multiclass":
        shares = np.bincount(known.astype(np.int64), minlength=len(use_case.prediction.classes or [])) / known.size
        prior = np.tile(shares, (rows, 1))
    else:
        prior = np.full(rows, known.mean())
    return Naive(prior, last_known_labels(use_case, split) if use_case.training.split == "time" else None)


def last_known_labels(use_case: UseCase, split: Split) -> Floats:
    """For each held-out row the label (as a number) that had been seen last by the row's event time; NaN where none was.

    Labels of earlier held-out rows count too, as they would in service; labels of rows of the same instant do not, even where a
    use case says that outcomes are known at once. Of labels seen at one instant the newest event's counts.
    """
    labels = target(use_case.prediction, split.known)
    event, seen = (split.known[name].dt.epoch("us").to_numpy() for name in ("_event_time", "_label_seen_time"))
    order = np.lexsort((event, seen))
    at_once = np.sort(seen[seen == event])
    now = split.test["_event_time"].dt.epoch("us").to_numpy()
    own_instant = np.searchsorted(at_once, now, side="right") - np.searchsorted(at_once, now, side="left")
    place = np.searchsorted(seen[order], now, side="right") - own_instant - 1
    return np.where(place >= 0, labels[order][np.maximum(place, 0)], np.nan)
