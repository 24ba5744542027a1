"""Killed at any instant: workers come back with the current route, and everything that was promised is still there."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from interlock.errors import Unavailable
from interlock.records.segments import Frame, read_frames
from interlock.settings import Settings

Packages = tuple[Path, str, str]


def captured_ids(settings: Settings) -> list[str]:
    """Request ids of every whole frame in every segment."""
    bodies = [msgspec.msgpack.decode(item.payload) for path in sorted((settings.folder("capture") / "late").glob("*.seg"))
              for item in read_frames(path) if isinstance(item, Frame)]
    return [row["_request_id"] for body in bodies if body["kind"] == "predictions" for row in body["rows"]]


def is_running(pid: int) -> bool:
    """Whether the process lives (one that ended but was not collected yet does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_worker_comes_back_and_every_promised_record_is_on_disk(packages: Packages, start_server: Callable[..., Any],
                                                                         record: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server(workers=2)
    server.client.converge(server.route(1, one))
    server.client.converge(server.route(2, two, previous=one))
    promised: list[str] = []
    stop = threading.Event()

    def ask(client: int) -> None:
        url = f"{server.settings.predictions_url}/v1/late/predict"
        with httpx.Client(timeout=30, trust_env=False) as http:
            turn = 0
            while not stop.is_set():
                turn += 1
                with contextlib.suppress(httpx.TransportError):
                    body = http.post(url, json={"records": [record(id=f"{client}-{turn}")]}).json()
                    if body["captured"]:
                        promised.append(body["predictions"][0]["id"])
                        assert body["digest"] == two

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.3)
        before = server.worker_pids()
        os.kill(before[0], signal.SIGKILL)
        server.wait(lambda gone=before[0]: gone not in server.worker_pids() and len(server.worker_pids()) == 2)
    stop.set()
    for thread in threads:
        thread.join(40)
    observed = server.client.observed("late")
    assert (observed.champion.digest, observed.workers_ready) == (two, 2)
    assert server.client.health()["restarts"] >= 3
    assert len(promised) > 100
    assert set(promised) <= set(captured_ids(server.settings))


def test_a_killed_server_starts_with_the_same_route_without_the_store(packages: Packages, start_server: Callable[..., Any],
                                                                      record: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server(workers=2)
    server.client.converge(server.route(1, one))
    server.client.converge(server.route(2, two, previous=one, candidate=one, percent=10))
    assert not (server.settings.home / "store.db").exists()
    before = server.client.observed("late")
    server.kill(signal.SIGKILL)
    with pytest.raises(Unavailable, match="does not answer"):
        server.client.observed("late")
    server.start()
    assert server.start_s < 20, "about 1.3 s on a quiet machine; this bound only catches waiting for something"
    after = server.client.observed("late")
    assert after.model_copy(update={"observed_at": before.observed_at}) == before
    assert server.client.predict("late", [record()])["generation"] == 2


def test_an_override_survives_the_server(packages: Packages, start_server: Callable[..., Any], record: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one))
    server.client.converge(server.route(2, two, previous=one))
    server.client.rollback("late", "ana", "scores look wrong", "r-1")
    server.kill(signal.SIGKILL)
    server.start()
    observed = server.client.observed("late")
    assert (observed.champion.digest, observed.override, observed.override_id, observed.override_actor, observed.override_reason) == (
        one, True, "r-1", "ana", "scores look wrong")
    assert server.client.predict("late", [record()])["digest"] == one
    server.client.absorbed("late", "r-1", server.route(3, one, previous=two))
    server.kill(signal.SIGKILL)
    server.start()
    observed = server.client.observed("late")
    assert (observed.generation, observed.champion.digest, observed.override) == (3, one, False)


def test_a_rollback_that_cannot_be_written_down_is_carried_out_and_says_so(packages: Packages, start_server: Callable[..., Any],
                                                                           record: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one))
    server.client.converge(server.route(2, two, previous=one))
    blocked = server.settings.folder("run") / "overrides"
    blocked.write_text("a file where the folder should be")
    observed = server.client.rollback("late", "ana", "why", "r-1")
    assert (observed.champion.digest, observed.override, observed.override_durable) == (one, True, False)
    assert server.client.predict("late", [record()])["digest"] == one
    blocked.unlink()  # the disk is well again: the server writes it down by itself
    server.wait(lambda: server.client.observed("late").override_durable)
    assert (blocked / "late.json").is_file()


def test_a_stuck_worker_is_replaced_at_the_switch(packages: Packages, start_server: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server(workers=2, prepare_timeout_s=1.0)
    server.client.converge(server.route(1, one))
    stuck = server.worker_pids()[0]
    os.kill(stuck, signal.SIGSTOP)
    observed = server.client.converge(server.route(2, two, previous=one))
    assert observed.champion.digest == two
    server.wait(lambda: server.client.observed("late").workers_ready == 2)
    assert stuck not in server.worker_pids()


def test_workers_end_with_their_supervisor(packages: Packages, start_server: Callable[..., Any]) -> None:
    server = start_server(workers=2)
    pids = server.worker_pids()
    server.kill(signal.SIGKILL)
    server.wait(lambda: not any(is_running(pid) for pid in pids), 5)


def test_a_stop_lets_requests_end(packages: Packages, start_server: Callable[..., Any], record: Callable[..., Any]) -> None:
    _, one, _ = packages
    server = start_server()
    server.client.converge(server.route(1, one))
    statuses: list[int] = []

    def ask() -> None:
        url = f"{server.settings.predictions_url}/v1/late/predict"
        statuses.append(httpx.post(url, json={"records": [record()] * 9_000}, timeout=10, trust_env=False).status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait(lambda: "inflight 1" in server.client.metrics())
    server.kill(signal.SIGTERM)
    thread.join(40)
    assert statuses == [200]


def test_a_worker_holds_none_of_the_heavy_libraries(packages: Packages, start_server: Callable[..., Any]) -> None:
    server = start_server()
    worker = server.client.health()["workers"][0]
    assert worker["forbidden_modules"] == []
    maps = Path(f"/proc/{worker['pid']}/maps").read_text()
    assert [name for name in ("polars", "pandas", "sklearn", "pyarrow") if f"/{name}/" in maps] == []
    assert "/xgboost/" in maps
