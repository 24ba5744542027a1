"""What needs a person now, as a sentence and the page where it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from interlock.control.backups.schedule import backup_state
from interlock.control.decisions.undecided import Waiting
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.endpoint import Live
from interlock.control.readmodel.lacking import FRESH
from interlock.control.readmodel.signals import Signal, SignalState
from interlock.control.readmodel.standings import Way
from interlock.records.store import utc_now
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings

PAGES = {"Data": "data", "Drift": "drift", "Performance": "performance", "Fairness": "fairness", "Latency": "performance", "Cost": "costs",
         "Reasons": "explainability", "Traffic": "data", "Drill": "releases", FRESH: "drift"}
EARLY = {"Performance", "Reasons", "Traffic", "Drill"}  # a warning of these comes before proof: worth a look although nothing failed
SILENT = 0  # rank of a server that does not answer: nothing is more urgent


@dataclass(frozen=True)
class Need:
    """Something a person should look at. `page` names the view that helps, `at` what its address adds; smaller `rank` is more urgent."""

    rank: int
    use_case: str
    title: str
    state: SignalState
    sentence: str
    page: str
    at: dict[str, str] = field(default_factory=dict, hash=False)


def needs_of(entry: Entry, live: Live, signals: Sequence[Signal], waiting: Sequence[Waiting], release: Way | None) -> tuple[Need, ...]:
    """Everything about one use case that needs a person."""
    needs = [*_endpoint_needs(entry, live), *_release_needs(entry, release), *_decision_needs(entry, waiting)]
    needs += [Need(50, entry.name, entry.title, signal.state, f"{signal.name}: {signal.sentence}", PAGES.get(signal.name, "overview"))
              for signal in signals if signal.state is SignalState.FAIL]
    needs += [Need(60, entry.name, entry.title, signal.state, f"{signal.name}: {signal.sentence}", PAGES[signal.name])
              for signal in signals if signal.state is SignalState.WARN and signal.name in EARLY]
    if entry.problem:
        text = f"The use-case file cannot be used. {entry.problem}"
        needs.append(Need(5, entry.name, entry.title, SignalState.UNKNOWN, text, "use_case"))
    return tuple(needs)


def needs_of_all(settings: Settings, rows: Sequence[tuple[Live, Sequence[Need]]]) -> tuple[Need, ...]:
    """The needs of all use cases, most urgent first; a server that does not answer is one need, however many it should serve."""
    found = [need for _, needs in rows for need in needs]
    silent = [need for need in found if need.rank == SILENT]
    if len(silent) > 1:
        live = next(live for live, needs in rows if any(need.rank == SILENT for need in needs))
        text = (f"The prediction server does not answer at {live.address}. It may still be serving {len(silent):,} use cases: this page "
                "could not ask. Start it with: interlock serve")
        found = [replace(silent[0], title="Prediction server", sentence=text), *(need for need in found if need.rank != SILENT)]
    return tuple(sorted([*_backup_needs(settings), *found], key=lambda need: (need.rank, need.title)))


def _backup_needs(settings: Settings) -> list[Need]:
    state = backup_state(settings, utc_now())
    return [Need(15, "", "Backup", SignalState.FAIL, f"{state}.", "runs")] if state.startswith(("overdue", "down")) else []


def _endpoint_needs(entry: Entry, live: Live) -> list[Need]:
    if not live.reachable and live.route is not None and live.route.champion is not None:
        return [Need(SILENT, entry.name, entry.title, SignalState.UNKNOWN, live.sentence(), "releases")]
    if live.reachable and not live.agreed:
        return [Need(1, entry.name, entry.title, SignalState.WARN, live.sentence(), "releases")]
    return []


def _release_needs(entry: Entry, release: Way | None) -> list[Need]:
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


def _decision_needs(entry: Entry, waiting: Sequence[Waiting]) -> list[Need]:
    words = {"pass": (SignalState.PASS, "passed every gate and waits for your decision."),
             "fail": (SignalState.FAIL, "was stopped by a gate; reject it, or look at what stopped it."),
             "unknown": (SignalState.UNKNOWN, "has a gate without an answer; look at what is missing.")}
    return [Need(30 if one.verdict == "pass" else 40, entry.name, entry.title, words[one.verdict][0],
                 f"Version {one.version} {words[one.verdict][1]}", "approvals") for one in waiting if one.verdict in words]
