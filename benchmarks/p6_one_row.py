"""One row at a time over 8 connections: the prediction server with durable capture beside MLflow's server, a bare ASGI app with the
same model, and itself without capture.

    python -m benchmarks --only P6

All have one worker and the same 300-tree booster on 14 features (benchmarks/serving_peers.py).
"""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.serving_peers import first_score, load_then, measure, one_answer, serving

ROUNDS, ROUND_S = 7, 3.0
SERVERS = ["bare", "ours", "uncaptured", "mlflow"]


def run() -> dict[str, Any]:
    """Rounds in turn. Ratios are medians over the rounds of what was measured side by side; seconds are those of one request."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), SERVERS) as ports:
        scores = {name: first_score(name, one_answer(name, port)) for name, port in ports.items()}
        rounds = [{name: measure(name, ports[name], ROUND_S) for name in SERVERS} for _ in range(ROUNDS)]

    def against(peer: str, place: int = 0) -> float:
        return middle([found["ours"][place] / found[peer][place] for found in rounds])

    shown = {name: tuple(middle([found[name][place] for found in rounds]) for place in range(3)) for name in SERVERS}
    faster, tail = against("mlflow"), 1 / against("mlflow", 2)
    met = against("bare") >= 1.0 and against("uncaptured") >= 0.85 and faster >= 12 and tail >= 12
    return {"id": "P6", "what": "one-row predictions, 8 connections, durable capture, one worker, against MLflow's server",
            "ours_s": 1 / shown["ours"][0], "peer_s": 1 / shown["mlflow"][0], "ratio": faster, "ours_mb": None, "peer_mb": None,
            "agreement": f"the four servers' scores differ by {max(scores.values()) - min(scores.values()):.1g}; every reply 200",
            "goal": "≥ 12× MLflow's throughput, p99 ≤ 1/12; ≥ 1.0× a bare ASGI app; ≥ 0.85× without capture", "met": met,
            "note": f"{faster:.1f}× MLflow's throughput, its p99 {tail:.1f}× ours; {against('bare'):.2f}× the bare ASGI app; "
                    f"{against('uncaptured'):.2f}× our own server without capture. " + "; ".join(
                        f"{name} {per_s:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms" for name, (per_s, p50, p99) in shown.items())
                    + f". {ROUNDS} rounds of {ROUND_S:.0f} s in turn; the bare app neither checks nor captures. The client is Python and "
                      f"takes part of the two cores. {load_then()}.",
            "versions": {name: version(name) for name in ("xgboost", "uvicorn", "msgspec", "mlflow")}}


def middle(values: list[float]) -> float:
    """The median of an odd number of values."""
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
