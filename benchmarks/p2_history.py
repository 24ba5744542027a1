"""The cost of monitoring one more window when 10 or 1,000 windows of history exist, through `monitor_use_case` itself.

    python -m benchmarks --only P2

Both installations have one real model and captured traffic of one day per window; every earlier window was monitored in its turn. Each
round serves one more day, delivers the labels of the day before (so that window is judged again), and monitors both installations.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from interlock.records.migrate import migrate_store
from interlock.records.store import Store
from interlock.settings import load_settings
from tests.control.traffic import Traffic, copy_package, small_package, spec

SHORT, LONG = 10, 1_000
ROUNDS, ROWS, ROWS_BEFORE = 9, 2_000, 120
DAYS_AT_ONCE = 100


class Installation:
    """An installation with a history of monitored windows."""

    def __init__(self, home: Path, packages: Path, digest: str, windows: int) -> None:
        settings = load_settings(home=home)
        home.mkdir(parents=True, exist_ok=True)
        self.store = Store(settings.store_address)
        migrate_store(self.store)
        copy_package(packages, digest, settings)
        self.traffic = Traffic(settings, self.store, digest, spec(monitoring={"retrain": False}))
        self.day = 0
        self.late: Any = None
        for _ in range(windows):
            self.serve(ROWS_BEFORE)
            if self.day % DAYS_AT_ONCE == 0 or self.day == windows:
                self.monitor()

    def serve(self, rows: int) -> None:
        """One more day of answers, and the labels of the day before."""
        frame = self.traffic.serve(self.day, rows=rows)
        if self.late is not None:
            self.traffic.label(self.late, self.day + 0.5)
        self.late, self.day = frame, self.day + 1

    def monitor(self) -> tuple[float, int]:
        """Seconds, and windows recorded."""
        began = time.perf_counter()
        result = self.traffic.monitor(self.day + 0.6)
        return time.perf_counter() - began, result.windows

    def close(self) -> None:
        self.traffic.segment.close()
        self.store.close()


def run() -> dict[str, Any]:
    """Rounds in turn, one more window each; medians decide. The first round warms up and is left out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digest = small_package(folder / "packages")
        both = [Installation(folder / f"home{windows}", folder / "packages", digest, windows) for windows in (SHORT, LONG)]
        took: list[list[float]] = [[], []]
        recorded = set()
        for number in range(ROUNDS + 1):
            for one, seconds in zip(both, took, strict=True):
                one.serve(ROWS)
                spent, windows = one.monitor()
                recorded.add(windows)
                seconds += [spent] if number else []
        for one in both:
            one.close()
        shutil.rmtree(folder / "packages")
    short, long = median(took[0]), median(took[1])
    return {"id": "P2", "what": f"monitoring one more window with {LONG:,} windows of history, against {SHORT}", "ours_s": long,
            "peer_s": short, "ratio": long / short, "ours_mb": None, "peer_mb": None,
            "agreement": f"both record {sorted(recorded)} windows a round: the new one, and the one before with its labels",
            "goal": "ratio ≤ 1.1", "met": long / short <= 1.1,
            "note": f"the peer is Interlock itself with {SHORT} windows; {ROUNDS} rounds in turn, {ROWS:,} rows a window; the whole of "
                    "`monitor_use_case`, compaction and labels included.",
            "versions": {name: version(name) for name in ("polars", "numpy", "sqlalchemy")}}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
