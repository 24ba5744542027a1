"""DNS rebinding: on loopback and without keys the predictions port is asked by this machine's names alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.serving.host_names import KNOWN_MAX, HostNames
from interlock.serving.options import WorkerOptions
from interlock.settings import Settings

Packages = tuple[Path, str, str]
NAMES = HostNames(["127.0.0.1", "localhost", "[::1]", "models.example"])


@pytest.mark.parametrize(("host", "served"), [
    (b"127.0.0.1:7070", True), (b"127.0.0.1", True), (b"LocalHost:1", True), (b"[::1]:7070", True), (b"[::1]", True), (b"", True),
    (b"models.example", True), (b"models.example:443", True), (b"evil.example:7070", False), (b"127.0.0.1.evil.example", False),
    (b"127.0.0.1:evil", False), (b"[::1]:7070.evil.example", False), (b"\xff\xfe", False), (b":7070", False),
])
def test_only_names_of_this_machine(host: bytes, served: bool) -> None:
    assert [NAMES.serves(host), NAMES.serves(host)] == [served, served]


def test_what_is_remembered_is_bounded() -> None:
    names = HostNames(["localhost"])
    for port in range(1, 1_000):
        assert names.serves(f"localhost:{port}".encode())
        assert not names.serves(f"evil{port}.example".encode())
    assert len(names._known) == KNOWN_MAX


@pytest.mark.parametrize(("changes", "hosts"), [
    ({}, ["127.0.0.1", "[::1]", "localhost"]),
    ({"serving_hosts": ["models.example"]}, ["127.0.0.1", "[::1]", "localhost", "models.example"]),
    ({"serving_keys": "required"}, []),   # a page has no key
    ({"host": "192.0.2.7"}, []),          # keys are always required there
])
def test_when_names_are_looked_at(settings: Settings, changes: dict[str, Any], hosts: list[str]) -> None:
    assert WorkerOptions.from_settings(settings.model_copy(update=changes)).hosts == hosts


def a_rebound_name_reads_nothing(packages: Packages, start_server: Callable[..., Any], record: Callable[..., Any]) -> None:
    server = start_server()
    server.client.converge(server.route(1, packages[1]))
    with httpx.Client(base_url=server.settings.predictions_url, trust_env=False) as http:
        body = {"records": [record()]}
        assert http.post("/v1/late/predict", json=body).status_code == 200
        assert http.post("/v1/late/predict", json=body, headers={"host": "LOCALHOST:9"}).status_code == 200
        for call in (lambda head: http.post("/v1/late/predict", json=body, headers=head), lambda head: http.get("/v2", headers=head)):
            refused = call({"host": "evil.example:7070"})
            assert refused.status_code == 421
            assert (refused.json()["value"], refused.headers["connection"]) == ("evil.example:7070", "close")


def test_a_rebound_name_reads_nothing(packages: Packages, start_server: Callable[..., Any], record: Callable[..., Any]) -> None:
    a_rebound_name_reads_nothing(packages, start_server, record)


def test_a_server_that_takes_any_name_is_caught(packages: Packages, start_server: Callable[..., Any], record: Callable[..., Any],
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is configured: as if nobody looked."""
    monkeypatch.setenv("INTERLOCK_SERVING_HOSTS", '["evil.example"]')
    with pytest.raises(AssertionError):
        a_rebound_name_reads_nothing(packages, start_server, record)
