"""What a limit would have done on windows of the past: alarms, real losses they came before, losses nobody was warned of. Pure.

A real loss is only known where outcomes have come in. An alarm is one window beyond the limit, because each one tells people; runs of
them are counted apart. Windows of different versions are never linked: drift is measured against a version's own rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

WINDOWS_MIN = 10  # below: said, not counted; one alarm would be a tenth of everything
HORIZON_WINDOWS_MAX = 60  # windows looked ahead at most


class Outcome(StrEnum):
    """What an alarm turned out to be."""

    BEFORE = "before a loss"
    WITH = "with a loss"
    FALSE = "no loss"
    OPEN = "not known yet"


@dataclass(frozen=True)
class Moment:
    """One window of one version: the watched value (None: not measured) and whether performance was really lost (None: not known)."""

    start: datetime
    end: datetime
    version: str
    value: float | None
    lost: bool | None


@dataclass(frozen=True)
class Backtest:
    """What the limit would have done. `outcomes`: one per moment, None without an alarm; `caught`: per moment with a real loss, whether an
    alarm came with it or at most the horizon before (None: no loss).

    `runs`: alarms of neighbouring windows counted once. `unknown`: windows whose outcomes are not known, which hide losses.
    """

    limit: float
    windows: int
    outcomes: tuple[Outcome | None, ...]
    caught: tuple[bool | None, ...]
    runs: int
    unknown: int

    @property
    def alarms(self) -> int:
        return sum(one is not None for one in self.outcomes)

    @property
    def losses(self) -> int:
        return sum(one is not None for one in self.caught)

    @property
    def missed(self) -> int:
        return sum(one is False for one in self.caught)

    def count(self, outcome: Outcome) -> int:
        """Alarms that turned out so."""
        return sum(one is outcome for one in self.outcomes)


def backtest(moments: Sequence[Moment], limit: float, horizon: timedelta) -> Backtest:
    """What `value > limit` would have said. `moments` oldest first.

    BEFORE: a later window of the same version that starts at most `horizon` after the alarm's window ended really lost performance
    (at most `HORIZON_WINDOWS_MAX` windows are looked at). WITH:
    the window itself did. FALSE: outcomes of the window and of every later one within the horizon are known, the horizon has passed, and
    none lost. OPEN: anything else, so that a loss that is not known yet never counts as a false alarm.
    """
    outcomes: list[Outcome | None] = [None] * len(moments)
    caught: list[bool | None] = [None] * len(moments)
    last, runs = max((one.end for one in moments), default=None), 0
    for places in _by_version(moments):
        own = [moments[place] for place in places]
        alarmed = [one.value is not None and one.value > limit for one in own]
        for n, place in enumerate(places):
            if alarmed[n]:
                outcomes[place] = _outcome(n, own, horizon, last)
                runs += not (n and alarmed[n - 1] and own[n - 1].end == own[n].start)
            if own[n].lost:
                caught[place] = _caught(n, own, alarmed, horizon)
    return Backtest(limit, sum(one.value is not None for one in moments), tuple(outcomes), tuple(caught), runs,
                    sum(one.lost is None for one in moments))


def candidate_limits(values: Sequence[float | None], present: float | None, most: int = 7) -> list[float]:
    """Limits worth comparing, ascending: between neighbouring values from the highest down, spread evenly, and the present one.

    Every limit between two neighbouring values gives the same alarms, so that their middle stands for all of them.
    """
    known = sorted({one for one in values if one is not None})
    middles = [(low + high) / 2 for low, high in zip(known, known[1:], strict=False)]
    spread = [middles[round(place * (len(middles) - 1) / (most - 1))] for place in range(most)] if len(middles) > most else middles
    return sorted({float(f"{one:.2g}") for one in spread} | ({present} if present is not None else set()))


def _by_version(moments: Sequence[Moment]) -> list[list[int]]:
    """Places of each version's windows, in time."""
    found: dict[str, list[int]] = {}
    for place, one in enumerate(moments):
        found.setdefault(one.version, []).append(place)
    return list(found.values())


def _outcome(n: int, own: Sequence[Moment], horizon: timedelta, last: datetime | None) -> Outcome:
    here = own[n]
    later = list(takewhile(lambda one: one.start <= here.end + horizon, own[n + 1:n + 1 + HORIZON_WINDOWS_MAX]))
    if any(one.lost for one in later):
        return Outcome.BEFORE
    if here.lost:
        return Outcome.WITH
    passed = last is not None and last >= here.end + horizon
    return Outcome.FALSE if passed and later and all(one.lost is False for one in [here, *later]) else Outcome.OPEN


def _caught(n: int, own: Sequence[Moment], alarmed: Sequence[bool], horizon: timedelta) -> bool:
    """Whether an alarm stood in this window, or in one that ended at most the horizon before it began."""
    first = max(0, n - HORIZON_WINDOWS_MAX)
    return alarmed[n] or any(alarmed[m] and own[n].start <= own[m].end + horizon for m in range(first, n))
