"""Captured rows leave after their time, but never while a window, a label or a release needs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from interlock.control.keeping import expiring
from interlock.control.keeping.expiring import KIND, expire_all, may_leave_before
from interlock.records import ledger
from interlock.records.captured_files import captured_files
from interlock.records.compaction_manifest import write_manifest
from interlock.records.store import Store
from interlock.records.tables import Alert, LedgerEntry, Window
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase

NOW = datetime(2024, 6, 30, 15, tzinfo=UTC)


@pytest.fixture
def own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> UseCase:
    """Daily windows, labels two days late, rows kept for 30 days."""
    found = find_use_case(settings, "loan_approvals")[1]
    found = found.model_copy(update={
        "privacy": found.privacy.model_copy(update={"retention_days": 30}), "labels": found.labels.model_copy(update={"delay_hours": 48}),
        "monitoring": found.monitoring.model_copy(update={"window_hours": 24, "watermark_hours": 1})})
    monkeypatch.setattr(expiring, "readable_use_cases", lambda _: [found])
    return found


def judged(store: Store, until: datetime) -> None:
    with store.writing() as session:
        session.add(Window(use_case="loan_approvals", start=until - timedelta(days=1), end=until, package_digest="sha256:" + "a" * 64,
                           version=1, rows=1, labelled=0, state="ok", findings=[], reports={}, created_at=until))


def edge(store: Store, own: UseCase, **changes: Any) -> datetime | None:
    with store.reading() as session:
        return may_leave_before(session, own.model_copy(update=changes), NOW)


def test_nothing_leaves_before_a_window_was_judged(store: Store, own: UseCase) -> None:
    assert edge(store, own) is None


def test_the_stated_time_counts_where_everything_is_judged(store: Store, own: UseCase) -> None:
    judged(store, datetime(2024, 6, 29, tzinfo=UTC))
    assert edge(store, own) == datetime(2024, 5, 31, tzinfo=UTC)  # 30 days before 30 June, 15:00, down to midnight


def test_windows_not_judged_yet_keep_their_rows(store: Store, own: UseCase) -> None:
    judged(store, datetime(2024, 5, 10, tzinfo=UTC))
    assert edge(store, own) == datetime(2024, 5, 10, tzinfo=UTC)


def test_labels_to_come_keep_their_predictions(store: Store, own: UseCase) -> None:
    judged(store, datetime(2024, 6, 29, tzinfo=UTC))
    late = own.labels.model_copy(update={"delay_hours": 60 * 24})
    assert edge(store, own, labels=late) == datetime(2024, 4, 30, tzinfo=UTC)  # 61 days and an hour before 30 June, 15:00


def test_no_window_is_torn(store: Store, own: UseCase) -> None:
    judged(store, datetime(2024, 6, 29, tzinfo=UTC))
    weekly = own.monitoring.model_copy(update={"window_hours": 168})
    found = edge(store, own, monitoring=weekly)
    assert found is not None
    assert found == datetime(2024, 5, 30, tzinfo=UTC)  # weeks from 1970-01-01, a Thursday


def older_windows_still_to_be_judged(settings: Settings, store: Store, own: UseCase) -> None:
    """After a long pause `monitor` judged the newest windows, and has not come to 30 May yet."""
    folder = settings.folder("capture") / own.name
    folder.mkdir()
    files = [{"kind": "predictions", "key": f"k{day}", "rows": 3, "day": f"2024-05-{day}", "first": f"2024-05-{day}T01:00:00.000000Z",
              "last": f"2024-05-{day}T02:00:00.000000Z"} for day in (29, 30)]
    write_manifest(folder, {"version": 1, "segments": {}, "files": files, "gaps": []})
    judged(store, datetime(2024, 5, 30, tzinfo=UTC))
    judged(store, datetime(2024, 6, 29, tzinfo=UTC))
    assert [removed.predictions_rows for removed in expire_all(settings, store, NOW)] == [3]
    assert [file.key for file in captured_files(settings, own.name)] == ["k30"]


def test_a_window_that_is_still_to_be_judged_keeps_its_rows(settings: Settings, store: Store, own: UseCase) -> None:
    older_windows_still_to_be_judged(settings, store, own)


def test_a_rule_that_asks_for_the_newest_window_alone_is_caught(settings: Settings, store: Store, own: UseCase,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "not_judged", lambda settings, session, use_case: None)
    with pytest.raises(AssertionError):
        older_windows_still_to_be_judged(settings, store, own)


def test_what_left_is_in_the_ledger_and_late_rows_are_told(settings: Settings, store: Store, own: UseCase) -> None:
    folder = settings.folder("capture") / own.name
    folder.mkdir()
    files = [{"kind": "predictions", "key": f"k{day}", "rows": 3, "day": f"2024-0{month}-{day:02d}",
              "first": f"2024-0{month}-{day:02d}T01:00:00.000000Z", "last": f"2024-0{month}-{day:02d}T02:00:00.000000Z"}
             for month, day in ((5, 29), (5, 30), (6, 2))]
    write_manifest(folder, {"version": 1, "segments": {}, "files": files, "gaps": []})
    assert expire_all(settings, store, NOW) == []  # nothing is judged
    with store.reading() as session:
        assert [row.title for row in session.scalars(select(Alert))] == ["loan_approvals: captured rows are kept longer than 30 days"]
    for until in (datetime(2024, 5, 30, tzinfo=UTC), datetime(2024, 5, 31, tzinfo=UTC), datetime(2024, 6, 29, tzinfo=UTC)):
        judged(store, until)
    assert [removed.predictions_rows for removed in expire_all(settings, store, NOW)] == [6]
    assert expire_all(settings, store, NOW) == []
    assert [file.key for file in captured_files(settings, own.name)] == ["k2"]
    with store.reading() as session:
        entries = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == KIND)).all()
    assert len(entries) == 1
    assert "6 predictions and 0 labels from before 2024-05-31" in entries[0].body
    assert ledger.verify(store).ok


def test_a_rule_without_its_guard_is_caught(store: Store, own: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "may_leave_before", lambda session, use_case, now: expiring._due(use_case, now))
    monkeypatch.setitem(globals(), "may_leave_before", expiring.may_leave_before)
    with pytest.raises(AssertionError):
        test_windows_not_judged_yet_keep_their_rows(store, own)
