"""Lags and rolling statistics over the values of an entity that were known at a moment: one function for training and for online tables.

A value is known at a moment t when its event lies before t and it had been seen by t: when `known` = max(seen, event + 1 µs) ≤ t.
Every answer is made of the known values inside its window and of nothing else, summed in one order, so that it comes out the same
bit for bit whatever other rows the history holds, later ones above all. NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.spec.derived import Derived

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HOUR_US = 3_600_000_000
CHUNK = 4_000_000  # values laid out at once for a standard deviation


@dataclass(frozen=True)
class History:
    """Known values by entity: `entity` (codes from 0), `known` and `event` (µs since 1970), `value`; sorted by entity, known, event."""

    entity: Ints
    known: Ints
    event: Ints
    value: Floats

    @classmethod
    def of(cls, entity: Ints, event: Ints, seen: Ints, value: Floats) -> History:
        """Rows in the order of their source, which breaks ties. Rows without an entity (code -1) or a finite value never count."""
        kept = np.flatnonzero((entity >= 0) & np.isfinite(value))
        known = np.maximum(seen[kept], event[kept] + 1)
        order = kept[np.lexsort((event[kept], known, entity[kept]))]
        return cls(entity[order], np.maximum(seen[order], event[order] + 1), event[order], value[order])

    def aged(self, hours: float) -> History:
        """What a lag by hours looks at: each value counts from `hours` after its event on, and the newest event so far stands for all
        (of one instant's, the one known last)."""
        known = np.maximum(self.known, self.event + _micros(hours))
        by_event = np.lexsort((self.event, self.entity))
        rank = np.empty(by_event.size, dtype=np.int64)
        rank[by_event] = np.arange(by_event.size)
        order = np.lexsort((rank, known, self.entity))
        newest = by_event[np.maximum.accumulate(rank[order])] if order.size else order
        return History(self.entity[order], known[order], self.event[newest], self.value[newest])


def history_values(feature: Derived, history: History, entity: Ints, moment: Ints, own: Floats | None = None) -> Floats:
    """The feature for each (entity, moment in µs); NaN: no value known, or no entity (code -1).

    lag: the value `rows` back, or of the newest event at least `hours` old. rolling: mean, sum, min, max, std (n - 1; NaN below two
    values) of the last `rows` values known, or of those that became known in (moment - hours, moment]; count is 0 where none is.
    `own` are the rows' own values for `include_self`; NaN adds nothing.
    """
    if feature.kind == "lag":
        seen = history.aged(feature.hours) if feature.hours is not None else history
        first, end = _bounds(seen, entity, moment, None)
        place = end - (feature.rows or 1)
        found = place >= first
        return np.where(found, seen.value[np.where(found, place, 0)], np.nan) if seen.value.size else np.full(entity.size, np.nan)
    added = np.full(entity.size, np.nan) if own is None or not feature.include_self else own
    first, end = _bounds(history, entity, moment, feature.hours)
    if feature.rows is not None:
        first = np.maximum(first, end - feature.rows + np.isfinite(added))
    return np.where(entity >= 0, _rolled(feature.statistic or "count", history.value, first, end, added), np.nan)


def last_known(history: History, entity: Ints, moment: Ints) -> Ints:
    """The moment (µs) at which the newest value of the entity had become known; -1 where none had."""
    first, end = _bounds(history, entity, moment, None)
    found = end > first
    return np.where(found, history.known[np.where(found, end - 1, 0)], -1) if history.known.size else np.full(entity.size, -1)


def _bounds(history: History, entity: Ints, moment: Ints, hours: float | None) -> tuple[Ints, Ints]:
    """Half-open places in the history: the entity's values known in (moment - hours, moment], or all known by the moment."""
    start = moment - _micros(hours) if hours is not None else moment
    times = np.unique(np.concatenate([history.known, moment, start]))
    span = times.size + 1
    keys = history.entity * span + np.searchsorted(times, history.known)
    end = np.searchsorted(keys, entity * span + np.searchsorted(times, moment), side="right")
    if hours is None:
        return np.searchsorted(keys, entity * span, side="left"), end
    return np.searchsorted(keys, entity * span + np.searchsorted(times, start), side="right"), end


def _rolled(statistic: str, values: Floats, first: Ints, end: Ints, added: Floats) -> Floats:
    """The statistic of values[first:end] and, where it is finite, of the added value."""
    extra = np.isfinite(added)
    count: Floats = (np.maximum(end - first, 0) + extra).astype(np.float64)
    if statistic == "count":
        return count
    found: Floats
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if statistic in {"min", "max"}:
            pick = np.fmin if statistic == "min" else np.fmax
            reducer = np.minimum if statistic == "min" else np.maximum
            found = pick(_over_windows(reducer, values, first, end, np.nan), np.where(extra, added, np.nan))
        else:
            total = _over_windows(np.add, values, first, end, 0.0) + np.where(extra, added, 0.0)
            found = np.where(count > 0, total, np.nan)
            if statistic in {"mean", "std"}:
                found = found / count
            if statistic == "std":
                squares = _squares(values, first, end, found) + np.where(extra, (added - found) ** 2, 0.0)
                found = np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _over_windows(reducer: np.ufunc, values: Floats, first: Ints, end: Ints, empty: float) -> Floats:
    """The reducer over each window, every window added up from its own values alone; equal windows are worked out once."""
    answers = np.full(first.size, empty)
    filled = np.flatnonzero(end > first)
    if not filled.size:
        return answers
    width = values.size + 1
    windows, which = np.unique(first[filled] * width + end[filled], return_inverse=True)
    edges = np.stack([windows // width, windows % width], axis=1).ravel()
    answers[filled] = reducer.reduceat(np.append(values, 0.0), edges)[::2][which]
    return answers


def _squares(values: Floats, first: Ints, end: Ints, centre: Floats) -> Floats:
    """Sum of (value - centre)² over each window, some millions of values at a time."""
    answers = np.zeros(first.size)
    filled = np.flatnonzero(end > first)
    sizes = (end - first)[filled]
    ends = np.cumsum(sizes)
    begin = 0
    while begin < filled.size:
        stop = max(begin + 1, int(np.searchsorted(ends, ends[begin] - sizes[begin] + CHUNK, side="right")))
        part, length = filled[begin:stop], sizes[begin:stop]
        starts = np.cumsum(length) - length
        places = np.arange(int(length.sum())) - np.repeat(starts - first[part], length)
        answers[part] = np.add.reduceat((values[places] - np.repeat(centre[part], length)) ** 2, starts)
        begin = stop
    return answers


def _micros(hours: float) -> int:
    return round(hours * HOUR_US)
