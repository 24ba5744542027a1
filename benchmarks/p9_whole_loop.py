"""P9: ingest, tune, train, every report, the gates and the deployment on Adult, as flows, beside a plain script of the same calls."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from typing import Any

ROUNDS = 2
STAGES = ("ingest", "train", "validate", "deploy")


def run() -> dict[str, Any]:
    """Rounds in turn, each way in a new process; the median of the rounds' ratios decides."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as home:
            rounds.append((_one("ours", home), _one("peer", home)))
    ratio = statistics.median(ours["seconds"] / peer["seconds"] for ours, peer in rounds)
    differ = sorted({metric for ours, peer in rounds for metric, outcome in ours["gates"].items() if peer["gates"].get(metric) != outcome})
    same = all(ours["package"] == peer["package"] == ours["served"] == peer["served"] for ours, peer in rounds)
    stages = {way: {stage: statistics.median(pair[place]["stages"][stage] for pair in rounds) for stage in STAGES}
              for place, way in enumerate(("ours", "peer"))}
    told = ", ".join(f"{stage} {stages['ours'][stage]:.1f} / {stages['peer'][stage]:.1f} s" for stage in stages["ours"])
    return {"id": "P9", "what": "the whole loop on Adult (ingest to deploy) as flows, against a plain script of the same calls",
            "ours_s": statistics.median(ours["seconds"] for ours, _ in rounds),
            "peer_s": statistics.median(peer["seconds"] for _, peer in rounds), "ratio": ratio, "ours_mb": None, "peer_mb": None,
            "agreement": ("same package, made and served" if same else "packages DIFFER")
            + (f", gates DIFFER: {differ}" if differ else ", same gates"),
            "goal": "≤ 1.25× its time", "met": same and not differ and ratio <= 1.25,
            "note": f"{told} (ours / peer). The Prefect server was started before, in {rounds[0][0]['server_start_s']:.0f} s; flows ran in "
                    f"process. The prediction server was up before, too; no bake time. No MLflow on either side. "
                    f"{ROUNDS} rounds in turn.",
            "versions": {name: version(name) for name in ("prefect", "xgboost", "polars")}}


def _one(way: str, home: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.p9_ways", way, home], check=True, capture_output=True, text=True,
                          env=os.environ | {"INTERLOCK_HOME": home})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
