"""Batches and streams under `kill -9`: at each step, and at random moments; nothing lost, nothing twice, the same bytes.

3 random kills of each; INTERLOCK_KILLS for another number.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.control.scoring import job, stream
from interlock.control.scoring.targets import target_of
from interlock.records import compaction, ledger
from interlock.records.captured_files import captured_files
from interlock.records.compaction import compact, load_predictions
from interlock.records.lake import lake_from, read_frames
from interlock.settings import settings_environment
from tests.control.scoring_world import DAY0, NAME, Lender, applicants, requests, write_csv
from tests.control.test_scoring import files, lender, run, two_models  # noqa: F401 - fixtures

KILLS = int(os.environ.get("INTERLOCK_KILLS", "3"))
ROWS, CHUNK = 900, 30  # 30 chunks
CHILD = """
import os, signal, sys, threading
from pathlib import Path
from interlock.control.opening import opened
from interlock.control.scoring import job, stream
from interlock.control.scoring.targets import target_of
import polars, xgboost, sqlalchemy
kind, source, to, wanted = sys.argv[1:]
def after(step):
    if step == wanted:
        os.kill(os.getpid(), signal.SIGKILL)
with opened("lender") as here:
    print("ready", flush=True); sys.stdin.readline()
    if kind == "stream":
        stream.run(here.settings, here.store, "lender", Path(source), once=True, capture=True, records_max=20, after=after)
    else:
        job.score(here.settings, here.store, here.use_case, source, target_of(to, "RESULTS" if kind == "table" else None), actor="ana",
                  chunk_rows=30, capture=kind == "capture", after=after)
print("done", flush=True)
"""


def child(world: Lender, *arguments: object, kill_after_s: float | None = None) -> bool:
    """Run it in a process of its own; killed after so many seconds, or by itself at a step. Whether it came to its end."""
    environment = os.environ | settings_environment(world.settings)
    process = subprocess.Popen([sys.executable, "-c", CHILD, *map(str, arguments)], env=environment, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        process.send_signal(signal.SIGKILL)
    finished = "done" in process.stdout.read()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    return finished


def all_captured(world: Lender) -> list[str]:
    """Request ids of every compacted prediction, repeated ones each time."""
    compact(world.settings, lake_from(world.settings))
    found = captured_files(world.settings, NAME)
    return sorted(read_frames(lake_from(world.settings), [file.key for file in found])["_request_id"]) if found else []


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compacted segments go at once: a segment that was published twice would be read twice."""
    monkeypatch.setattr(compaction, "SEGMENT_KEPT_S", -1.0)


