"""The servers that answer the same booster in P6 and P7, each in a process of its own with one worker, and a client for them.

- ours: the prediction server with durable capture
- uncaptured: the same one, whose capture says at once that it is done and writes nothing
- bare: an ASGI app that decodes JSON, predicts and answers: no checks, no capture, no routing
- mlflow: `mlflow models serve` with one worker
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interlock.errors import Unavailable
from interlock.rules.routes import Route, Slot
from interlock.serving.client import ServingClient
from interlock.serving.sockets import listen
from interlock.settings import load_settings, settings_environment

FIELDS = [f"f{number}" for number in range(10)] + [f"c{number}" for number in range(4)]
ROW = {name: 0.25 if name.startswith("f") else "b" for name in FIELDS}
CODES = {"a": 0.0, "b": 1.0, "c": 2.0}
START_S = 120.0
BARE = """
import sys
sys.modules["pandas"] = None; sys.modules["sklearn"] = None
import msgspec, numpy as np, uvicorn, xgboost
booster = xgboost.Booster({"nthread": 1}); booster.load_model(sys.argv[1]); booster.set_param({"nthread": 1})
codes = {"a": 0.0, "b": 1.0, "c": 2.0}
decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
async def app(scope, receive, send):
    parts = []
    while not parts or message.get("more_body"):
        message = await receive()
        parts.append(message["body"])
    body = decode(b"".join(parts))
    matrix = np.array([[codes.get(value, value) for value in row.values()] for row in body["records"]], dtype=np.float32)
    data = encode({"predictions": booster.inplace_predict(matrix, validate_features=False).tolist()})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(data)).encode())]})
    await send({"type": "http.response.body", "body": data})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, lifespan="off", loop="uvloop")
"""
UNCAPTURED = """
from interlock.serving import crew
from interlock.serving.server import run_server
from interlock.settings import load_settings
crew.WORKER = "benchmarks.uncaptured_worker"
run_server(load_settings())
"""


def build(root: Path) -> tuple[str, Path]:
    """Package and bare file of one booster: 300 trees of depth 6 on 10 numbers and 4 categories."""
    import numpy as np
    import xgboost

    from interlock.modeling.features import FeatureSpace, FeatureSpec
    from interlock.modeling.package import Manifest, golden_rows, write_package
    from interlock.rules.canonical import digest_bytes

    specs = [FeatureSpec(name=name, kind="numeric") if name.startswith("f") else
             FeatureSpec(name=name, kind="category", categories=["a", "b", "c"]) for name in FIELDS]
    space = FeatureSpace(specs=specs)
    draw = np.random.default_rng(1)
    matrix = np.hstack([draw.normal(size=(5_000, 10)), draw.integers(0, 3, (5_000, 4))]).astype(np.float32)
    label = (matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + draw.normal(size=5_000) > 0).astype(int)
    data = xgboost.DMatrix(matrix, label=label, feature_types=space.feature_types, enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 2, "seed": 1}, data, num_boost_round=300)
    moment = datetime(2013, 1, 1, tzinfo=UTC)
    golden, _ = space.encode_records([ROW], [moment])
    margins = booster.inplace_predict(golden, predict_type="margin", validate_features=False)
    manifest = Manifest(use_case="bench", task="binary", features=space, xgboost_version=xgboost.__version__, code_version="bench",
                        snapshot_digest=digest_bytes(b""), spec_digest=digest_bytes(b""))
    booster.save_model(root / "bare.ubj")
    digest = write_package(root / "packages", booster_ubj=bytes(booster.save_raw("ubj")), manifest=manifest, profile_json=b"{}",
                           golden=golden_rows([ROW], [moment], margins))
    return digest, root / "bare.ubj"


@contextmanager
def serving(home: Path, names: list[str]) -> Iterator[dict[str, int]]:
    """Start the named servers; their ports."""
    digest, bare_file = build(home)
    with ExitStack() as stack:
        ports = {}
        for name in names:
            start: Callable[..., Any] = {"bare": _bare, "mlflow": _mlflow}.get(name, _ours)
            ports[name] = stack.enter_context(start(home, name, digest, bare_file))
        yield ports


def body_of(name: str, rows: int) -> tuple[str, bytes]:
    """Address and body of a request with this many rows, as each server understands it."""
    if name == "mlflow":
        values = [CODES.get(str(value), value) for value in ROW.values()]
        return "/invocations", json.dumps({"dataframe_split": {"columns": FIELDS, "data": [values] * rows}}).encode()
    return ("/" if name == "bare" else "/v1/bench/predict"), json.dumps({"records": [ROW] * rows}).encode()


def first_score(name: str, answer: bytes) -> float:
    """The first score of a reply, for comparing the servers' values."""
    found = json.loads(answer)["predictions"][0]
    return float(found["score"] if isinstance(found, dict) else found)


