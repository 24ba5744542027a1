"""Proposals that would save money: trainings without gain, models that nobody asks, models with more features than they need.

Each rests on what is on record and says how it was worked out. A person decides; nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from interlock.control.readmodel.spending import Spending
from interlock.control.spending.prices import DAYS_PER_MONTH

MAKING = ("ingest", "train", "validate")
STORAGE = "storage."
QUIET_DAYS = 7
TRAININGS_MIN = 3      # fewer say nothing about a habit
STORAGE_SHARE_MIN = 0.5
WORTH_USD = 0.01       # a month; below it nobody should read about it


@dataclass(frozen=True)
class Trained:
    """One candidate with what its evidence says against the champion of its time (low, high; None: no champion, or not measured)."""

    version: int
    day: date
    gain: tuple[float, float] | None
    unit: str
    droppable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Saving:
    """A proposal. `usd`: saved per month of 30.44 days at the recorded use; None: not known in money."""

    kind: str
    sentence: str
    usd: float | None
    next_step: str

    def body(self) -> dict[str, Any]:
        return {"kind": self.kind, "sentence": self.sentence, "usd": self.usd, "next_step": self.next_step}


def savings(name: str, rows: list[Spending], trained: list[Trained], *, live: int | None, today: date) -> list[Saving]:
    """Proposals for one use case, dearest first. `rows`: its costs; `live`: the version that answers, None: none."""
    found = [*_without_gain(name, rows, trained), *_idle(name, rows, live, today), *_oversized(name, trained, live),
             *_stored(name, rows, today)]
    return sorted(found, key=lambda one: -(one.usd or 0.0))


def _without_gain(name: str, rows: list[Spending], trained: list[Trained]) -> Iterable[Saving]:
    """Candidates whose interval against the champion reaches down to no gain at all."""
    judged = [one for one in trained if one.gain is not None]
    idle = [one for one in judged if one.gain is not None and one.gain[0] <= 0]
    if len(judged) < TRAININGS_MIN or 2 * len(idle) < len(judged):
        return
    spent = [row for row in rows if row.stage in MAKING]
    days = (max(row.day for row in spent) - min(row.day for row in spent)).days + 1 if spent else 0
    usd = sum(row.usd for row in spent) / len(trained) * len(idle) / days * DAYS_PER_MONTH if days >= QUIET_DAYS else None
    if usd is not None and usd < WORTH_USD:
        return
    yield Saving("retrained without gain", f"{len(idle)} of {len(judged)} trainings were not surely better than the champion of their time "
                 f"(versions {', '.join(str(one.version) for one in idle[-5:])}).", usd,
                 f"train less often ([schedules] lifecycle in {name}.toml), or let monitoring ask for a training when something breaks")


def _idle(name: str, rows: list[Spending], live: int | None, today: date) -> Iterable[Saving]:
    """A live version without one request in the last seven complete days, while it goes on costing."""
    week = [row for row in rows if today - timedelta(days=QUIET_DAYS) <= row.day < today]
    known = any(row.day < today - timedelta(days=QUIET_DAYS) for row in rows)
    if live is None or not known or any(row.requests for row in week):
        return
    usd = sum(row.usd for row in week) / QUIET_DAYS * DAYS_PER_MONTH
    if usd >= WORTH_USD:
        yield Saving("idle", f"Version {live} got no request in the last {QUIET_DAYS} days, and keeping it up went on.", usd,
                     f"retire it on Releases, or pause [schedules] in {name}.toml")


def _oversized(name: str, trained: list[Trained], live: int | None) -> Iterable[Saving]:
    """Features that the live version could do without, as its training found out."""
    found = next((one for one in trained if one.version == live), None)
    if found is not None and found.droppable:
        columns = ", ".join(found.droppable)
        yield Saving("oversized", f"Version {found.version} could do without {columns}: its loss on validation rows would surely be less "
                     "than the stated tolerance higher.", None, f'set role = "ignore" for {columns} in {name}.toml')


def _stored(name: str, rows: list[Spending], today: date) -> Iterable[Saving]:
    """More than half of the last 30 days' money went into keeping bytes."""
    month = [row for row in rows if row.day > today - timedelta(days=30)]
    total, kept = sum(row.usd for row in month), sum(row.usd for row in month if row.stage.startswith(STORAGE))
    days = len({row.day for row in month})
    if days < QUIET_DAYS or total <= 0 or kept / total < STORAGE_SHARE_MIN:
        return
    if kept / days * DAYS_PER_MONTH >= WORTH_USD:
        dear = max((row for row in month if row.stage.startswith(STORAGE)), key=lambda row: row.usd)
        yield Saving("much stored", f"{kept / total:.0%} of the last {days} days' cost is storage, most of it "
                     f"{dear.stage.removeprefix(STORAGE)}.", None, f"set or shorten [privacy] retention_days in {name}.toml")
