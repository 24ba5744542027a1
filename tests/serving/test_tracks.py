"""What a server starts from: the files of the last one, of which one may be damaged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interlock.errors import StoreError
from interlock.records.pointer import Override, read_routes, write_override, write_route
from interlock.rules.routes import Route, Slot
from interlock.serving import tracks
from interlock.serving.tracks import Tracks

GOOD, BAD = (Slot(version=number, digest=f"sha256:{number:064}") for number in (1, 2))


def two_routes(run: Path) -> Path:
    for name in ("kind", "late"):
        write_route(run, Route(use_case=name, generation=4, champion=BAD, previous=GOOD))
    return run / "routes" / "late.json"


def one_damaged_route(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    two_routes(run).write_text('{"use_case": "late", "generation": 4, "a field of a newer version": 1}')
    with caplog.at_level(logging.ERROR, "interlock.serving"):
        found = Tracks(run)
    assert list(found.all) == ["kind"]
    assert "late.json is damaged" in caplog.text


def test_one_damaged_route_leaves_the_others_their_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one_damaged_route(tmp_path, caplog)


def test_a_server_that_one_file_can_stop_is_caught(tmp_path: Path, caplog: pytest.LogCaptureFixture,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "read_routes", lambda run, damaged: read_routes(run))
    with pytest.raises(StoreError):
        one_damaged_route(tmp_path, caplog)


def test_a_damaged_route_that_was_rolled_back_stays_rolled_back(tmp_path: Path) -> None:
    path = two_routes(tmp_path)
    write_override(tmp_path, Override(use_case="late", id="o-1", generation=4, actor="cas", reason="complaints",
                                      at=datetime(2024, 5, 4, tzinfo=UTC), champion=GOOD, previous=BAD))
    path.write_text("{")
    assert Tracks(tmp_path).all["late"].effective.champion == GOOD


def test_a_damaged_override_stops_the_start(tmp_path: Path) -> None:
    """Without it the server would answer with what a person took off."""
    two_routes(tmp_path)
    (tmp_path / "overrides").mkdir()
    (tmp_path / "overrides" / "late.json").write_text("{")
    with pytest.raises(StoreError, match="late.json is damaged") as refused:
        Tracks(tmp_path)
    assert "the version that was taken off answers again" in str(refused.value.next_step)