def measure(name: str, port: int, seconds: float, *, rows: int = 1, connections: int = 8) -> tuple[float, float, float]:
    """Requests per second, median and 99th percentile in milliseconds, after half a second of warming up. One request after the other
    on each connection."""
    path, body = body_of(name, rows)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body

    async def run(length: float) -> list[float]:
        latencies: list[float] = []
        until = time.perf_counter() + length
        await asyncio.gather(*(_one_client(port, request, until, latencies) for _ in range(connections)))
        return latencies

    asyncio.run(run(0.5))
    began = time.perf_counter()
    found = sorted(asyncio.run(run(seconds)))
    return len(found) / (time.perf_counter() - began), found[len(found) // 2], found[int(len(found) * 0.99)]


def load_then() -> str:
    """How busy the machine was, for the note: what else ran takes from every server, and most from the one that waits for the disk."""
    return f"Load average of the last 5 minutes {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"


def one_answer(name: str, port: int) -> bytes:
    """The body of one reply to one row."""
    import httpx

    path, body = body_of(name, 1)
    return httpx.post(f"http://127.0.0.1:{port}{path}", content=body, headers={"content-type": "application/json"}, timeout=30).content


async def _one_client(port: int, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 * 1024 * 1024)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        answer = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"refused: {answer[:300]!r}")
        latencies.append((time.perf_counter() - began) * 1000)
    writer.close()


@contextmanager
def _ours(home: Path, name: str, digest: str, bare_file: Path) -> Iterator[int]:
    folder = home / name
    folder.mkdir()
    (folder / "packages").symlink_to(home / "packages")
    settings = load_settings(home=folder, predictions_port=free_port(), control_port=free_port(), serving_workers=1)
    arguments = ["-m", "interlock.serving"] if name == "ours" else ["-c", UNCAPTURED]
    with process([sys.executable, *arguments], os.environ | settings_environment(settings)), ServingClient(settings) as client:
        until = time.monotonic() + START_S
        while True:
            try:
                client.converge(Route(use_case="bench", generation=1, champion=Slot(version=1, digest=digest)))
                break
            except Unavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        yield settings.predictions_port


@contextmanager
def _bare(home: Path, name: str, digest: str, bare_file: Path) -> Iterator[int]:
    port = free_port()
    with process([sys.executable, "-c", BARE, str(bare_file), str(port)], dict(os.environ)):
        _wait(port, "bare")
        yield port


@contextmanager
def _mlflow(home: Path, name: str, digest: str, bare_file: Path) -> Iterator[int]:
    import mlflow.xgboost
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bare_file)
    mlflow.xgboost.save_model(booster, home / "mlflow_model")
    port = free_port()
    command = [str(Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", str(home / "mlflow_model"), "--env-manager", "local",
               "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    with process(command, environment):
        _wait(port, "mlflow")
        yield port


@contextmanager
def process(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A process and all that it starts, ended together."""
    import signal

    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _wait(port: int, name: str) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            first_score(name, one_answer(name, port))
        except (OSError, KeyError, ValueError, IndexError) as error:
            if time.monotonic() > until:
                raise SystemExit(f"{name} does not answer: {error}") from error
            time.sleep(0.2)
        except Exception as error:
            if type(error).__module__.split(".")[0] not in ("httpx", "httpcore") or time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def free_port() -> int:
    found = listen("127.0.0.1", 0)
    port = int(found.getsockname()[1])
    found.close()
    return port
