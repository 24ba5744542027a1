"""A model that fails on a request: 500 without a word of the data, counted as an error of its arm; the others go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.modeling.package import Model
from interlock.rules.routes import Route, Slot
from interlock.serving.capturing import Capture
from interlock.serving.counters import Counters
from interlock.serving.endpoint import Endpoint
from interlock.serving.limits import Limits
from interlock.serving.shelf import Shelf, takes_candidate


async def ask(endpoint: Endpoint, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and body of a prediction, asked without a socket."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint({"type": "http", "method": "POST", "path": "/v1/late/predict", "headers": []}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_errors_are_counted_for_the_arm_that_failed(two_packages: tuple[Path, str, str], tmp_path: Path, record: Callable[..., Any],
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    root, one, two = two_packages
    shelf = Shelf(root, Limits())
    shelf.put(shelf.read("late", shelf.hold("late", [one, two])))
    route = Route(use_case="late", generation=1, champion=Slot(version=1, digest=one), candidate=Slot(version=2, digest=two),
                  candidate_percent=50)
    shelf.switch(route, None)
    counters = Counters()
    broken = shelf.serving["late"].arms["candidate"].loaded.model
    real = Model.score

    def score(self: Model, matrix: Any) -> Any:
        if self is broken:
            raise RuntimeError("secret value 4711")
        return real(self, matrix)

    monkeypatch.setattr(Model, "score", score)

    async def run() -> list[tuple[int, dict[str, Any]]]:
        endpoint = Endpoint(shelf, Capture(tmp_path, 0, Limits()), counters, Limits())
        found = [await ask(endpoint, {"records": [record(id=str(number))]}) for number in range(40)]
        endpoint.capture.close()
        return found

    replies = asyncio.run(run())
    failed = [number for number in range(40) if takes_candidate(str(number), 50)]
    assert [place for place, (status, _) in enumerate(replies) if status == 500] == failed
    assert all("4711" not in json.dumps(body) for _, body in replies)
    counts = {key.arm: (found.errors, found.requests) for key, found in counters.arms.items()}
    assert counts == {"candidate": (len(failed), len(failed)), "champion": (0, 40 - len(failed))}
