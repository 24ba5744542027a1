"""Counterfactuals: the smallest changes, within what a person can change, after which the model itself would answer otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = NDArray[np.float32]
Judge = Callable[[Values], tuple[NDArray[np.bool_], Floats]]
CHANGES_MAX, FOUND_MAX = 3, 3
OPTIONS = {1: 40, 2: 12, 3: 6}   # values tried per feature where so many features change together
LEVERS = {1: 60, 2: 8, 3: 6}     # features combined, those that move the answer most when changed alone
EVALUATIONS_MAX = 20_000


@dataclass(frozen=True)
class Lever:
    """One feature that may change. `options`: encoded values within the bounds, the nearest first, without the present one.

    `scale`: what counts as one unit of effort (of a number its usual spread, of a category 1). `step` > 0: a number, which is then moved
    back toward the present value as far as the answer allows, never out of `low` to `high` again.
    """

    name: str
    place: int
    options: Floats = field(repr=False)
    scale: float
    step: float = 0.0
    low: float = float("-inf")
    high: float = float("inf")

    def allows(self, value: float) -> bool:
        """Whether the value lies within the bounds, up to rounding."""
        slack = 1e-9 * self.step
        return self.low - slack <= value <= self.high + slack


@dataclass(frozen=True)
class Counterfactual:
    """Changed features with their encoded value before and after (NaN: missing), the effort, and the model's own verdict on the row."""

    changes: dict[str, tuple[float, float]]
    effort: float
    gap: float
    row: Values = field(repr=False)


