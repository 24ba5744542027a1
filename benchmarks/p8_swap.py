"""Swaps and rollbacks under 300 requests a second, in an open loop: nobody waits for an answer before asking again.

    python -m benchmarks --only P8

Each reply's score must be that of the model whose digest the reply names. From the click to the last answer of the old version is
measured at the client: the latest reply that names another version than the swap brought, minus the moment of the call.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.serving_peers import load_then
from benchmarks.swap_models import serving_alone, two_packages
from interlock.rules.routes import Route, Slot
from interlock.serving.client import ServingClient
from interlock.settings import Settings

RATE_PER_S, SWAPS, EVERY_S, CONNECTIONS = 300, 60, 0.5, 16
RECORD = {"distance": 700.0}


@dataclass
class Reply:
    """One answer as the client got it, times of `time.perf_counter`."""

    asked: float
    at: float
    status: int
    digest: str = ""
    score: float = 0.0
    captured: bool = False


def run() -> dict[str, Any]:
    """Two versions change places 60 times: half by `converge` to a new route, half by `rollback`, which the next route absorbs."""
    with tempfile.TemporaryDirectory() as folder:
        digests, scores = two_packages(Path(folder), RECORD)
        with serving_alone(Path(folder), workers=2) as settings, ServingClient(settings) as client:
            slots = [Slot(version=number + 1, digest=digest) for number, digest in enumerate(digests)]
            client.converge(Route(use_case="bench", generation=1, champion=slots[0], previous=slots[1]))
            replies: list[Reply] = []
            stop = threading.Event()
            load = threading.Thread(target=lambda: asyncio.run(open_loop(settings, replies, stop)))
            load.start()
            time.sleep(1.0)
            began = time.perf_counter()
            clicks = swap_often(client, slots)
            took_s = time.perf_counter() - began
            time.sleep(1.0)
            stop.set()
            load.join()
    failed = [reply for reply in replies if reply.status != 200 or not reply.captured]
    other = [reply for reply in replies if reply.status == 200 and reply.score != scores[reply.digest]]
    last_old_ms = sorted(last_old(replies, clicks))
    p99 = last_old_ms[min(len(last_old_ms) - 1, int(len(last_old_ms) * 0.99))]
    asked_per_s = len([reply for reply in replies if began <= reply.asked <= began + took_s]) / took_s
    return {"id": "P8", "what": f"{len(clicks)} swaps and rollbacks under {RATE_PER_S} requests/s, open loop, 2 workers",
            "ours_s": p99 / 1_000, "peer_s": None, "ratio": None, "ours_mb": None, "peer_mb": None,
            "agreement": f"{len(replies):,} replies, {len(failed)} failed, {len(other)} with another version's score than that of the "
                         "one named",
            "goal": "0 failed, 0 of another version than named; click to last old answer p99 ≤ 250 ms",
            "met": not failed and not other and p99 <= 250 and asked_per_s >= 0.95 * RATE_PER_S,
            "note": f"Click to last answer of the old version: p50 {last_old_ms[len(last_old_ms) // 2]:.0f} ms, p99 {p99:.0f} ms (worst of "
                    f"{len(clicks)}: {last_old_ms[-1]:.0f} ms); {asked_per_s:.0f} requests/s were asked; seconds are the p99. "
                    f"{load_then()}.",
            "versions": {name: version(name) for name in ("xgboost", "uvicorn")}}


def swap_often(client: ServingClient, slots: list[Slot]) -> list[tuple[float, str]]:
    """Moment and new digest of each swap."""
    clicks, live, generation = [], 0, 1
    override = ""
    for number in range(SWAPS):
        at = time.perf_counter()
        if number % 2 == 0:
            override = f"swap-{number}"
            client.rollback("bench", "bench", "a rehearsal", override, expected_generation=generation)
            live = 1 - live
        else:
            generation += 1
            live = 1 - live
            route = Route(use_case="bench", generation=generation, champion=slots[live], previous=slots[1 - live])
            client.absorbed("bench", override, route)
        clicks.append((at, slots[live].digest))
        time.sleep(EVERY_S)
    return clicks


def last_old(replies: list[Reply], clicks: list[tuple[float, str]]) -> list[float]:
    """Milliseconds from each click to the last answer, before the next click, that came from another version than it brought."""
    ends = [at for at, _ in clicks[1:]] + [clicks[-1][0] + EVERY_S]
    found = []
    for (at, digest), end in zip(clicks, ends, strict=True):
        old = [reply.at - at for reply in replies if reply.status == 200 and at <= reply.at < end and reply.digest != digest]
        found.append(max(old, default=0.0) * 1_000)
    return found


async def open_loop(settings: Settings, replies: list[Reply], stop: threading.Event) -> None:
    """Ask at the rate, whatever the answers do: what is due waits for one of the connections, and its time runs from when it was due."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    asking = [asyncio.create_task(_connection(settings.predictions_port, due, replies)) for _ in range(CONNECTIONS)]
    began, number = time.perf_counter(), 0
    while not stop.is_set():
        while began + number / RATE_PER_S <= time.perf_counter():
            due.put_nowait(began + number / RATE_PER_S)
            number += 1
        await asyncio.sleep(0.001)
    for _ in asking:
        due.put_nowait(None)
    await asyncio.gather(*asking)


async def _connection(port: int, due: asyncio.Queue[float | None], replies: list[Reply]) -> None:
    body = json.dumps({"records": [RECORD]}).encode()
    request = b"POST /v1/bench/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (asked := await due.get()) is not None:
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            answer = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError):
            replies.append(Reply(asked, time.perf_counter(), 0))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        status = int(head.split(b" ", 2)[1])
        found = json.loads(answer)
        if status != 200:
            replies.append(Reply(asked, time.perf_counter(), status))
            continue
        one = found["predictions"][0]
        replies.append(Reply(asked, time.perf_counter(), status, one["digest"], one["score"], found["captured"]))
    writer.close()


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
