"""Ingestion under `kill -9`: a child process dies at random moments; a replay loses and doubles nothing.

20 kills; 5 where CI is set, INTERLOCK_KILLS for another number. The broken variant of this law is in test_broken_variants.py.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from interlock.records.ingest import ingest
from interlock.records.lake import lake_from
from interlock.records.snapshots import load_snapshot, quarantined_rows
from interlock.records.store import Store
from interlock.settings import Settings, settings_environment

KILLS = int(os.environ.get("INTERLOCK_KILLS", "5" if os.environ.get("CI") else "20"))
ROWS, FILES = 4_000, 3
CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from interlock.records import byte_blocks, sources_csv
byte_blocks.RecordBlocks.__init__.__defaults__ = (16_384,)  # many small blocks
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("tiny_case", sys.argv[2]); module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from interlock.records.ingest import ingest
from interlock.records.store import open_store
from interlock.settings import load_settings
import polars, sqlalchemy
settings = load_settings(); store = open_store(settings)
case = module.tiny(Path(sys.argv[3]))
from interlock.modeling import schema
schema.violations(polars.DataFrame(schema={name: schema.polars_type(column) for name, column in case.columns.items()}), case)
print("ready", flush=True); sys.stdin.readline()
ingest(settings, store, case)
print("done", flush=True)
"""


def _write(folder: Path) -> int:
    """Three files with bad rows of each kind; the number of all records."""
    total = 0
    for number in range(FILES):
        lines = []
        for row in range(ROWS):
            key = number * ROWS + row
            at = f"2024-{1 + number:02d}-{1 + row % 28:02d}T10:00:00Z"
            age, pay = ("-4" if row % 97 == 0 else str(20 + row % 50)), ("much" if row % 89 == 0 else f"{row}.5")
            surplus = ",more" if row % 101 == 0 else ""
            lines.append(f"{key if row % 83 else 0},{at},{age},Graz,{pay},{'yes' if row % 3 else 'no'}{surplus}")
        (folder / f"part-{number}.csv").write_text("id,at,age,city,pay,y\n" + "\n".join(lines) + "\n")
        total += ROWS
    return total


@pytest.mark.timeout(300)
def test_kills_at_random_moments_lose_and_double_nothing(settings: Settings, store: Store, tmp_path: Path, make_use_case: Any) -> None:
    source = tmp_path / "in"
    source.mkdir()
    total = _write(source)
    case = make_use_case(source / "part-*.csv")
    draw = random.Random(4)
    reference = settings.model_copy(update={"home": tmp_path / "reference"})
    wanted = _undisturbed(reference, case)
    root = str(Path(__file__).parents[2])
    child = [sys.executable, "-c", CHILD, root, str(Path(__file__).parent / "conftest.py"), str(source / "part-*.csv")]
    killed, span = 0, 0.4
    while killed < KILLS:
        process = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=os.environ | settings_environment(settings) | {"INTERLOCK_HOME": str(settings.home)})
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(draw.uniform(0, span))
        process.kill()
        finished = "done" in process.stdout.read()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        killed += 1
        span = max(0.05, span * 0.9) if finished else min(2.0, span * 1.05)  # stay where the work is under way
        _nothing_torn(settings)
    result = ingest(settings, store, case)
    again = ingest(settings, store, case)
    assert (again.changed, again.new_rows) == (False, 0)
    assert (result.rows_total + result.quarantined, again.snapshot_digest) == (total, result.snapshot_digest)
    frame = load_snapshot(settings, store, result.snapshot_digest)
    refused = quarantined_rows(settings, store, "tiny", total)
    assert (sorted(frame["_row_id"]), sorted(refused.select("_source", "_row_number").rows())) == wanted


def _undisturbed(settings: Settings, case: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    from interlock.records.migrate import migrate
    from interlock.records.store import open_store

    migrate(settings)
    store = open_store(settings)
    result = ingest(settings, store, case)
    frame = load_snapshot(settings, store, result.snapshot_digest)
    refused = quarantined_rows(settings, store, "tiny", 10**9)
    store.close()
    return sorted(frame["_row_id"]), sorted(refused.select("_source", "_row_number").rows())


def _nothing_torn(settings: Settings) -> None:
    """Every file of the lake is whole: its bytes are those of its name."""
    lake = lake_from(settings)
    for kind in ("rows", "quarantine", "profiles"):
        for key in lake.keys("tiny", kind):
            lake.get(key)
