"""Under more traffic than a server can take: others are answered, refusals are early and clear, nothing accepted fails."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

Packages = tuple[Path, str, str]


async def ask(http: httpx.AsyncClient, url: str, body: Any, found: list[tuple[int | str, float]], **headers: str) -> httpx.Response | None:
    began = time.monotonic()
    try:
        reply = await http.post(url, json=body, headers=headers)
    except httpx.TransportError as error:
        found.append((type(error).__name__, time.monotonic() - began))
        return None
    found.append((reply.status_code, time.monotonic() - began))
    return reply


@pytest.fixture
def crowded(start_server: Callable[..., Any], packages: Packages, build_package: Callable[..., str]) -> Any:
    """A server with two use cases, few places and one thread for batches."""
    server = start_server(inflight_max=16, batches_at_work=1)
    server.client.converge(server.route(1, packages[1]))
    server.client.converge(server.route(1, build_package(packages[0], 5, use_case="kind", task="multiclass"), use_case="kind"))
    return server


def flooded(port: int, body: bytes, found: list[int], stop: threading.Event) -> None:
    """One client that asks again and again; its body is written once, because a client that is busy with itself floods nobody."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    while not stop.is_set():
        connection.request("POST", "/v1/late/predict", body)
        reply = connection.getresponse()
        reply.read()
        found.append(reply.status)
        stop.wait(0.05 if reply.status == 503 else 0)
    connection.close()


def test_a_flooded_use_case_does_not_starve_another(crowded: Any, record: Callable[..., Any]) -> None:
    """40 clients send batches of 2,000 rows to `late`, 16 places, one thread; `kind` sends a batch and a record at a time, and gets in.

    Whoever waits behind the flood waits for up to 16 batches; who has a turn of its own for one.
    """
    flood, mine, health = [], [], []  # type: list[int], list[int], list[int]
    stop, batch = threading.Event(), json.dumps({"records": [record()] * 2_000}).encode()
    port = crowded.settings.predictions_port
    clients = [threading.Thread(target=flooded, args=(port, batch, flood, stop)) for _ in range(40)]
    for client in clients:
        client.start()
    try:
        with httpx.Client(base_url=crowded.settings.predictions_url, timeout=60, trust_env=False) as own:
            crowded.wait(lambda: 503 in flood)
            for _ in range(10):
                mine += [own.post("/v1/kind/predict", json={"records": [record()] * rows}).status_code for rows in (100, 100, 100, 1)]
                health.append(own.get("/v2/health/ready").status_code)
    finally:
        stop.set()
        for client in clients:
            client.join()
    statuses = Counter(flood)
    assert set(statuses) == {200, 503}, "the flood was more than there are places"
    assert (mine, health) == ([200] * 40, [200] * 10)
    typical = {name: crowded.client.stats(name)["generations"][0]["arms"]["champion"]["latency_ms"]["p50"] for name in ("kind", "late")}
    # By the server's clock: the clients are one process. A turn of its own takes a third of it, one queue for all nine tenths.
    assert typical["kind"] < 0.7 * typical["late"]


def test_a_refusal_is_early_and_says_when_to_come_back(crowded: Any, record: Callable[..., Any]) -> None:
    url = f"{crowded.settings.predictions_url}/v1/late/predict"
    crowded.client.converge(crowded.route(2, crowded.client.observed("late").champion.digest, serving={"requests_per_s": 2}))
    replies = [httpx.post(url, json={"records": [record()]}, trust_env=False) for _ in range(6)]
    statuses = [reply.status_code for reply in replies]
    assert statuses[0] == 200
    assert statuses[-1] == 503
    body = replies[-1].json()
    assert (replies[-1].headers["retry-after"], body["reason"], body["allowed"]) == ("1", "rate", "2 requests/s")
    labels = httpx.post(url.replace("predict", "labels"), json={"labels": [{"id": "a", "label": 1}]}, trust_env=False)
    assert labels.status_code == 200, "labels are not held up"


def test_limits_of_one_use_case(crowded: Any, record: Callable[..., Any]) -> None:
    url = f"{crowded.settings.predictions_url}/v1/late/predict"
    champion = crowded.client.observed("late").champion.digest
    crowded.client.converge(crowded.route(2, champion, serving={"rows_max": 3, "body_bytes_max": 2_048}))
    statuses = [httpx.post(url, json={"records": [record()] * rows}, trust_env=False).status_code for rows in (3, 4, 50)]
    assert statuses == [200, 413, 413]
    assert httpx.post(url.replace("late", "kind"), json={"records": [record()] * 50}, trust_env=False).status_code == 200