@pytest.mark.parametrize("step", ["staged 3", "wrote 3", "published 3", "ledger"])
def test_a_batch_killed_at_a_step_goes_on_and_nothing_is_twice(lender: Lender, tmp_path: Path, forgetful: None, step: str) -> None:  # noqa: F811
    path = write_csv(tmp_path / "new.csv", applicants(ROWS // 5, 9), row7={"income": "much"})
    assert not child(lender, "capture", path, tmp_path / "out", step)
    early = all_captured(lender)
    done = run(lender, path, tmp_path / "out", chunk_rows=CHUNK, capture=True)
    assert done.answered == ROWS // 5 - 1
    assert done.resumed == {"staged 3": 3, "wrote 3": 4, "published 3": 4, "ledger": 6}[step]
    run(lender, path, tmp_path / "whole", chunk_rows=CHUNK)
    assert files(tmp_path / "out").keys() == files(tmp_path / "whole").keys()
    assert {name: data for name, data in files(tmp_path / "out").items() if name != "_manifest.json"} == {
        name: data for name, data in files(tmp_path / "whole").items() if name != "_manifest.json"}
    ids = all_captured(lender)
    assert len(early) < len(ids) or step == "ledger"
    assert ids == sorted(f"k9-{number}" for number in range(ROWS // 5) if number != 6)
    with lender.store.reading() as session:
        told = [ledger.body_of(entry)["job"] for entry in ledger.entries(session, kinds=[job.KIND])]
    assert len(told) == len(set(told)) == 2
    assert not list(lender.settings.folder("capture").rglob("*.staged"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["capture", "table"])
def test_a_batch_killed_at_random_moments_comes_out_whole(lender: Lender, tmp_path: Path, forgetful: None, kind: str,  # noqa: F811
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESULTS", f"sqlite:///{tmp_path / 'results.db'}")
    path = write_csv(tmp_path / "new.csv", applicants(ROWS, 9), row7={"income": "much"})
    to = "answers" if kind == "table" else tmp_path / "out"
    draw, span = random.Random(5), 0.6
    for _ in range(KILLS):
        finished = child(lender, kind, path, to, "", kill_after_s=draw.uniform(0, span))
        span = span * 0.7 if finished else min(2.0, span * 1.2)  # stay where the work is under way
        all_captured(lender)
    target = target_of(str(to), "RESULTS" if kind == "table" else None)
    done = job.score(lender.settings, lender.store, lender.use_case, str(path), target, actor="ana", chunk_rows=CHUNK,
                     capture=kind == "capture")
    assert (done.rows, done.answered, done.refused, done.chunks) == (ROWS, ROWS - 1, 1, 30)
    run(lender, path, tmp_path / "whole", chunk_rows=CHUNK)
    wanted = pl.read_parquet(str(tmp_path / "whole/answers/**/*.parquet"), hive_partitioning=False).sort("row_number")
    if kind == "table":
        assert _table(tmp_path / "results.db") == wanted.select("row_number", "id", "score", "prediction").rows()
        return
    assert pl.read_parquet(str(tmp_path / "out/answers/**/*.parquet"), hive_partitioning=False).sort("row_number").equals(wanted)
    assert all_captured(lender) == sorted(f"k9-{number}" for number in range(ROWS) if number != 6)


def _table(path: Path) -> list[tuple[Any, ...]]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT row_number, id, score, prediction FROM answers ORDER BY row_number").fetchall()


def drop(spool: Path, name: str, lines: list[str]) -> None:
    """As a producer does: written under a hidden name, then renamed."""
    (spool / "in").mkdir(parents=True, exist_ok=True)
    (spool / "in" / f".{name}").write_text("\n".join(lines) + "\n")
    (spool / "in" / f".{name}").rename(spool / "in" / name)


def take(spool: Path, part: str = "out") -> list[dict[str, Any]]:
    """As a consumer does: read a file, then remove it."""
    found = []
    for path in sorted((spool / part).glob("*.jsonl")):
        found += [json.loads(line) for line in path.read_text().splitlines()]
        path.unlink()
    return found


def lines(seed: int, rows: int = 150) -> list[str]:
    """Records of a file, every 40th of them none."""
    return ["{not json" if number % 40 == 13 else json.dumps(record) for number, record in enumerate(requests(applicants(rows, seed)))]


@pytest.mark.parametrize("step", ["answered", "committed"])
def test_a_stream_killed_at_a_step_loses_and_doubles_nothing(lender: Lender, tmp_path: Path, forgetful: None, step: str) -> None:  # noqa: F811
    drop(tmp_path, "a.jsonl", lines(3, 50))
    assert not child(lender, "stream", tmp_path, "-", step)
    done = stream.run(lender.settings, lender.store, NAME, tmp_path, once=True, capture=True, records_max=20)
    assert done.answered == {"answered": 49, "committed": 30}[step]  # 19 of the first 20 records are good
    wanted = sorted(f"k3-{number}" for number in range(50) if number != 13)
    assert sorted(row["id"] for row in take(tmp_path)) == all_captured(lender) == wanted


@pytest.mark.timeout(300)
def test_a_stream_killed_at_random_moments_with_swaps_loses_and_doubles_nothing(lender: Lender, tmp_path: Path,  # noqa: F811
                                                                                forgetful: None) -> None:
    draw, span, seeds = random.Random(6), 0.5, range(3, 7)
    for seed in seeds:
        drop(tmp_path, f"{seed}.jsonl", lines(seed))
    taken: list[dict[str, Any]] = []
    for kill in range(KILLS):
        lender.route_to(1 + kill % 2, generation=2 + kill)
        finished = child(lender, "stream", tmp_path, "-", "", kill_after_s=draw.uniform(0.05, span))
        span = span * 0.7 if finished else min(2.0, span * 1.2)
        taken += take(tmp_path)
        all_captured(lender)
    stream.run(lender.settings, lender.store, NAME, tmp_path, once=True, capture=True, records_max=20)
    taken += take(tmp_path)
    good = [f"k{seed}-{number}" for seed in seeds for number in range(150) if number % 40 != 13]
    assert sorted(row["id"] for row in taken) == sorted(good) == all_captured(lender)
    assert len({(row["source"]["file"], row["source"]["offset"]) for row in taken}) == len(good)
    assert {(row["version"], row["digest"]) for row in taken} <= {(1, lender.digests[0]), (2, lender.digests[1])}
    assert len(take(tmp_path, "quarantine")) == 4 * 4
    seen = load_predictions(lender.settings, NAME, DAY0, DAY0.replace(year=2025))
    assert {row["id"]: row["digest"] for row in taken} == dict(seen.select("_request_id", "_digest").iter_rows())
