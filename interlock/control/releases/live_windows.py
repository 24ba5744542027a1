"""Monitored windows of what is live, since it went live: read anew only when one was added or judged again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding
from interlock.rules.probation import METRICS, Seen

WINDOWS_MAX = 100
REMEMBERED_MAX = 1_000  # live versions; the findings of a window are most of its row, and the keeper asks every second


@dataclass(frozen=True)
class Live:
    """Windows, oldest first, and a mark that changes when one is added or judged again."""

    key: tuple[str, str, str, datetime]
    mark: tuple[int, int, int]
    windows: tuple[Seen, ...]


class LiveWindows:
    """A bounded memory of what the store said; losing it costs a read."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str, datetime], Live] = OrderedDict()
        self._done: dict[tuple[str, str, str, datetime], tuple[int, int, int]] = {}

    def of(self, store: Store, use_case: str, digest: str, since: datetime, window_hours: float) -> Live:
        """The newest `WINDOWS_MAX` windows of the package that end after `since`."""
        own = (Window.use_case == use_case, Window.package_digest == digest, Window.end > since,
               Window.start > since - timedelta(hours=window_hours))  # the start has an index
        key = (str(store.engine.url), use_case, digest, since)
        with store.reading() as session:
            marked = select(func.count(), func.max(Window.id), func.sum(Window.revision)).where(*own)
            count, newest, revisions = session.execute(marked).one()
            mark = (int(count), int(newest or 0), int(revisions or 0))
            known = self._known.get(key)
            if known is None or known.mark != mark:
                query = select(Window.start, Window.end, Window.findings, Window.reports).where(*own)
                rows = session.execute(query.order_by(Window.start.desc()).limit(WINDOWS_MAX)).all() if count else []
                known = Live(key, mark, tuple(_seen(*row) for row in reversed(rows)))
        self._known[key] = known
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED_MAX:
            gone, _ = self._known.popitem(last=False)
            self._done.pop(gone, None)
        return known

    def remember(self, live: Live) -> None:
        """These windows were acted on as far as they go."""
        self._done[live.key] = live.mark

    def looked_at(self, live: Live) -> bool:
        """Whether exactly these windows were acted on already."""
        return self._done.get(live.key) == live.mark


def _seen(start: datetime, end: datetime, findings: list[dict[str, object]], reports: dict[str, dict[str, list[str]]]) -> Seen:
    wanted = [Finding.model_validate(one) for one in findings if one["metric"] in METRICS.values()]
    return Seen(start, end, tuple(wanted), tuple(reports["judgement"]["breached"]))