def test_work_for_which_nobody_waits_any_more_is_not_done(crowded: Any, record: Callable[..., Any]) -> None:
    """Behind batches of 10,000 rows, one with a deadline of 20 ms is refused; it does not count as answered."""
    url = f"{crowded.settings.predictions_url}/v1/late/predict"
    found: list[Any] = []

    async def scenario() -> httpx.Response | None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            body = {"records": [record()] * 10_000}
            long = [asyncio.create_task(ask(http, url, body, found)) for _ in range(6)]
            await asyncio.to_thread(crowded.wait, lambda: "interlock_batches_waiting 0" not in crowded.client.metrics())
            reply = await ask(http, url, {"records": [record()] * 100}, [], **{"x-request-deadline-ms": "20"})
            await asyncio.gather(*long)
            return reply

    reply = asyncio.run(scenario())
    assert reply is not None
    assert (reply.status_code, reply.json()["reason"]) == (504, "deadline")
    assert [status for status, _ in found] == [200] * 6
    assert crowded.client.stats("late")["generations"][0]["arms"]["champion"]["answered"] == 60_000
    tensors = {"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "data": [7]},
                          {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["AA"]},
                          {"name": "night", "shape": [1], "datatype": "BOOL", "data": [False]}]}
    infer = f"{crowded.settings.predictions_url}/v2/models/late/infer"
    statuses = [httpx.post(infer, json=tensors | {"parameters": {"timeout": timeout}}, trust_env=False).status_code
                for timeout in (1, 0, 30_000_000, "1")]
    assert statuses == [504, 200, 200, 400], "the protocol's timeout is in microseconds"
    assert httpx.post(url, json={"records": [record()]}, headers={"x-request-deadline-ms": "30000"}, trust_env=False).status_code == 200
    assert httpx.post(url, json={"records": [record()]}, headers={"x-request-deadline-ms": "now"}, trust_env=False).status_code == 400


def test_a_stopping_server_fails_nothing_that_it_accepted(packages: Packages, start_server: Callable[..., Any],
                                                          record: Callable[..., Any]) -> None:
    """Eight clients that never pause; SIGTERM: each gets an answer to all it sent, then no new connection."""
    server = start_server(workers=2)
    server.client.converge(server.route(1, packages[1]))
    url = f"{server.settings.predictions_url}/v1/late/predict"
    ends: list[str] = []
    answered: list[int] = []

    def client() -> None:
        with httpx.Client(timeout=30, trust_env=False) as http:
            while True:
                try:
                    answered.append(http.post(url, json={"records": [record()]}).status_code)
                except httpx.ConnectError:
                    return ends.append("no connection")
                except httpx.TransportError as error:
                    return ends.append(f"failed: {type(error).__name__} {error}")

    threads = [threading.Thread(target=client, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    before = len(answered)
    server.kill(signal.SIGTERM)
    for thread in threads:
        thread.join(40)
    assert ends == ["no connection"] * 8
    assert set(answered) == {200}
    assert len(answered) > before > 0, "they were answered while it stopped"


def test_who_was_let_in_before_the_door_closed_is_answered(packages: Packages, start_server: Callable[..., Any],
                                                           record: Callable[..., Any]) -> None:
    """Connected and still silent when the server stops; the request comes after the server took its last connection."""
    server = start_server(workers=1)
    server.client.converge(server.route(1, packages[1]))
    port, body = server.settings.predictions_port, json.dumps({"records": [record()]}).encode()
    head = f"POST /v1/late/predict HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as inside:
        server.process.send_signal(signal.SIGTERM)
        server.wait(lambda: not _lets_in(port))
        time.sleep(0.3)  # beyond the last look at the queue: idle connections are being closed now
        inside.sendall(head.encode() + body)
        reply = b"".join(iter(lambda: inside.recv(65_536), b""))
    assert reply.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in reply.lower()


def _lets_in(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.05).close()
    except OSError:
        return False
    return True


def test_without_its_supervisor_a_worker_gives_no_notice(packages: Packages, start_server: Callable[..., Any]) -> None:
    """What nobody can control must not answer: the half minute for clients to leave is for a stop that somebody asked for."""
    import psutil

    server = start_server(leave_s=30.0)
    server.client.converge(server.route(1, packages[1]))
    [pid] = server.worker_pids()
    server.kill(signal.SIGKILL)
    server.wait(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 15)
