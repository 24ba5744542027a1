"""Typed frames from captured frames: one type per column for ever, whatever a client sent.

The body of a captured frame of predictions has one of two forms:

    {"kind", "columns", "rows": [{name: value}]}                                       a few rows
    {"kind", "columns", "count": n, "same": {name: value}, "lists": {name: [n values]}}   a batch: by column, and once what is the same
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

Part = list[dict[str, Any]] | dict[str, Any]  # rows, or the body of a batch


def predictions_schema() -> dict[str, pl.DataType]:
    """Columns that every prediction has."""
    import polars as pl

    time = pl.Datetime("us", "UTC")
    return {"_request_id": pl.String(), "_version": pl.Int64(), "_digest": pl.String(), "_generation": pl.Int64(), "_arm": pl.String(),
            "_event_time": time, "_seen_time": time, "_score": pl.Float64(), "_scores": pl.List(pl.Float64()), "_prediction": pl.String(),
            "_interval": pl.List(pl.Float64()), "_latency_ms": pl.Float64(), "_flags": pl.List(pl.String())}


def labels_schema(label: pl.DataType) -> dict[str, pl.DataType]:
    """Columns of the labels; the label is Float64, or String for classes."""
    import polars as pl

    time = pl.Datetime("us", "UTC")
    return {"_request_id": pl.String(), "_label": label, "_label_seen_time": time, "_received_at": time}


def predictions_frame(bodies: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """One row per prediction: features by kind (numbers Float64, categories and context String), then the system columns."""
    import polars as pl

    parts: list[Part] = []
    kinds: dict[str, str] = {}
    for body in bodies:
        if "rows" not in body:
            parts.append(body)
        elif parts and isinstance(parts[-1], list):
            parts[-1] += body["rows"]
        else:
            parts.append(list(body["rows"]))
        for columns in body["columns"].values():
            kinds |= columns
    types: dict[str, Any] = {"numeric": pl.Float64(), "boolean": pl.Boolean()}
    columns = {name: _series(name, _values(parts, name), types.get(kind)) for name, kind in kinds.items()}
    for name, dtype in predictions_schema().items():
        columns[name] = pl.Series(name, _values(parts, name), dtype=dtype, strict=False)
    return pl.DataFrame(list(columns.values()))


def rows_in(body: Mapping[str, Any]) -> int:
    """Rows of a captured frame, in either form."""
    return int(body["count"]) if "count" in body else len(body["rows"])


def _values(parts: list[Part], name: str) -> list[Any]:
    """One column of all rows, in their order; None where a row has no such value."""
    values: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            values += [row.get(name) for row in part]
        elif name in part["lists"]:
            values += part["lists"][name]
        else:
            values += [part["same"].get(name)] * part["count"]
    return values


def labels_frame(bodies: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """One row per label delivered, corrections included, in the order of delivery."""
    import polars as pl

    rows = [row for body in bodies for row in body["rows"]]
    is_text = any(isinstance(row["_label"], str) for row in rows)
    schema = labels_schema(pl.String() if is_text else pl.Float64())
    return pl.DataFrame([pl.Series(name, [row[name] for row in rows], dtype=dtype, strict=False) for name, dtype in schema.items()])


def _series(name: str, values: list[Any], dtype: pl.DataType | None) -> pl.Series:
    import polars as pl

    if dtype is None:  # texts: whole numbers and booleans count as their text, as in a snapshot
        return pl.Series(name, [value if value is None or type(value) is str else _text(value) for value in values], dtype=pl.String())
    if isinstance(dtype, pl.Boolean):
        return pl.Series(name, [None if value is None else bool(value) for value in values], dtype=dtype)
    return pl.Series(name, [None if value is None else float(value) for value in values], dtype=dtype)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
