"""One row at a time over 8 connections: Interlock's server with durable capture beside a bare ASGI app with the same model.

    python -m benchmarks --only P6

Both servers have one worker and the same 300-tree booster on 14 features. The bare app decodes JSON, predicts and answers: no checks,
no capture, no routing.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interlock.errors import Unavailable
from interlock.rules.routes import Route, Slot
from interlock.serving.client import ServingClient
from interlock.serving.sockets import listen
from interlock.settings import load_settings, settings_environment

ROUNDS, ROUND_S = 5, 4.0

FIELDS = [f"f{number}" for number in range(10)] + [f"c{number}" for number in range(4)]
ROW = {name: 0.25 if name.startswith("f") else "b" for name in FIELDS}
BARE = """
import sys
sys.modules["pandas"] = None; sys.modules["sklearn"] = None
import msgspec, numpy as np, uvicorn, xgboost
booster = xgboost.Booster({"nthread": 1}); booster.load_model(sys.argv[1]); booster.set_param({"nthread": 1})
codes = {"a": 0.0, "b": 1.0, "c": 2.0}
decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
async def app(scope, receive, send):
    body = decode((await receive())["body"])
    matrix = np.array([[codes.get(value, value) for value in row.values()] for row in body["records"]], dtype=np.float32)
    data = encode({"predictions": booster.inplace_predict(matrix, validate_features=False).tolist()})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(data)).encode())]})
    await send({"type": "http.response.body", "body": data})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, lifespan="off", loop="uvloop")
"""


def build(root: Path) -> tuple[str, Path]:
    """Package and bare file of one booster."""
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
    from datetime import UTC, datetime

    moment = datetime(2013, 1, 1, tzinfo=UTC)
    golden, _ = space.encode_records([ROW], [moment])
    margins = booster.inplace_predict(golden, predict_type="margin", validate_features=False)
    manifest = Manifest(use_case="bench", task="binary", features=space, xgboost_version=xgboost.__version__, code_version="bench",
                        snapshot_digest=digest_bytes(b""), spec_digest=digest_bytes(b""))
    booster.save_model(root / "bare.ubj")
    digest = write_package(root / "packages", booster_ubj=bytes(booster.save_raw("ubj")), manifest=manifest, profile_json=b"{}",
                           golden=golden_rows([ROW], [moment], margins))
    return digest, root / "bare.ubj"


async def one_client(port: int, path: str, until: float, latencies: list[float]) -> None:
    """One connection, one request after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"records": [ROW]}).encode()
    request = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
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


def measure(port: int, path: str, seconds: float) -> tuple[float, float, float]:
    """Requests per second, median and 99th percentile in milliseconds, after half a second of warming up."""
    async def run(length: float) -> list[float]:
        latencies: list[float] = []
        until = time.perf_counter() + length
        await asyncio.gather(*(one_client(port, path, until, latencies) for _ in range(8)))
        return latencies

    asyncio.run(run(0.5))
    found = sorted(asyncio.run(run(seconds)))
    return len(found) / seconds, found[len(found) // 2], found[int(len(found) * 0.99)]


@contextmanager
def servers(home: Path) -> Iterator[tuple[int, int]]:
    """Both servers with the same booster; yields their ports, Interlock's first."""
    digest, bare_file = build(home)
    sockets = [listen("127.0.0.1", 0) for _ in range(3)]
    ports = [int(found.getsockname()[1]) for found in sockets]
    for found in sockets:
        found.close()
    settings = load_settings(home=home, predictions_port=ports[0], control_port=ports[1], serving_workers=1)
    started = [subprocess.Popen([sys.executable, "-m", "interlock.serving"], env=os.environ | settings_environment(settings),
                                stderr=subprocess.DEVNULL),
               subprocess.Popen([sys.executable, "-c", BARE, str(bare_file), str(ports[2])])]
    try:
        with ServingClient(settings) as client:
            for _ in range(200):
                try:
                    client.converge(Route(use_case="bench", generation=1, champion=Slot(version=1, digest=digest)))
                    break
                except Unavailable:
                    time.sleep(0.1)
            yield ports[0], ports[2]
    finally:
        for server in started:
            server.terminate()
            server.wait(10)


def run() -> dict[str, Any]:
    """Rounds in turn; the median round of each decides. Seconds are those of one request."""
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder)) as (ours_port, bare_port):
        rounds = [(measure(bare_port, "/", ROUND_S), measure(ours_port, "/v1/bench/predict", ROUND_S)) for _ in range(ROUNDS)]
    bare = sorted(found for found, _ in rounds)[ROUNDS // 2]
    ours = sorted(found for _, found in rounds)[ROUNDS // 2]
    ratio = ours[0] / bare[0]
    return {"id": "P6", "what": "one-row predictions, 8 connections, durable capture, one worker, against bare ASGI", "ours_s": 1 / ours[0],
            "peer_s": 1 / bare[0], "ratio": ratio, "ours_mb": None, "peer_mb": None, "agreement": "same booster, every reply 200",
            "goal": "≥ 1.0× a bare ASGI application", "met": ratio >= 1.0,
            "note": f"ours {ours[0]:.0f} requests/s (p50 {ours[1]:.1f} ms, p99 {ours[2]:.1f} ms), bare {bare[0]:.0f} requests/s "
                    f"(p50 {bare[1]:.1f} ms, p99 {bare[2]:.1f} ms); {ROUNDS} rounds of {ROUND_S:.0f} s in turn; the bare one neither "
                    "checks nor captures. The comparison with MLflow's server is not part of this run.",
            "versions": {name: version(name) for name in ("xgboost", "uvicorn", "msgspec")}}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
