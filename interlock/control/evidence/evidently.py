"""Evidently's drift report beside the other reports: a child process, started first and collected last, never waited for without end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interlock.control.evidence.case import Case
from interlock.control.evidence.observed import comparable, traffic
from interlock.errors import DataError, InterlockError, Unavailable
from interlock.modeling.making import profile_columns
from interlock.modeling.probe import INHERITED
from interlock.rules.findings import Finding, failed
from reports.evidently_child import BODY, FAILURE, HTML, write_request

ROWS_MAX = 5_000
TIMEOUT_S = 180.0
METRIC = "report.evidently"


@dataclass(frozen=True)
class Pending:
    """A report on its way: the child, its folder, and what it compares."""

    child: subprocess.Popen[bytes]
    folder: Path
    other: str
    rows: int
    started: float

    def collect(self, timeout_s: float = TIMEOUT_S) -> tuple[dict[str, bytes], Finding]:
        """Its files and the finding about it. Raises `Unavailable` where it takes more than `timeout_s` from its start, and
        `DataError` where it failed."""
        left = max(1.0, timeout_s - (time.monotonic() - self.started))
        try:
            code = self.child.wait(left)
        except subprocess.TimeoutExpired as error:
            raise Unavailable("Evidently's report did not end in time", value=f"{timeout_s:g} s",
                              next_step="it decides nothing; validate again for the attachment") from error
        if code:
            raise DataError("Evidently's report failed", value=self._said(code))
        files = {"evidently-drift.html": (self.folder / HTML).read_bytes(), "evidently-drift.json": (self.folder / BODY).read_bytes()}
        note = (f"Evidently compared training rows with {self.other}, at most {ROWS_MAX:,} of each; it informs and decides nothing.")
        return files, Finding(metric=METRIC, sample_size=min(self.rows, ROWS_MAX), note=note)

    def _said(self, code: int) -> str:
        path = self.folder / FAILURE
        if not path.is_file():
            return f"the process ended with {code}"
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"{told['type']}: {told['text']}"


@contextmanager
def evidently_beside(case: Case, *, wanted: bool) -> Iterator[Pending | Finding | None]:
    """Start the report; a child that still runs at the end of the block is killed. None: not wanted. A finding: it could not be started."""
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="interlock-evidently-") as folder:
        try:
            pending = _start(case, Path(folder))
        except (InterlockError, pl.exceptions.PolarsError, OSError) as error:
            yield failed(METRIC, error)
            return
        try:
            yield pending
        finally:
            if pending.child.poll() is None:
                pending.child.kill()
                pending.child.wait()


def _start(case: Case, folder: Path) -> Pending:
    """Training rows against the newest requests, or against the held-out rows where there are none yet."""
    columns = profile_columns(case.use_case)
    rows, other = traffic(case), "captured requests"
    if rows.is_empty():
        rows, other = case.held_out.rows, "held-out rows"
    learned = case.held_out.split.fit_rows
    kinds: dict[str, Any] = {name: kind for name, kind in columns.items() if name in rows.columns and name in learned.columns}
    sides = [comparable(_sampled(frame, case.seed), kinds) for frame in (learned, rows)]
    write_request(folder, sides[0], sides[1], kinds, rows_max=ROWS_MAX, seed=case.seed, rows=(learned.height, rows.height))
    environment = {name: os.environ[name] for name in (*INHERITED, "DO_NOT_TRACK") if name in os.environ} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "reports.evidently_child", str(folder)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,  # noqa: S603 - our own module
                             stdin=subprocess.DEVNULL)
    return Pending(child, folder, other, rows.height, time.monotonic())


def _sampled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    if frame.height <= ROWS_MAX:
        return frame
    return frame[np.sort(np.random.default_rng(seed).choice(frame.height, ROWS_MAX, replace=False))]
