"""Captured frames of both forms, rows and columns, become one frame in the order in which they were written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from interlock.records.captured_frames import predictions_frame, rows_in

SEEN = datetime(2013, 5, 4, 14, 3, tzinfo=UTC)
SYSTEM: dict[str, Any] = {"_version": 1, "_digest": "d", "_generation": 1, "_arm": "champion", "_event_time": SEEN, "_seen_time": SEEN,
                          "_scores": None, "_interval": None, "_latency_ms": 1.5, "_flags": []}


def by_row(*names: str) -> dict[str, Any]:
    rows = [SYSTEM | {"_request_id": name, "_score": 0.5, "_prediction": "1", "distance": 7, "sex": 1} for name in names]
    return {"kind": "predictions", "columns": {"d": {"distance": "numeric", "sex": "context"}}, "rows": rows}


def by_column(*names: str) -> dict[str, Any]:
    lists = {"_request_id": list(names), "_score": [0.25] * len(names), "_prediction": ["0"] * len(names), "carrier": ["AA"] * len(names)}
    return {"kind": "predictions", "columns": {"d": {"carrier": "category"}}, "count": len(names), "same": SYSTEM, "lists": lists}


def test_both_forms_in_the_order_in_which_they_came() -> None:
    bodies = [msgspec.msgpack.decode(msgspec.msgpack.encode(body)) for body in (by_row("a"), by_row("b"), by_column("c", "d"), by_row("e"))]
    assert [rows_in(body) for body in bodies] == [1, 1, 2, 1]
    frame = predictions_frame(bodies)
    assert frame["_request_id"].to_list() == ["a", "b", "c", "d", "e"]
    assert frame["_score"].to_list() == [0.5, 0.5, 0.25, 0.25, 0.5]
    assert frame["_seen_time"].to_list() == [SEEN] * 5
    assert frame["_flags"].to_list() == [[]] * 5
    assert frame["distance"].to_list() == [7.0, 7.0, None, None, 7.0]
    assert frame["sex"].to_list() == ["1", "1", None, None, "1"]
    assert frame["carrier"].to_list() == [None, None, "AA", "AA", None]
    assert [len(body.get("rows", [])) for body in bodies] == [1, 1, 0, 1]  # what was read is left as it was
