"""Micro-batches: the same answers bit for bit, each request its own model and its own error."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from interlock.errors import DataError
from interlock.rules.routes import Route, Slot
from interlock.serving import gathering as module
from interlock.serving.answering import Answer, answer_rows, score_rows
from interlock.serving.counters import Counters
from interlock.serving.gathering import Gathering
from interlock.serving.limits import Limits
from interlock.serving.records import Row
from interlock.serving.shelf import Arm, Shelf
from interlock.settings import Settings

MOMENT = datetime(2013, 5, 4, 14, 3, tzinfo=UTC)


@pytest.fixture
def arms(settings: Settings, packages: tuple[Path, str, str]) -> tuple[Arm, Arm]:
    """Champion and candidate, two different models."""
    root, first, second = packages
    shelf = Shelf(root, Limits())
    shelf.put(shelf.read("late", shelf.hold("late", [first, second])))
    shelf.switch(Route(use_case="late", generation=1, champion=Slot(version=1, digest=first), candidate=Slot(version=2, digest=second),
                       candidate_percent=50), None)
    found = shelf.serving["late"].arms
    return found["champion"], found["candidate"]


def rows(arm: Arm, *distances: Any) -> list[Row]:
    return [Row(f"{arm.name}-{distance}", MOMENT, {"distance": distance, "carrier": "AA", "night": False}, arm) for distance in distances]


def gathered(requests: list[list[Row]]) -> list[list[Answer] | BaseException]:
    """What each of these requests, which come in the same turn, gets."""
    async def run() -> list[list[Answer] | BaseException]:
        gathering = Gathering(Counters())
        return await asyncio.gather(*(gathering.scored(request) for request in requests), return_exceptions=True)

    return asyncio.run(run())


def test_answers_are_those_of_each_request_alone(arms: tuple[Arm, Arm]) -> None:
    requests = [rows(arms[number % 2], *(float(100 * number + step) for step in range(number % 4 + 1))) for number in range(100)]
    assert gathered(requests) == [score_rows(request, Counters()) for request in requests]


def test_requests_of_one_turn_share_one_call_of_each_model(arms: tuple[Arm, Arm], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, int]] = []

    def counted(loaded: Any, taken: list[Row]) -> list[Answer]:
        calls.append((loaded.digest, len(taken)))
        return answer_rows(loaded, taken)

    monkeypatch.setattr(module, "answer_rows", counted)
    gathered([rows(arms[number % 2], float(number)) for number in range(20)])
    assert sorted(calls) == sorted([(arms[0].slot.digest, 10), (arms[1].slot.digest, 10)])


def test_a_turn_is_bounded(arms: tuple[Arm, Arm], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(loaded: Any, taken: list[Row]) -> list[Answer]:
        calls.append(len(taken))
        return answer_rows(loaded, taken)

    monkeypatch.setattr(module, "answer_rows", counted)
    gathered([rows(arms[0], *(float(step) for step in range(50))) for _ in range(4)])
    assert calls == [100, 100]  # 150 would be over 128


def test_rows_that_cannot_be_scored_fail_alone(arms: tuple[Arm, Arm]) -> None:
    found = gathered([rows(arms[0], 1.0), rows(arms[0], "far"), rows(arms[1], 3.0)])
    assert [type(one) for one in found] == [list, DataError, list]
    assert found[0] == score_rows(rows(arms[0], 1.0), Counters())
    assert found[2] == score_rows(rows(arms[1], 3.0), Counters())


def test_the_error_is_counted_once_and_for_its_arm(arms: tuple[Arm, Arm]) -> None:
    counters = Counters()

    async def run() -> None:
        gathering = Gathering(counters)
        await asyncio.gather(gathering.scored(rows(arms[0], 1.0)), gathering.scored(rows(arms[1], "far")), return_exceptions=True)

    asyncio.run(run())
    assert {key.arm: counts.errors for key, counts in counters.arms.items()} == {"candidate": 1}


def test_what_the_server_added_is_added_again_after_a_neighbour_failed(arms: tuple[Arm, Arm], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def complete(values: dict[str, Any], event_time: datetime) -> list[str]:
        seen.append("looked_up" in values)
        values["looked_up"] = 1.0
        return ["no_table:places"]

    for arm in arms:
        monkeypatch.setattr(arm.loaded.completion, "needed", True)
        monkeypatch.setattr(arm.loaded.completion, "complete", complete)
    found = gathered([rows(arms[0], 1.0), rows(arms[0], "far")])
    assert seen == [False] * 4
    assert isinstance(found[0], list)
    assert found[0][0].flags == ["no_table:places"]
    assert found[0][0].row.values["looked_up"] == 1.0
