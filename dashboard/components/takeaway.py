"""What a reader takes away from a chart: its values as a CSV file, and a file name that says what it holds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import unescape
from typing import Any

NAME_MAX = 120
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run text that starts so (OWASP, CSV injection)
Row = Mapping[str, object]


def file_name(*parts: str) -> str:
    """`Drift by column`, `flight_delays`, `2013-05-04` → `drift-by-column_flight_delays_2013-05-04`; never longer than `NAME_MAX`."""
    clean = [re.sub(r"[^a-z0-9_]+", "-", part.lower().replace(":", "")).strip("-") for part in parts]
    return "_".join(filter(None, clean))[:NAME_MAX] or "chart"


def csv_later(figure: Any, rows: Sequence[Row] | None) -> Callable[[], bytes]:
    """Builds the file when somebody asks for it and not before."""
    return lambda: csv_of(list(rows) if rows is not None else rows_of(figure))


def csv_of(rows: Iterable[Row]) -> bytes:
    """UTF-8 with a byte-order mark, which spreadsheets need; every column that any row has; times in UTC, ISO 8601; missing is empty."""
    held = list(rows)
    columns = list(dict.fromkeys(str(name) for row in held for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(map(_cell, columns))
    writer.writerows([_cell(row.get(name)) for name in columns] for row in held)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def rows_of(figure: Any) -> list[dict[str, object]]:
    """The values a figure draws, trace by trace; a heat map cell by cell. Intervals become `low` and `high`; lines drawn to guide the eye
    (they answer no pointer) hold no value and are left out."""
    return [row for trace in figure.data for row in _trace(trace)]


def _trace(trace: Any) -> list[dict[str, object]]:
    name = {"series": trace.name} if trace.name else {}
    if trace.type == "heatmap":
        grid = [list(line) for line in trace.z if line is not None] if trace.z is not None else []
        across = _values(trace.x) or list(range(max(map(len, grid), default=0)))
        down = _values(trace.y) or list(range(len(grid)))
        cells = zip(down, grid, strict=False)
        return [{**name, "x": x, "y": y, "value": z} for y, line in cells for x, z in zip(across, line, strict=False)]
    if trace.hoverinfo == "skip":
        return _band(trace) if trace.fill == "toself" else []
    columns: dict[str, list[object]] = {axis: _values(trace[axis]) for axis in ("x", "y") if axis in trace}
    if isinstance(trace.text if "text" in trace else None, (list, tuple)):
        columns["text"] = _values(trace.text)
    length = max(map(len, columns.values()), default=0)
    rows: list[dict[str, object]] = [
        {**name, **{axis: values[n] if n < len(values) else None for axis, values in columns.items() if values}} for n in range(length)
    ]
    for axis in ("x", "y"):
        _interval(rows, trace, axis)
    return rows


def _band(trace: Any) -> list[dict[str, object]]:
    """A shaded interval is one outline: forth along its top, back along its bottom."""
    x, y = _values(trace.x), _values(trace.y)
    half = len(x) // 2
    return [{"series": trace.name or "interval", "x": x[n], "low": y[-1 - n], "high": y[n]} for n in range(half)]


def _interval(rows: list[dict[str, object]], trace: Any, axis: str) -> None:
    if f"error_{axis}" not in trace or trace[f"error_{axis}"].array is None:
        return
    error = trace[f"error_{axis}"]
    up, down = _values(error.array), _values(error.arrayminus if error.arrayminus is not None else error.array)
    for row, above, below in zip(rows, up, down, strict=False):
        value: Any = row.get(axis)
        if isinstance(value, (int, float)) and isinstance(above, (int, float)) and isinstance(below, (int, float)):
            row |= {f"{axis} low": value - below, f"{axis} high": value + above}


def _values(held: Any) -> list[object]:
    """A trace's values as a list; numpy's numbers become Python's."""
    if held is None or isinstance(held, str):
        return []
    return list(held.tolist() if hasattr(held, "tolist") else held)


def _cell(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, (int, float)):
        return str(value)
    said = unescape(str(value))  # figures hold text made harmless for their own mark-up
    return f"'{said}" if said.startswith(FORMULA) else said