@dataclass(frozen=True)
class Search:
    """What was found, smallest first, and how far was looked."""

    found: tuple[Counterfactual, ...]
    evaluations: int
    levers: tuple[str, ...]
    note: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; a missing value is None."""
        def plain(value: float) -> float | None:
            return None if value != value else float(value)

        return {"evaluations": self.evaluations, "levers": list(self.levers), "note": self.note, "found": [
            {"effort": one.effort, "changes": {name: [plain(old), plain(new)] for name, (old, new) in one.changes.items()}}
            for one in self.found]}


def counterfactuals(judge: Judge, row: Values, levers: Sequence[Lever]) -> Search:
    """Up to three different ways, of one, else two, else three changed features, to the wanted answer.

    `judge` answers a matrix (n, f) by the real model: (whether each row has the wanted answer, distance to it, at most 0 where reached).
    `row` (f,) as the model reads it. Fewest changes first, then least effort (sum of |change| / scale). The search is a bounded grid, at
    most 20,000 rows: what it finds holds (the model itself was asked again), what it does not find may exist. No lever, or an answer that
    is the wanted one already: nothing, and the note says so. Source: Wachter, Mittelstadt, Russell 2018, 'Counterfactual explanations
    without opening the black box'; Ustun, Spangher, Liu 2019, 'Actionable recourse' (immutable features, bounded changes).
    """
    usable = [lever for lever in levers if lever.options.size]
    names, asked = tuple(lever.name for lever in usable), _Asked(judge)
    if asked(row[None])[0][0]:
        return Search((), asked.rows, names, "the answer is the wanted one already")
    if not usable:
        return Search((), asked.rows, names, "no feature of this model is declared actionable, or none has room to change")
    ranked = _ranked(asked, row, usable)
    for size in range(1, CHANGES_MAX + 1):
        flips = _flips(asked, row, ranked[:LEVERS[size]], size)
        if flips:
            found = [_shrunk(asked, row, levers_used, values) for levers_used, values in flips[:FOUND_MAX]]
            found.sort(key=lambda one: (one.effort, sorted(one.changes)))
            note = f"{len(found)} found with {size} changed feature{'s' if size > 1 else ''}, {asked.rows:,} rows scored by the model"
            return Search(tuple(found), asked.rows, names, note)
    most = min(CHANGES_MAX, len(usable))
    tried = f"up to {most} of {len(usable)} actionable feature{'s' if len(usable) > 1 else ''}, {asked.rows:,} rows scored by the model"
    return Search((), asked.rows, names, f"none found within the declared bounds: {tried}; a finer search may still find one")


class _Asked:
    """The model, with a count of the rows it was asked for."""

    def __init__(self, judge: Judge) -> None:
        self._judge, self.rows = judge, 0

    def __call__(self, matrix: Values) -> tuple[NDArray[np.bool_], Floats]:
        self.rows += matrix.shape[0]
        return self._judge(matrix)


def _thinned(options: Floats, most: int) -> Floats:
    """At most so many of the options, evenly from the nearest to the farthest."""
    return options if options.size <= most else options[np.linspace(0, options.size - 1, most).round().astype(np.int64)]


def _ranked(asked: _Asked, row: Values, levers: Sequence[Lever]) -> list[Lever]:
    """The levers, first the one that alone brings the answer nearest to the wanted one."""
    reach = []
    for lever in levers:
        options = _thinned(lever.options, OPTIONS[1])
        reach.append(float(asked(_changed(row, [lever], options[:, None]))[1].min()))
    return [levers[place] for place in np.argsort(np.array(reach), kind="stable")]


def _changed(row: Values, levers: Sequence[Lever], values: Floats) -> Values:
    tried = np.repeat(row[None], values.shape[0], axis=0)
    tried[:, [lever.place for lever in levers]] = values.astype(np.float32)
    return tried


def _effort(row: Values, levers: Sequence[Lever], values: Floats) -> Floats:
    """(n,): sum over levers of |change| / scale; 1 for a changed category and for a value that was missing."""
    total = np.zeros(values.shape[0])
    for place, lever in enumerate(levers):
        before = float(row[lever.place])
        moved = np.abs(values[:, place] - before) / lever.scale if lever.step > 0 and before == before else np.ones(values.shape[0])
        total += np.where(values[:, place] == before, 0.0, moved)
    return total


def _flips(asked: _Asked, row: Values, levers: Sequence[Lever], size: int) -> list[tuple[tuple[Lever, ...], Floats]]:
    """For each set of so many levers that reaches the wanted answer its least effort, least first."""
    found = []
    for chosen in combinations(levers, size):
        grid = np.array(list(product(*(_thinned(lever.options, OPTIONS[size]) for lever in chosen))), dtype=np.float64)
        if asked.rows + grid.shape[0] > EVALUATIONS_MAX:
            break
        wanted = np.flatnonzero(asked(_changed(row, chosen, grid))[0])
        if wanted.size:
            efforts = _effort(row, chosen, grid[wanted])
            least = int(efforts.argmin())
            found.append((float(efforts[least]), chosen, grid[wanted[least]]))
    found.sort(key=lambda item: (item[0], [lever.name for lever in item[1]]))
    return [(chosen, values) for _, chosen, values in found]


def _shrunk(asked: _Asked, row: Values, levers: Sequence[Lever], values: Floats) -> Counterfactual:
    """Each changed number moved back toward the present value, step by step of its own size, as far as the model allows (bisection)."""
    best = values.copy()
    for place, lever in enumerate(levers):
        before = float(row[lever.place])
        if lever.step <= 0 or before != before:
            continue
        direction, near, far = np.sign(best[place] - before), 1, max(int(round(abs(best[place] - before) / lever.step)), 1)
        while near < far:
            middle = (near + far) // 2
            tried = best.copy()
            tried[place] = before + direction * middle * lever.step
            if lever.allows(float(tried[place])) and asked(_changed(row, levers, tried[None]))[0][0]:
                best, far = tried, middle
            else:
                near = middle + 1
    final = _changed(row, levers, best[None])
    wanted, gap = asked(final)
    if not wanted[0]:
        best, final = values, _changed(row, levers, values[None])
        gap = asked(final)[1]
    changes = {lever.name: (float(row[lever.place]), float(final[0, lever.place])) for lever in levers}
    return Counterfactual(changes, float(_effort(row, levers, best[None])[0]), float(gap[0]), final[0])
