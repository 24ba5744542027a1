"""Drift of a million-row window against a stored baseline profile, beside Evidently and Apache DataSketches.

    python -m benchmarks --only P1

20 columns: 12 numeric (normal, log-normal, exponential, whole numbers, mostly zero, bounded; half with missing values), 8 categorical (2 to
5,000 levels). Each side runs in a child process of its own; memory is the child's peak. Ours reads the window from Parquet in batches,
builds its profile, reads the stored baseline and measures drift; Evidently gets both frames in memory, and only its report is timed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.drift_data import KINDS, ROWS, agreement, make_frame

ROUNDS, PEER_ROUNDS = 7, 2
OURS = """
import json, sys, time
import scipy.special
from reports.drift import drift_findings
from reports.profile_stream import parquet_source, profile_stream
from reports.profiles import Profile
from benchmarks.drift_data import KINDS, peak_mb
folder = sys.argv[1]
began = time.perf_counter()
baseline = Profile.unpacked(open(folder + "/baseline.profile", "rb").read())
window = profile_stream(parquet_source(folder + "/current.parquet"), KINDS, like=baseline)
findings = drift_findings(baseline, window, rows_min=200, psi_max=0.25)
took = time.perf_counter() - began
open(folder + "/window.profile", "wb").write(window.packed())
print(json.dumps({"seconds": took, "mb": peak_mb(),
                  "found": [[f.segment, f.metric, f.value] for f in findings]}))
"""
EVIDENTLY = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from benchmarks.drift_data import KINDS, peak_mb
folder = sys.argv[1]
frames = [pandas.read_parquet(f"{folder}/{name}.parquet") for name in ("current", "baseline")]
definition = DataDefinition(numerical_columns=[n for n, k in KINDS.items() if k == "numeric"],
                            categorical_columns=[n for n, k in KINDS.items() if k != "numeric"])
began = time.perf_counter()
sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
body = json.loads(Report([DataDriftPreset()]).run(sides[0], sides[1]).json())
took = time.perf_counter() - began
print(json.dumps({"seconds": took, "mb": peak_mb(), "metrics": len(body["metrics"])}))
"""
SKETCHES = """
import json, sys, time
import numpy
import pyarrow.parquet as parquet
from datasketches import frequent_strings_sketch, hll_sketch, kll_doubles_sketch
from benchmarks.drift_data import KINDS, peak_mb
folder = sys.argv[1]
began = time.perf_counter()
made = {n: kll_doubles_sketch(200) if k == "numeric" else (frequent_strings_sketch(12), hll_sketch(8)) for n, k in KINDS.items()}
for batch in parquet.ParquetFile(folder + "/current.parquet").iter_batches(131072):
    for name, kind in KINDS.items():
        column = batch.column(name).drop_null()
        if kind == "numeric":
            made[name].update(numpy.array(column, dtype=numpy.float64))
        else:
            for text in column.to_pylist():
                made[name][0].update(text)
                made[name][1].update(text)
took = time.perf_counter() - began
print(json.dumps({"seconds": took, "mb": peak_mb()}))
"""


def child(script: str, folder: Path) -> dict[str, Any]:
    """Run one side in a process of its own; what it printed."""
    root = Path(__file__).resolve().parent.parent
    environment = os.environ | {"DO_NOT_TRACK": "true", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2_000:])
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def run() -> dict[str, Any]:
    """Rounds in turn; medians decide."""
    from reports.profiles import fit_profile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = make_frame(seed=1, shift=0.0), make_frame(seed=2, shift=0.1)
        for frame, side in zip(frames, ("baseline", "current"), strict=True):
            frame.write_parquet(folder / f"{side}.parquet", row_group_size=131_072)
        baseline = fit_profile(frames[0], KINDS)
        (folder / "baseline.profile").write_bytes(baseline.packed())
        ours, peers, sketches = [], [], []
        for number in range(ROUNDS):
            ours.append(child(OURS, folder))
            if number < PEER_ROUNDS:
                sketches.append(child(SKETCHES, folder))
                peers.append(child(EVIDENTLY, folder))
        size = len(baseline.packed()), (folder / "window.profile").stat().st_size
        checked = agreement(frames[0], frames[1], baseline, ours[0]["found"])
    return result(ours, peers, sketches, size, checked)


def result(ours: list[dict[str, Any]], peers: list[dict[str, Any]], sketches: list[dict[str, Any]], size: tuple[int, int],
           checked: dict[str, float]) -> dict[str, Any]:
    """The figures as they are recorded."""
    ours_s, peer_s, sketch_s = (median(one["seconds"] for one in side) for side in (ours, peers, sketches))
    ours_mb, peer_mb, sketch_mb = (max(one["mb"] for one in side) for side in (ours, peers, sketches))
    exact = max(checked["psi"], checked["js"], checked["tv"]) < 1e-9 and checked["ks"] <= 0.005 and checked["wasserstein"] <= 0.005
    return {
        "id": "P1", "what": f"drift of a {ROWS:,} × 20 window against a stored baseline profile", "ours_s": ours_s, "peer_s": peer_s,
        "ratio": peer_s / ours_s, "ours_mb": ours_mb, "peer_mb": peer_mb,
        "agreement": "largest difference from the exact value: " + ", ".join(f"{name} {value:.1e}" for name, value in checked.items()),
        "goal": "≥ 150× Evidently, ≤ 1/8 of its memory; PSI, JS, TV exact for the bins, KS and Wasserstein within 0.005",
        "met": peer_s / ours_s >= 150 and ours_mb <= peer_mb / 8 and exact,
        "note": f"ours: Parquet read, profile built, drift measured, all in the figure; {len(ours)} rounds, Evidently {len(peers)} "
                f"(its report alone, frames in memory). Memory is the whole process's peak. Apache DataSketches on the same columns "
                f"(KLL-200, frequent items, HLL; sketches alone, no drift): {sketch_s:.1f} s, {sketch_mb:.0f} MB. Stored baseline "
                f"{size[0] / 20:,.0f} bytes per column, window {size[1] / 20:,.0f}.",
        "versions": {name: version(name) for name in ("polars", "numpy", "evidently", "datasketches")}}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
