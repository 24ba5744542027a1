"""A large batch is written down in parts, and is captured only when all of them are."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from interlock.serving import answering
from interlock.serving.answering import FRAME_ROWS, capture_answers


class Parts:
    """A capture that notes how many rows came at once and says what it is told to."""

    def __init__(self, said: list[Any]) -> None:
        self.said, self.rows = said, list[int]()

    async def record(self, use_case: str, body: dict[str, Any], rows: int) -> Any:
        assert len(body["rows"]) == rows
        self.rows.append(rows)
        return self.said[len(self.rows) - 1]

    record_relaxed = record


@pytest.mark.parametrize(("said", "captured"), [
    ([True, True, True], True), ([False, True, True], False), ([True, True, False], False), (["relaxed", True, True], "relaxed"),
    (["relaxed", False, True], False), ([False, "relaxed", True], False)])
def test_every_part_counts(said: list[Any], captured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 rows are 2,048 + 2,048 + 904; one part that is not recorded makes the whole reply `false`."""
    monkeypatch.setattr(answering, "captured_row", lambda *_: {})
    arm = SimpleNamespace(slot=SimpleNamespace(digest="d"), loaded=SimpleNamespace(captured={}))
    route = SimpleNamespace(use_case="late", on_capture_failure="serve", serving=SimpleNamespace(capture="durable"))
    parts, answers = Parts(said), [SimpleNamespace(row=SimpleNamespace(arm=arm))] * 5_000
    found = asyncio.run(capture_answers(cast(Any, parts), cast(Any, SimpleNamespace(route=route)), cast(Any, answers), 0.0))
    assert found == captured
    assert type(found) is type(captured)
    assert parts.rows == [FRAME_ROWS, FRAME_ROWS, 904]
