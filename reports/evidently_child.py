"""Evidently's report in a process of its own: `python -m reports.evidently_child FOLDER`.

Importing Evidently takes 10 to 17 s, so the caller starts this first and collects it last. FOLDER holds `request.json`,
`reference.parquet` and `current.parquet`; written are `drift.html` and `drift.json`, or `error.json` with type and text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

from reports.child import made

REFERENCE, CURRENT, REQUEST = "reference.parquet", "current.parquet", "request.json"
HTML, BODY = "drift.html", "drift.json"


def write_request(folder: Path, reference: pl.DataFrame, current: pl.DataFrame, kinds: dict[str, Any], *, rows_max: int, seed: int,
                  rows: tuple[int, int]) -> None:
    """Put a request into an empty folder. `rows`: how many rows the two (already sampled) frames stand for."""
    reference.write_parquet(folder / REFERENCE)
    current.write_parquet(folder / CURRENT)
    body = {"kinds": kinds, "rows_max": rows_max, "seed": seed, "reference_rows": rows[0], "current_rows": rows[1]}
    (folder / REQUEST).write_text(json.dumps(body), encoding="utf-8")


def answer(folder: Path) -> None:
    """Make the report that the folder asks for."""
    from reports.evidently_report import drift_report

    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    html, body = drift_report(pl.read_parquet(folder / REFERENCE), pl.read_parquet(folder / CURRENT), request["kinds"],
                              rows_max=request["rows_max"], seed=request["seed"])
    body["sample"] |= {"reference_rows": request["reference_rows"], "current_rows": request["current_rows"]}
    (folder / HTML).write_bytes(html)
    (folder / BODY).write_bytes(json.dumps(body, ensure_ascii=False, sort_keys=True).encode())


if __name__ == "__main__":
    sys.exit(made(sys.argv[1:], answer))
