"""Features that did not exist for a part of the history: one value for a long stretch, then alive (or alive, then dead).

A column that a source begins to fill in the middle of the history holds a placeholder before. A model takes the placeholder for a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State

ROWS_MIN = 1_000
STRETCH_MIN = 200
STRETCH_SHARE = 0.02
ODDS_MIN = 50.0
RETURNS_MAX = 0.01
NULL_RETURNS_MAX = 0.5


def alive_findings(frame: pl.DataFrame, features: Sequence[str], times: pl.Series) -> list[Finding]:
    """`quality.came_alive`: number of features with a dead stretch at one end of the history, and one `quality.dead_stretch` for each.

    `frame`: n rows in order of `times` (n,). A stretch is dead where (1) at least 200 rows and 2 % of all, from the first (up to the last)
    row hold one and the same value, missing counting as one; (2) it is at least 50 times as long as runs of one value are in the rest,
    so that columns that move in steps (an index of the month) are not named; (3) the value is a placeholder: at most 1 % of the rest
    holds it (missing: at most half). came_alive: range [0, f], 0 = none. dead_stretch: segment `column=<name>`, value = number of the row
    at which it changes (rows count from 0), n = rows, `detail` = {column, row, time, rows, dead: "before" | "after"}. Fewer than
    1,000 rows: TOO_FEW. Own rule, measured on the seven public data sets (docs/gates.md): it names the three columns of elec2 and no other.
    """
    rows = frame.height
    if rows < ROWS_MIN:
        return [Finding(metric="quality.came_alive", sample_size=rows, needed=ROWS_MIN, unit="columns", state=State.TOO_FEW,
                        note=f"not enough evidence: n = {rows:,}, at least {ROWS_MIN:,} rows needed to see a stretch")]
    found = [finding for name in features if name in frame.columns
             for finding in (_stretch(frame[name], times, dead="before") or _stretch(frame[name], times, dead="after"),) if finding]
    note = " ".join(finding.note for finding in found)
    columns = [finding.detail["column"] for finding in found]
    return [Finding(metric="quality.came_alive", value=float(len(found)), sample_size=rows, unit="columns", note=note,
                    detail={"columns": columns}), *found]


def _stretch(column: pl.Series, times: pl.Series, *, dead: str) -> Finding | None:
    plain = column.fill_nan(None) if column.dtype.is_float() else column
    ordered = plain if dead == "before" else plain.reverse()
    changes = ordered.ne_missing(ordered.shift(1)).to_numpy()[1:]
    length = _dead_length(ordered, changes)
    if length is None:
        return None
    row = length if dead == "before" else plain.len() - length
    moment = times[row]
    when = f"{moment:%Y-%m-%d %H:%M} UTC" if isinstance(moment, datetime) else f"row {row:,}"
    value = "missing" if ordered[0] is None else "the same value"
    words = f"'{column.name}' is {value} in the first {row:,} of {plain.len():,} rows and varies from {when} on."
    if dead == "after":
        words = f"'{column.name}' varies until {when} and is {value} in the last {length:,} of {plain.len():,} rows."
    return Finding(metric="quality.dead_stretch", value=float(row), sample_size=plain.len(), unit="row", segment=f"column={column.name}",
                   note=words, detail={"column": column.name, "row": row, "rows": plain.len(), "dead": dead, "time": str(moment)})


def _dead_length(ordered: pl.Series, changes: NDArray[np.bool_]) -> int | None:
    """Length of the dead stretch at the beginning, None where there is none. `changes[i]`: row i + 1 differs from row i."""
    places = np.flatnonzero(changes)
    if not places.size:
        return None
    length = int(places[0]) + 1
    rest = changes[length:]
    if length < max(STRETCH_MIN, STRETCH_SHARE * ordered.len()) or not rest.size:
        return None
    again = int(ordered[length:].eq_missing(pl.Series([ordered[0]], dtype=ordered.dtype)).sum()) / rest.size
    limit = NULL_RETURNS_MAX if ordered[0] is None else RETURNS_MAX
    return length if float(rest.mean()) * length >= ODDS_MIN and again <= limit else None
