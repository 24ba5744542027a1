"""P11: `interlock --help` and `interlock status` against `python -c "import prefect"`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROUNDS = 7


def run() -> dict[str, Any]:
    """Median seconds of each over interleaved rounds; one warm-up round is thrown away."""
    interlock = str(Path(sys.executable).parent / "interlock")
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "INTERLOCK_HOME": home}
        subprocess.run([interlock, "migrate"], env=environment, check=True, capture_output=True)
        calls = {"help": [interlock, "--help"], "status": [interlock, "status"], "peer": [sys.executable, "-c", "import prefect"]}
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS + 1):
            for name, call in calls.items():
                start = time.perf_counter()
                subprocess.run(call, env=environment, check=True, capture_output=True)
                times[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(values[1:]) for name, values in times.items()}
    ratio_help, ratio_status = middle["help"] / middle["peer"], middle["status"] / middle["peer"]
    return {"id": "P11", "what": "interlock --help (status in the note) against import prefect", "ours_s": middle["help"],
            "peer_s": middle["peer"], "ratio": ratio_help, "ours_mb": None, "peer_mb": None, "agreement": "both exit 0",
            "goal": "help ≤ 0.5, status ≤ 1", "met": ratio_help <= 0.5 and ratio_status <= 1.0,
            "note": f"`interlock status` with nothing running took {middle['status']:.2f} s, ratio {ratio_status:.2f}; "
                    f"{ROUNDS} rounds, medians.",
            "versions": {"prefect": version("prefect"), "python": sys.version.split()[0]}}
