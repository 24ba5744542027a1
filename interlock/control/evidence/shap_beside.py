"""SHAP's own plots of a candidate as files of its evidence: drawn by a child process beside the other reports, and never waited for
without end. They inform and decide nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from interlock.control.evidence.beside import Child, done, ended, start
from interlock.control.evidence.case import Case
from interlock.errors import InterlockError
from interlock.rules.findings import Finding, State, failed
from reports.shap_pictures import NAMES, ROWS_MAX, write_request

TIMEOUT_S = 120.0
METRIC = "report.shap_plots"


@dataclass(frozen=True)
class Drawing:
    """Pictures on their way: the child, its folder, and how many rows they show."""

    child: Child
    folder: Path
    rows: int
    started: float

    def collect(self, timeout_s: float = TIMEOUT_S) -> tuple[dict[str, bytes], Finding]:
        """The files and the finding about them. Raises `Unavailable` beyond `timeout_s` from its start, `DataError` where it failed."""
        done(self.child, self.folder, self.started, timeout_s, late="SHAP's plots were not drawn in time",
             broken="SHAP's plots could not be drawn", again="they decide nothing; validate again for the files")
        files = {f"{name}.{kind}": (self.folder / f"{name}.{kind}").read_bytes() for name in NAMES for kind in ("png", "svg")}
        return files, Finding(metric=METRIC, sample_size=self.rows, note=f"SHAP's own plots of {self.rows:,} held-out rows; they inform.")


@contextmanager
def drawn_beside(case: Case, *, wanted: bool) -> Iterator[Drawing | Finding | None]:
    """Start the pictures of the rows that `explain_reports.explanation` explained; a child that still runs at the end is killed.

    None: not wanted, or nothing to draw (no row, several classes). A finding: they cannot be made here, with the reason.
    """
    made = case.shared.get("explained")
    if not wanted or made is None or made.made.contributions.ndim != 2 or not made.picked.size:
        yield None
        return
    if find_spec("shap") is None or find_spec("matplotlib") is None:
        yield Finding(metric=METRIC, state=State.MISSING, note="shap or matplotlib is not installed here, so SHAP's plots were not drawn")
        return
    with tempfile.TemporaryDirectory(prefix="interlock-shap-") as folder:
        try:
            drawing = _start(case, made.made.contributions, made.values.astype(np.float64), Path(folder))
        except (InterlockError, OSError) as error:
            yield failed(METRIC, error)
            return
        with ended(drawing.child):
            yield drawing


def _start(case: Case, contributions: np.ndarray, values: np.ndarray, folder: Path) -> Drawing:
    from reports.explain import sample_rows

    some = sample_rows(len(values), seed=case.seed, rows_max=ROWS_MAX)
    names = case.package.manifest.features.names
    write_request(folder, contributions[some], values[some], names, title=case.use_case.title or case.use_case.name)
    child = start("reports.shap_pictures", folder, {"MPLCONFIGDIR": str(folder)})
    return Drawing(child, folder, int(some.size), time.monotonic())
