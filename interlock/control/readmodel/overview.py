"""Every use case in one row, and what needs a person now."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime

from interlock.control.backups.schedule import backup_state
from interlock.control.readmodel.directory import Entry, entries
from interlock.control.readmodel.drills import drill_signals
from interlock.control.readmodel.endpoint import Live, observe
from interlock.control.readmodel.intake import intake
from interlock.control.readmodel.rollouts import ReleaseView, releases
from interlock.control.readmodel.signals import Signal, SignalState, worst
from interlock.control.readmodel.spending import cost_signal, in_month, spending
from interlock.control.readmodel.waiting import waiting
from interlock.control.readmodel.windows import latest, window_signals
from interlock.control.undecided import Waiting
from interlock.records.store import Store, utc_now
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings


@dataclass(frozen=True)
class Need:
    """Something a person should look at. `page` names the view that helps; smaller `rank` is more urgent."""

    rank: int
    use_case: str
    title: str
    state: SignalState
    sentence: str
    page: str


@dataclass(frozen=True)
class Row:
    """One use case on the overview."""

    entry: Entry
    live: Live
    live_since: datetime | None
    signals: tuple[Signal, ...]
    waiting: tuple[Waiting, ...]
    release: ReleaseView | None
    month_usd: float | None
    needs: tuple[Need, ...] = field(default=())

    @property
    def state(self) -> SignalState:
        return worst(self.signals)


@dataclass(frozen=True)
class Overview:
    """All rows and, over all of them, what needs a person now, most urgent first."""

    rows: tuple[Row, ...]
    needs: tuple[Need, ...]
    asked_at: datetime


def overview(settings: Settings, store: Store) -> Overview:
    """Read everything the overview shows."""
    known = entries(settings, store)
    started = [entry for entry in known if entry.started]
    lives = observe(settings, store, tuple(entry.name for entry in started))
    newest, open_decisions = latest(store), defaultdict(list)
    for one in waiting(settings, store):
        open_decisions[one.use_case].append(one)
    ways: dict[str, ReleaseView] = {}
    lived: dict[tuple[str, str], datetime] = {}
    for release in releases(store, limit=500):
        ways.setdefault(release.use_case, release)
        if release.state in {ReleaseState.PROBATION, ReleaseState.LIVE, ReleaseState.SUPERSEDED}:
            lived.setdefault((release.use_case, release.package_digest), release.state_since)
    costs = defaultdict(list)
    for cost in spending(store):
        costs[cost.use_case].append(cost)
    today, drilled = utc_now().date(), drill_signals(store, started)
    rows = []
    for entry in started:
        live = lives[entry.name]
        shown = live.answering or (live.route.champion if live.route else None)
        signals = (intake(store, entry.name).signal, *window_signals(newest.get(entry.name), entry.spec),
                   cost_signal(costs[entry.name], entry.spec, today), *([drilled[entry.name]] if entry.name in drilled else []))
        since = lived.get((entry.name, shown.digest)) if shown else None
        spent = in_month(costs[entry.name], today) if costs[entry.name] else None
        rows.append(_row(entry, live, since, signals, tuple(open_decisions[entry.name]), ways.get(entry.name), spent))
    needs = sorted([*_backup_needs(settings), *(need for row in rows for need in row.needs)], key=lambda need: (need.rank, need.title))
    return Overview(tuple(rows), tuple(needs), utc_now())


def _row(entry: Entry, live: Live, since: datetime | None, signals: tuple[Signal, ...], open_decisions: tuple[Waiting, ...],
         release: ReleaseView | None, month_usd: float | None) -> Row:
    needs = [*_endpoint_needs(entry, live), *_release_needs(entry, release), *_decision_needs(entry, open_decisions)]
    needs += [Need(50, entry.name, entry.title, signal.state, f"{signal.name}: {signal.sentence}", _PAGES.get(signal.name, "overview"))
              for signal in signals if signal.state is SignalState.FAIL]
    needs += [Need(60, entry.name, entry.title, signal.state, f"{signal.name}: {signal.sentence}", _PAGES[signal.name])
              for signal in signals if signal.state is SignalState.WARN and signal.name in EARLY]
    if entry.problem:
        text = f"The use-case file cannot be used. {entry.problem}"
        needs.append(Need(5, entry.name, entry.title, SignalState.UNKNOWN, text, "overview"))
    return Row(entry, live, since, signals, open_decisions, release, month_usd, tuple(needs))


_PAGES = {"Data": "data", "Drift": "drift", "Performance": "performance", "Fairness": "fairness", "Latency": "performance", "Cost": "costs",
          "Reasons": "explainability", "Traffic": "data", "Drill": "releases"}
EARLY = {"Performance", "Reasons", "Traffic", "Drill"}  # a warning of these comes before proof: worth a look although nothing failed


def _backup_needs(settings: Settings) -> list[Need]:
    state = backup_state(settings, utc_now())
    return [Need(15, "", "Backup", SignalState.FAIL, f"{state}.", "overview")] if state.startswith(("overdue", "down")) else []


def _endpoint_needs(entry: Entry, live: Live) -> list[Need]:
    if not live.reachable and live.route is not None and live.route.champion is not None:
        return [Need(0, entry.name, entry.title, SignalState.UNKNOWN, live.sentence(), "releases")]
    if live.reachable and not live.agreed:
        return [Need(1, entry.name, entry.title, SignalState.WARN, live.sentence(), "releases")]
    return []


def _release_needs(entry: Entry, release: ReleaseView | None) -> list[Need]:
    if release is None:
        return []
    if release.state is ReleaseState.PAUSED:
        return [Need(2, entry.name, entry.title, SignalState.UNKNOWN, f"Version {release.version} is paused. {release.reason}", "releases")]
    if release.state in {ReleaseState.ROLLED_BACK, ReleaseState.FAILED}:
        text = f"Version {release.version}: {release.words}. {release.reason}"
        return [Need(20, entry.name, entry.title, SignalState.FAIL, text, "releases")]
    if release.waits:
        return [Need(10, entry.name, entry.title, SignalState.WARN, f"Version {release.version}: {release.waits}", "runs")]
    return []


def _decision_needs(entry: Entry, open_decisions: tuple[Waiting, ...]) -> list[Need]:
    words = {"pass": (SignalState.PASS, "passed every gate and waits for your decision."),
             "fail": (SignalState.FAIL, "was stopped by a gate; reject it, or look at what stopped it."),
             "unknown": (SignalState.UNKNOWN, "has a gate without an answer; look at what is missing.")}
    return [Need(30 if one.verdict == "pass" else 40, entry.name, entry.title, words[one.verdict][0],
                 f"Version {one.version} {words[one.verdict][1]}", "approvals") for one in open_decisions if one.verdict in words]


def month_name(today: date) -> str:
    """For example `November 2026`."""
    return f"{today:%B %Y}"
