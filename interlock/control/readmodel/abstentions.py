"""How often the model left the answer to a fallback, and why: shares over windows, counts by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from interlock.control.readmodel.numbers import Number
from interlock.control.readmodel.series import Point, WindowRow

METRIC = "serving.abstained_share"
WORDS = {"out_of_range": "numbers outside the range of the training rows", "unseen": "a category it never met",
         "missing": "a missing value",
         "confidence": "its most probable answer not probable enough", "interval": "an interval that is too wide"}


@dataclass(frozen=True)
class Reason:
    """One reason: how often, as a share of all answers of the windows in which abstaining was measured."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class Abstentions:
    """`windows`, `points` go together. `answers`: of windows where it was measured; `share`: of them (None: no window was measured)."""

    windows: tuple[WindowRow, ...]
    points: tuple[Point, ...]
    reasons: tuple[Reason, ...]
    answers: int
    share: Number


def abstentions(rows: Sequence[WindowRow]) -> Abstentions | None:
    """From the windows, oldest first; None where none was asked about abstaining (it is not declared, or they are older)."""
    own = [(row, row.metrics[METRIC]) for row in rows if METRIC in row.metrics]
    if not own:
        return None
    known = [point for _, point in own if point.value is not None]
    counts: Counter[str] = Counter()
    for point in known:
        counts.update({name: int(count) for name, count in point.detail.items()})
    answers = sum(point.n for point in known)
    reasons = tuple(Reason(name, count, count / answers) for name, count in counts.most_common()) if answers else ()
    return Abstentions(tuple(row for row, _ in own), tuple(point for _, point in own), reasons, answers,
                       counts.total() / answers if answers else None)


def spoken(reason: str) -> str:
    """The reason in words, its own name where it has none."""
    return WORDS.get(reason, reason.replace("_", " "))
