"""R7: ten times the capacity that a use case states: it goes on answering at its capacity; health and rollback do not wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.installation import ROOT
from tests.serving.conftest import Running

pytestmark = pytest.mark.end_to_end
CAPACITY_PER_S, ROWS, GOOD_MS = 40.0, 300, 1_000.0
CORES = sorted(os.sched_getaffinity(0))


def p99(values: list[float]) -> float:
    """The 99th percentile (nearest rank)."""
    return sorted(values)[max(0, -(-len(values) * 99 // 100) - 1)]


class Overload:
    """One server on the first core, the client on the last one."""

    def __init__(self, server: Running, digests: tuple[str, str], record: Callable[..., dict[str, Any]], folder: Path,
                 serving: dict[str, Any]) -> None:
        self.server, self.digests, self.serving, self.generation = server, digests, serving, 2
        self.body, self.report = folder / "body.json", folder / "report.json"
        self.body.write_text(json.dumps({"records": [record() for _ in range(ROWS)]}))
        assert server.process is not None
        if len(CORES) > 1:
            for pid in (server.process.pid, *server.worker_pids()):
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    os.sched_setaffinity(int(thread.name), set(CORES[:-1]))
        server.client.converge(server.route(1, digests[0]))
        server.client.converge(server.route(2, digests[1], digests[0], serving=serving))

    def offered(self, rate: float, seconds: float) -> subprocess.Popen[bytes]:
        """So many requests per second, whatever becomes of them."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.open_loop", str(self.server.settings.predictions_port), "/v1/late/predict",
             str(self.body), str(rate), str(seconds), str(CORES[-1]),
             str(self.report)], cwd=ROOT)

    def goodput(self, client: subprocess.Popen[bytes]) -> tuple[float, dict[str, Any]]:
        """Answers per second that came within a second of being due, and everything the client saw."""
        assert client.wait(120) == 0
        found = json.loads(self.report.read_text())
        good = [taken for taken in found["latencies_ms"].get("200", []) if taken <= GOOD_MS]
        return len(good) / found["seconds"], found

    def control(self, client: subprocess.Popen[bytes]) -> tuple[list[float], list[float]]:
        """Milliseconds of health and of rollbacks while the client is at work: roll back, absorb, and again."""
        health, rollbacks = [], []
        time.sleep(1)
        while client.poll() is None:
            began = time.monotonic()
            self.server.client.health()
            health.append((time.monotonic() - began) * 1000)
            name = f"rollback-{self.generation}"
            began = time.monotonic()
            observed = self.server.client.rollback("late", "ana", "overload", name, expected_generation=self.generation)
            rollbacks.append((time.monotonic() - began) * 1000)
            assert observed.champion is not None
            now, other = observed.champion.digest, next(digest for digest in self.digests if digest != observed.champion.digest)
            self.generation += 1
            self.server.client.absorbed("late", name, self.server.route(self.generation, now, other, serving=self.serving))
            time.sleep(0.05)
        return health, rollbacks


def overloaded(test: Overload, seconds: float) -> dict[str, Any]:
    """Peak, then ten times the capacity with control beside: the figures, with what must hold on any machine."""
    peak, _ = test.goodput(test.offered(CAPACITY_PER_S, seconds))
    client = test.offered(10 * CAPACITY_PER_S, seconds)
    health, rollbacks = test.control(client)
    good, found = test.goodput(client)
    latencies = {status: values for status, values in found["latencies_ms"].items() if values}
    refused = [taken for status in ("429", "503") for taken in latencies.get(status, [])]
    assert set(latencies) <= {"200", "429", "503"}, {status: len(values) for status, values in latencies.items()}
    assert refused, "ten times the capacity, and nobody was turned away"
    assert found["unclear"] == 0, "a refusal says why, and when to come back"
    assert p99(latencies["200"]) < 5_000
    assert good >= (0.9 if seconds >= 10 else 0.5) * peak  # the goal is 0.9; two seconds hold too few requests to tell it from 0.7
    return {"peak_per_s": round(peak, 1), "goodput_per_s": round(good, 1), "goodput_of_peak": round(good / peak, 3),
            "offered_per_s": 10 * CAPACITY_PER_S, "answered": len(latencies["200"]), "refused": len(refused),
            "answered_p99_ms": round(p99(latencies["200"]), 1), "refusal_p50_ms": round(sorted(refused)[len(refused) // 2], 1),
            "refusal_p99_ms": round(p99(refused), 1), "health_p99_ms": round(p99(health), 1), "health_calls": len(health),
            "rollback_p99_ms": round(p99(rollbacks), 1), "rollbacks": len(rollbacks)}


def test_ten_times_the_stated_capacity(start_server: Callable[..., Running], packages: tuple[Path, str, str], record: Callable[..., Any],
                                       tmp_path: Path, count: Callable[..., int], measured: Callable[..., None]) -> None:
    test = Overload(start_server(), packages[1:], record, tmp_path, {"requests_per_s": CAPACITY_PER_S})
    found = overloaded(test, count(30, 2))
    assert found["health_p99_ms"] < 2_000
    assert found["rollback_p99_ms"] < 2_000
    met = found["goodput_of_peak"] >= 0.9 and found["health_p99_ms"] <= 100 and found["rollback_p99_ms"] <= 100
    measured("R7", "ten times the stated capacity", **found, capacity_per_s=CAPACITY_PER_S, rows_per_request=ROWS, met=met)


def test_a_server_that_turns_nobody_away_is_caught(start_server: Callable[..., Running], packages: tuple[Path, str, str],
                                                   record: Callable[..., Any], tmp_path: Path) -> None:
    server = start_server(inflight_max=65_536, batches_waiting_max=65_536, inflight_bytes_max=2**40)
    with pytest.raises(AssertionError):
        overloaded(Overload(server, packages[1:], record, tmp_path, {}), 2)
