"""The one line of numbers that pages draw over time, kept apart from a window's findings so that they need not be read.

It stands in the window's `reports` under `series`: `columns` (PSI per column) and `metrics` (findings over all rows), each as
`[value, low, high, n, state, note, unit, detail]`; a note only where there is no value, a detail only of `DETAILED`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.rules.findings import Finding, State

KEY = "series"
PSI = "drift.psi"
DETAILED = frozenset({"performance.drop", "serving.abstained_share"})  # when made and now; how often for which reason
NOTE_MAX = 200  # characters


def series_of(findings: Iterable[Finding]) -> dict[str, dict[str, list[Any]]]:
    """The line of one window; of two findings with one metric over all rows the first stays."""
    columns: dict[str, list[Any]] = {}
    metrics: dict[str, list[Any]] = {}
    for finding in findings:
        if finding.metric == PSI and finding.segment.startswith("column="):
            columns.setdefault(finding.segment.removeprefix("column="), _entry(finding))
        elif finding.segment == "all":
            metrics.setdefault(finding.metric, _entry(finding))
    return {"columns": columns, "metrics": metrics}


def _entry(finding: Finding) -> list[Any]:
    known = finding.state is State.OK and finding.value is not None
    ends = (finding.value, finding.low, finding.high) if known else (None, None, None)
    return [*ends, finding.sample_size, finding.state.value, "" if known else finding.note[:NOTE_MAX], finding.unit,
            finding.detail if finding.metric in DETAILED else {}]
