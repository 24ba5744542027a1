"""1,000 rows a request over 4 connections: the prediction server with durable capture beside MLflow's server and a bare ASGI app.

    python -m benchmarks --only P7

The same servers and booster as in P6; each gets the rows in its own JSON (ours and the bare app records, MLflow `dataframe_split`).
"""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.p6_one_row import middle
from benchmarks.serving_peers import first_score, load_then, measure, one_answer, serving

ROUNDS, ROUND_S, ROWS, CONNECTIONS = 5, 3.0, 1_000, 4
SERVERS = ["bare", "ours", "uncaptured", "mlflow"]


def run() -> dict[str, Any]:
    """Rounds in turn. Ratios are medians over the rounds of what was measured side by side; seconds are those of 1,000 rows."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), SERVERS) as ports:
        scores = {name: first_score(name, one_answer(name, port)) for name, port in ports.items()}
        rounds = [{name: measure(name, ports[name], ROUND_S, rows=ROWS, connections=CONNECTIONS) for name in SERVERS}
                  for _ in range(ROUNDS)]
    ratio = {peer: middle([found["ours"][0] / found[peer][0] for found in rounds]) for peer in SERVERS}
    shown = {name: middle([found[name][0] for found in rounds]) for name in SERVERS}
    return {"id": "P7", "what": "1,000-row batches over HTTP, 4 connections, durable capture, one worker, against MLflow's server",
            "ours_s": 1 / shown["ours"], "peer_s": 1 / shown["mlflow"], "ratio": ratio["mlflow"], "ours_mb": None, "peer_mb": None,
            "agreement": f"the four servers' scores differ by {max(scores.values()) - min(scores.values()):.1g}; every reply 200",
            "goal": "≥ 10× MLflow's rows per second", "met": ratio["mlflow"] >= 10,
            "note": f"{ratio['mlflow']:.2f}× MLflow's rows per second, {ratio['bare']:.2f}× the bare ASGI app's, "
                    f"{ratio['uncaptured']:.2f}× our own without capture. " + ", ".join(
                        f"{name} {per_s * ROWS:,.0f} rows/s" for name, per_s in shown.items())
                    + f". {ROUNDS} rounds of {ROUND_S:.0f} s in turn. {load_then()}.",
            "versions": {name: version(name) for name in ("xgboost", "uvicorn", "msgspec", "mlflow")}}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
