"""Evidently's drift report beside the other reports: a child process, started first and collected last, never waited for without end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interlock.control.evidence.beside import Child, done, ended, start
from interlock.control.evidence.case import Case
from interlock.control.evidence.observed import comparable, traffic
from interlock.errors import InterlockError
from interlock.modeling.making import profile_columns
from interlock.rules.findings import Finding, failed
from reports.evidently_child import BODY, HTML, write_request

ROWS_MAX = 5_000
TIMEOUT_S = 180.0
METRIC = "report.evidently"


@dataclass(frozen=True)
class Pending:
    """A report on its way: the child, its folder, and what it compares."""

    child: Child
    folder: Path
    other: str
    rows: int
    started: float

    def collect(self, timeout_s: float = TIMEOUT_S) -> tuple[dict[str, bytes], Finding]:
        """Its files and the finding about it. Raises `Unavailable` where it takes more than `timeout_s` from its start, and
        `DataError` where it failed."""
        done(self.child, self.folder, self.started, timeout_s, late="Evidently's report did not end in time",
             broken="Evidently's report failed", again="it decides nothing; validate again for the attachment")
        files = {"evidently-drift.html": (self.folder / HTML).read_bytes(), "evidently-drift.json": (self.folder / BODY).read_bytes()}
        note = (f"Evidently compared training rows with {self.other}, at most {ROWS_MAX:,} of each; it informs and decides nothing.")
        return files, Finding(metric=METRIC, sample_size=min(self.rows, ROWS_MAX), note=note)


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
        with ended(pending.child):
            yield pending


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
    child = start("reports.evidently_child", folder, {}, inherited=("DO_NOT_TRACK",))
    return Pending(child, folder, other, rows.height, time.monotonic())


def _sampled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    if frame.height <= ROWS_MAX:
        return frame
    return frame[np.sort(np.random.default_rng(seed).choice(frame.height, ROWS_MAX, replace=False))]
