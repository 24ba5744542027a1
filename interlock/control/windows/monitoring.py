"""`monitor`: judge the complete windows of what a champion answered, record them, tell, and ask for a retraining when it is due.

Running it twice changes nothing. A window is judged again (`revision` + 1) when more of its labels, or late predictions, have
arrived; windows older than the newest `SETTLED_AFTER` are settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.control.keeping.alerting import record_alert
from interlock.control.windows.retraining import ask_for_retraining
from interlock.control.windows.window_estimates import with_trust
from interlock.control.windows.window_findings import Judged, judge_versions
from interlock.control.windows.window_inputs import Inputs
from interlock.control.windows.window_labels import told_differently, unmatched_labels, with_unmatched
from interlock.control.windows.window_outcomes import Outcomes
from interlock.control.windows.window_profiles import compared_with, keep_profile
from interlock.records.compaction import compact, load_predictions
from interlock.records.lake import lake_from
from interlock.records.store import Store, utc_now
from interlock.records.tables import Window
from interlock.rules.canonical import iso
from interlock.rules.findings import Finding
from interlock.rules.monitoring import WindowState, complete_windows
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

SETTLED_AFTER = 60  # windows; older ones are not read again
CATCH_UP_MAX = 400  # windows judged at most in one run; the next run goes on
COMPACTION_PATIENCE_S = 60.0

Bounds = tuple[datetime, datetime]


@dataclass(frozen=True)
class Told:
    """A window recorded in this run, of one version."""

    start: datetime
    end: datetime
    digest: str
    breached: bool


@dataclass(frozen=True)
class MonitorResult:
    """What one run found."""

    windows: int = 0
    breaches: int = 0
    retrain: bool = False
    newest: str = ""
    sentences: list[str] = field(default_factory=list)
    judged: list[Told] = field(default_factory=list)


def monitor_use_case(settings: Settings, store: Store, use_case: UseCase, *, as_of: datetime | None = None) -> MonitorResult:
    """Judge every complete window at `as_of` (real now where None) that is new, has grown or was corrected, per version of the model."""
    moment = as_of or utc_now()
    compact(settings, lake_from(settings), use_case.name, COMPACTION_PATIENCE_S)  # a window judged on half its rows is judged wrongly
    inputs = Inputs(settings, use_case, moment, lambda start: _recorded_before(store, use_case.name, start))
    known = _known_windows(store, use_case.name, inputs.horizon)
    windows = _with_events(inputs, use_case, moment, known)
    if not windows:
        return MonitorResult()
    recorded: list[Judged] = []
    due = _to_look_at(windows, known, inputs)
    for bounds in due[-CATCH_UP_MAX:]:
        frame = load_predictions(settings, use_case.name, *bounds)
        labels = inputs.labels(frame)
        strange = unmatched_labels(settings, inputs.newest, labels, bounds) if bounds == windows[-1] else None
        recorded += _judge_and_record(settings, store, use_case, bounds, frame, labels, strange)
        rows = _known(store, use_case.name, bounds).values()
        if any(row.reports.get("failed") for row in rows):
            inputs.forget(bounds)  # a report that failed is tried again in the next run
        else:
            inputs.remember(bounds, settled=all(row.labelled >= row.rows for row in rows))
    inputs.save(windows, caught_up=len(due) <= CATCH_UP_MAX)
    with store.writing() as session:
        retrain = ask_for_retraining(session, use_case, as_of=as_of)
    return MonitorResult(
        windows=len(recorded), breaches=sum(one.judgement.state is WindowState.BREACH for one in recorded), retrain=retrain,
        newest=iso(windows[-1][1]) if windows else "",
        sentences=[f"{one.start:%Y-%m-%d %H:%M} version {one.version}: {one.judgement.state}" for one in recorded],
        judged=[Told(one.start, one.end, one.digest, one.judgement.state is WindowState.BREACH) for one in recorded])


def _known_windows(store: Store, use_case: str, horizon: datetime | None) -> set[Bounds]:
    query = select(Window.start, Window.end).where(Window.use_case == use_case).distinct()
    with store.reading() as session:
        return {(start, end) for start, end in session.execute(query if horizon is None else query.where(Window.start >= horizon))}


def _recorded_before(store: Store, use_case: str, start: datetime) -> int:
    with store.reading() as session:
        return session.scalar(select(func.count()).where(Window.use_case == use_case, Window.start < start)) or 0


def _with_events(inputs: Inputs, use_case: UseCase, as_of: datetime, known: set[Bounds]) -> list[Bounds]:
    """The complete windows that hold captured events, oldest first: one odd time adds one window, never the years in between.

    A file holds one day. Its first and last event tell its windows, unless others lie between them that are not known yet: then its
    times are read, once.
    """
    limits, found = use_case.monitoring, set[Bounds]()
    for file in inputs.recent:
        spanned = complete_windows(file.first, file.last, as_of, limits.window_hours, limits.watermark_hours)
        sure = {(start, end) for start, end in spanned if start <= file.first < end or start <= file.last < end}
        if any(bounds not in sure and bounds not in known for bounds in spanned):
            held = inputs.windows_in(file)
            spanned = [bounds for bounds in spanned if bounds in held]
        found.update(spanned)
    return sorted(bounds for bounds in found if inputs.horizon is None or bounds[0] >= inputs.horizon)


def _to_look_at(windows: list[Bounds], known: set[Bounds], inputs: Inputs) -> list[Bounds]:
    """Windows without a row, and of the newest `SETTLED_AFTER` those with other files or labels than last time (labels may still arrive):
    oldest first; one run takes the newest `CATCH_UP_MAX` of them."""
    newest = set(windows[-SETTLED_AFTER:])
    return [bounds for bounds in windows if (bounds not in known or bounds in newest) and inputs.changed(bounds)]


def _judge_and_record(settings: Settings, store: Store, use_case: UseCase, bounds: Bounds, frame: pl.DataFrame, labels: pl.DataFrame,
                      strange: Finding | None) -> list[Judged]:
    """Judge each version that answered in the window and record those that are new or have grown. `strange`: labels without a request."""
    known = _known(store, use_case.name, bounds)
    judged = judge_versions(
        settings, use_case, bounds, frame, labels, known=lambda digest: compared_with(settings, store, use_case.name, digest, bounds[0]),
        skip=lambda digest, rows, outcomes: not _grew(known.get(digest), rows, outcomes) and not told_differently(known, digest, strange))
    judged = with_unmatched(with_trust(store, use_case.name, judged), strange)
    lake = lake_from(settings)
    keys = {one.digest: keep_profile(lake, use_case.name, bounds, one.digest, one.profile) for one in judged if one.profile is not None}
    before = {digest: row.reports.get("profile") for digest, row in known.items()}
    with store.writing() as session:
        recorded = [one for one in judged if _record(session, use_case, one, keys.get(one.digest))]
    for one in recorded:
        if before.get(one.digest) not in (None, keys.get(one.digest)):
            lake.delete(str(before[one.digest]))  # replaced by this revision's; a key names its window, so no other row has it
    return recorded


def _known(store: Store, use_case: str, bounds: Bounds) -> dict[str, Window]:
    with store.reading() as session:
        rows = session.scalars(select(Window).where(Window.use_case == use_case, Window.start == bounds[0], Window.end == bounds[1]))
        return {row.package_digest: row for row in rows}


def _grew(known: Window | None, rows: int, outcomes: Outcomes) -> bool:
    """Whether there is something to judge: a new window, more rows or labels, corrected labels, or a report that failed the last time."""
    return known is None or rows > known.rows or outcomes.known > known.labelled or bool(known.reports.get("failed")) or \
        (rows == known.rows and outcomes.correct(known.reports))


def _record(session: Session, use_case: UseCase, one: Judged, profile: str | None) -> bool:
    """Write the window, or its next revision; False where exactly this is recorded already."""
    row = session.scalars(select(Window).where(Window.use_case == use_case.name, Window.start == one.start, Window.end == one.end,
                                               Window.package_digest == one.digest)).first()
    body: dict[str, Any] = {"version": one.version, "rows": one.rows, "labelled": one.labelled, "state": one.judgement.state.value,
                            "findings": [finding.model_dump(mode="json") for finding in one.findings],
                            "reports": one.reports() | ({"profile": profile} if profile else {})}
    if row is not None and all(getattr(row, name) == value for name, value in body.items()):
        return False
    if row is None:
        session.add(Window(use_case=use_case.name, start=one.start, end=one.end, package_digest=one.digest, revision=1,
                           created_at=utc_now(), **body))
    else:
        for name, value in body.items():
            setattr(row, name, value)
        row.revision += 1
    session.flush()
    _tell(session, use_case, one)
    return True


def _tell(session: Session, use_case: UseCase, one: Judged) -> None:
    """An alert for a breach, once per window and version; one for a window that could not be judged because a report failed."""
    span = f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M} UTC"
    which = f"{use_case.name}:{iso(one.end)}:{one.digest[7:19]}"
    if one.judgement.state is WindowState.BREACH:
        record_alert(session, identity=f"breach:{which}", severity="critical", use_case=use_case.name,
                     title=f"{use_case.title}: {', '.join(one.judgement.breached)} beyond the limit", body=_text(
                         f"Version {one.version}, {span}, {one.rows:,} predictions.", one.judgement.sentences))
    elif one.failed:
        record_alert(session, identity=f"blind:{which}", severity="warning", use_case=use_case.name,
                     title=f"{use_case.title}: a window could not be judged", body=_text(
                         f"Version {one.version}, {span}.", [f"{metric}: {note}" for metric, note in one.failed.items()]))


def _text(first: str, sentences: Iterable[str]) -> str:
    return "\n".join([first, *(f"- {sentence}" for sentence in sentences)])
