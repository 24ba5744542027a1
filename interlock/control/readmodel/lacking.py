"""How fresh the watch over a live model is, and what it lacks: windows, a schedule, outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.panel import Watched
from interlock.control.readmodel.signals import Signal, SignalState

FRESH = "Freshness"
LATE, TOO_LATE = 2.0, 4.0  # times the length of a window (and its watermark) after which a missing one warns, then fails
UNLABELLED_MIN = 3  # windows without one outcome before that is called lacking labels


@dataclass(frozen=True)
class Lack:
    """Something that a live model should have and has not. `kind`: `monitor` or `labels`; `page`: where to look."""

    kind: str
    sentence: str
    page: str


def freshness(entry: Entry, live: bool, since: datetime | None, seen: Watched, now: datetime) -> Signal:
    """When the newest window was judged, against how often one is due: the length of a window plus its watermark.

    By the clock of the judging, not of the events, which may be of another year in a rehearsal. UNKNOWN where nothing is live, the file
    cannot be read, or the first window is not due yet (live `since`); FAIL where something is live and was never judged.
    """
    if not live:
        return Signal(FRESH, SignalState.UNKNOWN, "Nothing is live, so nothing has to be watched.")
    hours = float(entry.facts.get("window_hours", 0)) + float(entry.facts.get("watermark_hours", 0))
    if seen.judged_at is None:
        if since is not None and now - since <= timedelta(hours=LATE * hours):
            return Signal(FRESH, SignalState.UNKNOWN, f"No window was judged yet; the first is due {_span(hours)} after going live.")
        return Signal(FRESH, SignalState.FAIL, "Live, and no window was ever judged.")
    age = (now - seen.judged_at) / timedelta(hours=1)
    if not hours:
        return Signal(FRESH, SignalState.UNKNOWN, f"The newest window was judged {_span(age)} ago.", at=seen.judged_at)
    state = SignalState.FAIL if age > TOO_LATE * hours else SignalState.WARN if age > LATE * hours else SignalState.PASS
    text = f"The newest window was judged {_span(age)} ago; one is due every {_span(hours)}."
    return Signal(FRESH, state, text, value=age, limit=LATE * hours, unit="h", at=seen.judged_at)


def lacks(entry: Entry, live: bool, seen: Watched, fresh: Signal) -> tuple[Lack, ...]:
    """What a live model lacks; nothing where nothing is live."""
    if not live:
        return ()
    found = []
    scheduled = entry.problem or "monitor" in entry.facts.get("schedules", {})
    if not seen.windows and (fresh.state is SignalState.FAIL or not scheduled):
        how = "" if scheduled else ", and its file has no schedule for monitor"
        found.append(Lack("monitor", f"Live, and no window was ever monitored{how}.", "use_case"))
    elif not scheduled:
        found.append(Lack("monitor", "Its file has no schedule for monitor: nobody looks unless somebody asks.", "use_case"))
    elif fresh.state is SignalState.FAIL:
        found.append(Lack("monitor", fresh.sentence, "runs"))
    if seen.windows >= UNLABELLED_MIN and seen.unlabelled == seen.windows:
        text = f"Not one outcome in its newest {seen.windows} windows: nobody knows how good it is."
        found.append(Lack("labels", text, "performance"))
    elif seen.unlabelled >= max(UNLABELLED_MIN, seen.windows // 2):
        found.append(Lack("labels", f"The newest {seen.unlabelled} windows have no outcome; earlier ones have.", "performance"))
    return tuple(found)


def _span(hours: float) -> str:
    """`3 days`, `5 hours`, `10 minutes`."""
    for size, word in ((24.0, "day"), (1.0, "hour"), (1 / 60, "minute")):
        if hours >= size:
            count = hours / size
            shown = f"{count:.0f}" if count >= 10 or count == round(count) else f"{count:.1f}"
            return f"{shown} {word}{'' if shown == '1' else 's'}"
    return "less than a minute"
