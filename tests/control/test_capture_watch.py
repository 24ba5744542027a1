"""People are told that recording stopped, that it works again, and of every gap: each once, also by a keeper that was killed between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from interlock.control.keeping import capture_watch
from interlock.control.keeping.capture_watch import tell_failing, tell_gaps
from interlock.control.keeping.keeper import Keeper
from interlock.records.compaction_manifest import fresh_manifest, write_manifest
from interlock.records.store import Store
from interlock.records.tables import Alert
from interlock.settings import Settings

NOW = datetime(2013, 5, 4, 14, 3, tzinfo=UTC)
FULL = "[Errno 28] No space left on device"
GAP = {"kind": "gap", "from": "2013-05-04T14:00:00+00:00", "to": "2013-05-04T14:02:00+00:00", "rows": 6, "error": FULL}
DAMAGE = {"kind": "damage", "segment": "w0-a.seg", "start": 120, "end": 160}


def titles(store: Store) -> list[str]:
    with store.reading() as session:
        return [row.title for row in session.scalars(select(Alert).order_by(Alert.created_at, Alert.id))]


def a_gap(settings: Settings, *gaps: dict[str, Any]) -> None:
    folder = settings.folder("capture") / "late"
    folder.mkdir(exist_ok=True)
    manifest = fresh_manifest(folder)
    manifest["gaps"] = list(gaps)
    write_manifest(folder, manifest)


def test_one_word_when_it_stops_and_one_when_it_works_again(store: Store) -> None:
    told = [tell_failing(store, failing, NOW + timedelta(seconds=5 * step)) for step, failing in enumerate(
        [{}, {"late": FULL}, {"late": FULL}, {"late": "[Errno 5] Input/output error"}, {}, {}, {"late": FULL}, {}])]
    assert told == [0, 1, 0, 0, 1, 0, 1, 1]
    assert titles(store) == ["late: answers are not being recorded", "late: answers are recorded again"] * 2


def test_use_cases_are_apart(store: Store) -> None:
    tell_failing(store, {"late": FULL, "later": FULL}, NOW)
    assert tell_failing(store, {"later": FULL}, NOW + timedelta(seconds=5)) == 1
    assert titles(store)[-1] == "late: answers are recorded again"


def test_gaps_are_told_once_with_what_was_lost(settings: Settings, store: Store) -> None:
    a_gap(settings, GAP, DAMAGE)
    assert [tell_gaps(settings, store, NOW), tell_gaps(settings, store, NOW + timedelta(seconds=5))] == [2, 0]
    with store.reading() as session:
        bodies = " ".join(row.body for row in session.scalars(select(Alert)))
    assert "6 rows were not recorded" in bodies
    assert "Bytes 120 to 160 of segment w0-a.seg" in bodies


def test_an_old_gap_is_not_news(settings: Settings, store: Store) -> None:
    a_gap(settings, GAP)
    assert tell_gaps(settings, store, NOW + timedelta(days=8)) == 0


def test_a_watch_that_forgets_is_caught(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_watch, "_open", lambda session: {})
    with pytest.raises(AssertionError):
        test_one_word_when_it_stops_and_one_when_it_works_again(store)


def test_the_keeper_watches(world: Any) -> None:
    world.endpoint.failing = {"late": FULL}
    keeper = Keeper(world.settings, world.store, world.endpoint, world.clock, compact=lambda: None)
    keeper.run_once()
    assert "late: answers are not being recorded" in titles(world.store)
