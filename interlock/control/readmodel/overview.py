"""Every use case in one row, and what needs a person now: about ten queries and one call to the server, however many there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from interlock.control.decisions.undecided import Waiting, undecided_of_all
from interlock.control.readmodel.directory import Entry, entries
from interlock.control.readmodel.drills import drill_signals
from interlock.control.readmodel.endpoint import Live, observe
from interlock.control.readmodel.lacking import Lack, freshness, lacks
from interlock.control.readmodel.needs import Need, needs_of, needs_of_all
from interlock.control.readmodel.panel import Trend, watched
from interlock.control.readmodel.signals import Signal, SignalState, worst
from interlock.control.readmodel.standings import Way, data_signals, live_since, money_signal, spent, ways
from interlock.records.store import Store, utc_now
from interlock.settings import Settings

NO_DATA = Signal("Data", SignalState.UNKNOWN, "No rows have been taken in yet.")
NO_DRILL = Signal("Drill", SignalState.UNKNOWN, "No fire drill is scheduled, and none was made.")


@dataclass(frozen=True)
class Row:
    """One use case on the panel."""

    entry: Entry
    live: Live
    live_since: datetime | None
    signals: tuple[Signal, ...]
    trend: Trend
    waiting: tuple[Waiting, ...]
    release: Way | None
    month_usd: float | None
    lacks: tuple[Lack, ...] = ()
    needs: tuple[Need, ...] = field(default=())

    @property
    def state(self) -> SignalState:
        return worst(self.signals)

    @property
    def urgency(self) -> int:
        """Smaller is more urgent; 99 where nothing needs a person."""
        return min((need.rank for need in self.needs), default=99)


@dataclass(frozen=True)
class Overview:
    """All rows and, over all of them, what needs a person now, most urgent first."""

    rows: tuple[Row, ...]
    needs: tuple[Need, ...]
    asked_at: datetime


def overview(settings: Settings, store: Store) -> Overview:
    """Read everything the overview shows. Nothing in it depends on how much was captured, and no evidence or finding is read."""
    now = utc_now()
    known = entries(settings, store)
    started = [entry for entry in known if entry.started]
    lives = observe(settings, store, tuple(entry.name for entry in started))
    seen, intake, drilled = watched(store, started), data_signals(store), drill_signals(store, started)
    released, since, usd = ways(store), live_since(store), spent(store, now.date())
    with store.reading() as session:
        waiting = undecided_of_all(session, {entry.name: entry.policy_digest for entry in started})
    rows = []
    for entry in started:
        live, own, name = lives[entry.name], seen[entry.name], entry.name
        shown = live.answering or (live.route.champion if live.route else None)
        at = since.get((name, shown.digest)) if shown else None
        fresh = freshness(entry, shown is not None, at, own, now)
        signals = (intake.get(name, NO_DATA), *own.signals, money_signal(usd.get(name), entry.facts), drilled.get(name, NO_DRILL), fresh)
        rows.append(Row(entry, live, at, signals, own.trend, tuple(waiting[name]), released.get(name), usd.get(name),
                        lacks(entry, shown is not None, own, fresh), needs_of(entry, live, signals, waiting[name], released.get(name))))
    return Overview(tuple(rows), needs_of_all(settings, [(row.live, row.needs) for row in rows]), now)
