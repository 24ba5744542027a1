"""Swap and rollback under load with two real workers: nothing fails, and every answer is its own version's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.errors import PackageError, StaleState


class Load:
    """Client threads that check every answer against the version it names."""

    def __init__(self, url: str, record: Callable[..., dict[str, Any]], expected: dict[str, list[float]], clients: int = 4) -> None:
        self.url, self.expected = url, expected
        self.records = [record(distance=float(100 + 37 * place)) for place in range(len(next(iter(expected.values()))))]
        self.answered: list[tuple[float, str, int, bool, str]] = []
        self.wrong: list[Any] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        with httpx.Client(timeout=30, trust_env=False) as http:
            turn = 0
            while not self._stop.is_set():
                turn += 1
                place = turn % len(self.records)
                request_id = f"{number}-{turn}"
                reply = http.post(self.url, json={"records": [self.records[place] | {"id": request_id}]})
                body = reply.json()
                if reply.status_code != 200:
                    self.wrong.append(body)
                    continue
                found = body["predictions"][0]
                if found["score"] != self.expected[found["digest"]][place] or found["id"] != request_id:
                    self.wrong.append((place, found))
                self.answered.append((time.monotonic(), found["digest"], body["generation"], body["captured"], request_id))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)


@pytest.fixture
def load(packages: tuple[Path, str, str], record: Callable[..., Any], expected_scores: Callable[..., Any]) -> Any:
    """Starts load on a server and stops it at the end."""
    root, one, two = packages
    records = [record(distance=float(100 + 37 * place)) for place in range(20)]
    expected = {digest: expected_scores(root, digest, records) for digest in (one, two)}
    assert expected[one] != expected[two]
    started: list[Load] = []

    def start(server: Any) -> Load:
        started.append(Load(f"{server.settings.predictions_url}/v1/late/predict", record, expected))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def test_swap_and_rollback_under_load_fail_no_request(packages: tuple[Path, str, str], start_server: Callable[..., Any],
                                                      load: Callable[[Any], Load]) -> None:
    _, one, two = packages
    server = start_server(workers=2)
    server.client.converge(server.route(1, one))
    running = load(server)
    time.sleep(0.5)
    observed = server.client.converge(server.route(2, two, previous=one))
    swapped = time.monotonic()
    assert (observed.champion.digest, observed.workers_ready, observed.workers_total) == (two, 2, 2)
    time.sleep(0.5)
    began = time.monotonic()
    observed = server.client.rollback("late", "ana", "scores look wrong", "r-1")
    rolled_back = time.monotonic()
    assert (observed.champion.digest, observed.previous.digest, observed.override, observed.override_durable) == (one, two, True, True)
    time.sleep(0.5)
    running.stop()
    assert running.wrong == []
    assert rolled_back - began < 0.25, "a rollback takes at most a quarter of a second"
    lag = 0.25
    assert {digest for at, digest, *_ in running.answered if swapped + lag < at < began} == {two}
    assert {digest for at, digest, *_ in running.answered if at > rolled_back + lag} == {one}
    assert all(captured for *_, captured, _ in running.answered)
    assert len(running.answered) > 100


def test_a_share_of_the_requests_goes_to_the_candidate_and_stays_there(packages: tuple[Path, str, str], start_server: Callable[..., Any],
                                                                       record: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one, candidate=two, percent=25))
    records = [record(id=f"request {number}") for number in range(1000)]
    first = server.client.predict("late", records)
    again = server.client.predict("late", records)
    by_candidate = [item["id"] for item in first["predictions"] if item["digest"] == two]
    assert 200 <= len(by_candidate) <= 300  # 25 % of 1,000; binomial standard deviation 13.7
    assert by_candidate == [item["id"] for item in again["predictions"] if item["arm"] == "candidate"]
    server.client.converge(server.route(2, one, candidate=two, percent=50))
    grown = {item["id"] for item in server.client.predict("late", records)["predictions"] if item["arm"] == "candidate"}
    assert set(by_candidate) < grown
    arms = server.client.stats("late", since_generation=1)["generations"][0]["arms"]
    assert arms["candidate"]["answered"] == 2 * len(by_candidate)
    assert arms["champion"]["answered"] == 2000 - 2 * len(by_candidate)
    assert sum(arms["candidate"]["scores"]["counts"]) == 2 * len(by_candidate)


def test_generations_only_grow(packages: tuple[Path, str, str], start_server: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    route = server.route(5, one)
    server.client.converge(route)
    assert server.client.converge(route).generation == 5  # the same again changes nothing
    with pytest.raises(StaleState, match="newer generation"):
        server.client.converge(server.route(4, two))
    with pytest.raises(StaleState, match="newer generation"):
        server.client.converge(server.route(5, two))
    assert server.client.observed("late").champion.digest == one
    assert server.client.observed("never_heard_of") is None


def test_an_override_outranks_routes_until_it_is_absorbed(packages: tuple[Path, str, str], start_server: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    client = server.client
    with pytest.raises(StaleState, match="no route"):
        client.rollback("late", "ana", "why", "r-0")
    client.converge(server.route(1, one))
    with pytest.raises(StaleState, match="no previous model"):
        client.rollback("late", "ana", "why", "r-0")
    client.converge(server.route(2, two, previous=one))
    with pytest.raises(StaleState, match="changed since you looked"):
        client.rollback("late", "ana", "why", "r-0", expected_generation=1)
    client.rollback("late", "ana", "why", "r-1", expected_generation=2)
    assert client.rollback("late", "ana", "why", "r-1").champion.digest == one  # a double click does not swap back
    with pytest.raises(StaleState, match="rolled back already"):
        client.rollback("late", "ben", "me too", "r-2")
    for route in (server.route(1, two), server.route(2, two, previous=one), server.route(3, two, previous=one)):
        with pytest.raises(StaleState, match="not absorbed"):
            client.converge(route)
    with pytest.raises(StaleState, match="not newer"):
        client.absorbed("late", "r-1", server.route(2, one, previous=two))
    with pytest.raises(StaleState, match="not absorbed"):
        client.absorbed("late", "r-9", server.route(3, one, previous=two))
    observed = client.absorbed("late", "r-1", server.route(3, one, previous=two))
    assert (observed.generation, observed.override, observed.champion.digest) == (3, False, one)
    assert client.absorbed("late", "r-1", server.route(3, one, previous=two)) .generation == 3  # again: nothing
    assert client.rollback("late", "ana", "why", "r-1").champion.digest == one  # a late retry of what is absorbed: nothing
    assert client.converge(server.route(4, two, previous=one)).champion.digest == two


def test_only_the_candidate_can_be_taken_off(packages: tuple[Path, str, str], start_server: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one, candidate=two, percent=50))
    observed = server.client.rollback("late", "ana", "breach", "r-1", to="champion")
    assert (observed.champion.digest, observed.candidate, observed.candidate_percent, observed.override) == (one, None, 0, True)


@pytest.mark.parametrize("name", ["model.ubj", "manifest.json", "golden.json"])
def test_a_damaged_package_is_refused_and_the_old_model_goes_on(packages: tuple[Path, str, str], start_server: Callable[..., Any],
                                                                record: Callable[..., Any], name: str) -> None:
    root, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one))
    path = root / two.removeprefix("sha256:") / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(PackageError, match=name):
        server.client.converge(server.route(2, two, previous=one))
    with pytest.raises(PackageError, match="not there"):
        server.client.converge(server.route(2, "sha256:" + "ab" * 32, previous=one))
    reply = server.client.predict("late", [record()])
    assert (reply["digest"], reply["generation"]) == (one, 1)


def test_a_package_of_another_use_case_is_refused(packages: tuple[Path, str, str], start_server: Callable[..., Any],
                                                  build_package: Callable[..., str]) -> None:
    root, _, _ = packages
    server = start_server()
    strange = build_package(root, 7, use_case="other")
    with pytest.raises(PackageError, match="another use case"):
        server.client.converge(server.route(1, strange))
    assert server.client.observed("late") is None
