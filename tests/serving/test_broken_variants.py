"""Laws 7 and 9 of docs/architecture.md: each check passes on the real code and fails on a deliberately broken variant."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.errors import PackageError
from interlock.modeling import package as packaging
from interlock.serving import endpoint as serving_endpoint
from interlock.serving.capturing import Capture
from interlock.serving.counters import Counters
from interlock.serving.endpoint import Endpoint
from interlock.serving.limits import Limits
from interlock.serving.shelf import Shelf
from interlock.serving.wire import Receive, Refusal, Scope
from interlock.settings import Settings

CHUNK = b"[" + b"0," * 499 + b" "  # 1,000 bytes


def altered_bytes_are_not_loaded(root: Path, digest: str) -> None:
    """Law 7: after one bit of the model was flipped, nobody gets the package."""
    path = packaging.folder_of(root, digest) / "model.ubj"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    loaded = True
    try:
        packaging.read_package(root, digest)
    except PackageError:
        loaded = False
    assert not loaded


def test_every_byte_is_verified(packages: tuple[Path, str, str]) -> None:
    altered_bytes_are_not_loaded(*packages[:2])


def test_a_reader_that_does_not_verify_is_caught(packages: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "_verify", lambda *_: None)
    with pytest.raises(AssertionError):
        altered_bytes_are_not_loaded(*packages[:2])


def a_body_is_read_no_further_than_its_bound(settings: Settings) -> None:
    """Law 9: a body of 100,000 bytes against a bound of 10,000 is refused, and is never held."""
    limits = Limits(body_bytes_max=10_000)
    endpoint = Endpoint(Shelf(settings.folder("packages"), limits), Capture(settings.folder("capture"), 0, limits), Counters(), limits)
    chunks = [CHUNK] * 100

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": chunks.pop(), "more_body": bool(chunks)}

    status = 0
    try:
        asyncio.run(endpoint.body({"headers": []}, receive, msgspec.json.Decoder(list[int])))
    except Refusal as refusal:
        status = refusal.status
    assert status == 413


def test_a_body_is_bounded(settings: Settings) -> None:
    a_body_is_read_no_further_than_its_bound(settings)


def test_a_body_without_its_bound_is_caught(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(scope: Scope, receive: Receive, bytes_max: int, timeout_s: float) -> bytes:
        return await sound(scope, receive, sys.maxsize, timeout_s)

    sound = serving_endpoint.read_body
    monkeypatch.setattr(serving_endpoint, "read_body", broken)
    with pytest.raises(AssertionError):
        a_body_is_read_no_further_than_its_bound(settings)
