"""P5: ingestion of 1,000,000 × 20 CSV rows beside pandas + Pandera and beside a bare Polars copy; memory at 1 and 10 million rows."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.p5_data import write

ROWS, MORE_ROWS, ROUNDS = 1_000_000, 10_000_000, 3
FLAT = 1.15  # memory of ten times the rows over that of the rows


def run() -> dict[str, Any]:
    """The three ways in turn, each round in new processes; the median round of each. Then ours once more on ten times the rows."""
    with tempfile.TemporaryDirectory() as root:
        csv = Path(root) / "rows.csv"
        write(csv, ROWS)
        found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": [], "bare": []}
        for _ in range(ROUNDS):
            for way, results in found.items():
                results.append(_one(way, csv, Path(root)))
        csv.unlink()
        write(csv, MORE_ROWS)
        more = _one("ours", csv, Path(root))
    ours, peer = found["ours"][0], found["peer"][0]
    seconds = {way: statistics.median(one["seconds"] for one in results) for way, results in found.items()}
    against_bare = statistics.median(a["seconds"] / b["seconds"] for a, b in zip(found["ours"], found["bare"], strict=True))
    ratio = statistics.median(b["seconds"] / a["seconds"] for a, b in zip(found["ours"], found["peer"], strict=True))
    same = all(ours[key] == peer[key] for key in ("accepted", "refused", "sum_of_ids", "refused_rows"))
    memory = {way: max(one["mb"] for one in results) for way, results in found.items()}
    flat = more["mb"] / memory["ours"]
    return {"id": "P5", "what": "ingest 1,000,000 × 20 CSV rows: validate, quarantine, Parquet, profile; against pandas + Pandera",
            "ours_s": seconds["ours"], "peer_s": seconds["peer"], "ratio": ratio, "ours_mb": memory["ours"], "peer_mb": memory["peer"],
            "agreement": f"same {ours['accepted']:,} rows accepted and {ours['refused']:,} refused" if same else "rows DIFFER",
            "goal": "≥ 5× faster; ≤ 2.5× a bare Polars copy; memory flat to 10 million rows",
            "met": same and ratio >= 5 and against_bare <= 2.5 and flat <= FLAT,
            "note": f"{against_bare:.2f}× the time of a bare Polars CSV → Parquet copy ({seconds['bare']:.2f} s, {memory['bare']:.0f} MB). "
                    f"Peak memory {memory['ours']:.0f} MB at 1,000,000 rows, {more['mb']:.0f} MB at 10,000,000 ({flat:.2f}×, "
                    f"{more['seconds']:.1f} s). Processor "
                    f"seconds: ours {_cpu(found['ours'])}, peer {_cpu(found['peer'])}, bare copy {_cpu(found['bare'])}. {ROUNDS} rounds "
                    "in turn, medians. Ours also digests the source, writes durably (fsync) and records; the schema has a unique key.",
            "versions": {name: version(name) for name in ("polars", "pandas", "pandera", "pyarrow")}}


def _cpu(results: list[dict[str, Any]]) -> str:
    return f"{statistics.median(one['cpu_s'] for one in results):.1f}"


def _one(way: str, csv: Path, root: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=root) as folder:
        command = [sys.executable, "-m", "benchmarks.p5_ways", way, str(csv), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
