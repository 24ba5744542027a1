"""The three ways of P5, each run in a process of its own: `python -m benchmarks.p5_ways WAY CSV FOLDER` prints seconds, memory, rows."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.drift_data import peak_mb
from benchmarks.p5_data import FLOATS, LEVELS, WHOLES, WORDS, use_case


def ours(csv: Path, folder: Path) -> dict[str, Any]:
    """`ingest`, as `interlock ingest` calls it: digest, judging, quarantine, durable Parquet, records, snapshot, profile."""
    import polars

    import reports.profiles  # noqa: F401 - loaded before the clock runs, as the other ways' libraries are
    from interlock.records.ingest import ingest
    from interlock.records.lake import lake_from, read_columns
    from interlock.records.migrate import migrate
    from interlock.records.snapshots import latest_snapshot, quarantined_rows
    from interlock.records.store import open_store
    from interlock.settings import load_settings

    settings = load_settings(home=folder / "home")
    migrate(settings)
    store = open_store(settings)
    case = use_case(csv)
    polars.thread_pool_size()
    began, worked = time.perf_counter(), time.process_time()
    result = ingest(settings, store, case)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - worked
    peak = peak_mb()
    snapshot, lake = latest_snapshot(store, case.name), lake_from(settings)
    keys = [entry["key"] for entry in snapshot.manifest["files"]] if snapshot is not None else []
    checked = sum(int(read_columns(lake, key, ["id"])["id"].sum()) for key in keys)
    refused = quarantined_rows(settings, store, case.name, 10_000_000) if result.rows_total <= 2_000_000 else None
    store.close()
    return {"seconds": seconds, "cpu_s": cpu_s, "mb": peak, "accepted": result.rows_total, "refused": result.quarantined,
            "sum_of_ids": checked, "refused_rows": int(refused["_row_number"].cast(polars.Int64).sum()) if refused is not None else None}


def pandas_pandera(csv: Path, folder: Path) -> dict[str, Any]:
    """Read with pandas, convert, validate lazily with Pandera, set the failures aside, write by month with PyArrow, describe."""
    import pandas as pd
    import pandera.errors
    import pandera.pandas as pa

    key = pa.Column("Int64", unique=True, report_duplicates="exclude_first")
    checks: dict[str, Any] = {"at": pa.Column("datetime64[us, UTC]"), "id": key}
    checks |= {name: pa.Column("Float64", pa.Check.in_range(-1_000, 1_000), nullable=True) for name in FLOATS}
    checks |= {name: pa.Column("Int64", pa.Check.in_range(0, 1_000)) for name in WHOLES}
    checks |= {name: pa.Column(str, pa.Check.isin(LEVELS), nullable=True) for name in WORDS}
    checks["y"] = pa.Column(str, pa.Check.isin(["yes", "no"]))
    schema = pa.DataFrameSchema(checks)
    began, worked = time.perf_counter(), time.process_time()
    raw = pd.read_csv(csv, dtype=dict.fromkeys(["at", *FLOATS, *WHOLES, "id"], "string"))
    frame = raw.assign(at=pd.to_datetime(raw["at"], format="%Y-%m-%dT%H:%M:%SZ", utc=True, errors="coerce").astype("datetime64[us, UTC]"),
                       **{name: pd.to_numeric(raw[name], errors="coerce").astype("Float64") for name in FLOATS},
                       **{name: pd.to_numeric(raw[name], errors="coerce").astype("Int64") for name in [*WHOLES, "id"]})
    wrong = pd.Series(False, index=frame.index)
    for name in [*FLOATS, *WHOLES, "id"]:
        wrong |= frame[name].isna() & raw[name].notna()
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        wrong.loc[error.failure_cases["index"].dropna().astype(int).unique()] = True
    good = frame[~wrong].assign(month=frame.loc[~wrong, "at"].dt.strftime("%Y-%m"))
    good.to_parquet(folder / "rows", partition_cols=["month"], compression="zstd")
    raw[wrong].to_parquet(folder / "quarantine.parquet", compression="zstd")
    profile = {name: {"quantiles": good[name].quantile([i / 100 for i in range(101)]).tolist(), "mean": float(good[name].mean()),
                      "std": float(good[name].std()), "missing": int(good[name].isna().sum())} for name in [*FLOATS, *WHOLES]}
    profile |= {name: good[name].value_counts(dropna=False).to_dict() for name in [*WORDS, "y"]}  # type: ignore[misc]
    (folder / "profile.json").write_text(json.dumps(profile, default=str), encoding="utf-8")
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - worked
    return {"seconds": seconds, "cpu_s": cpu_s, "mb": peak_mb(), "accepted": len(good),
            "refused": int(wrong.sum()), "sum_of_ids": int(good["id"].sum()), "refused_rows": int((raw.index[wrong].to_numpy() + 1).sum())}


def bare_copy(csv: Path, folder: Path) -> dict[str, Any]:
    """Polars from CSV to one Parquet file, nothing checked."""
    import polars as pl

    kinds: dict[str, Any] = dict.fromkeys(FLOATS, pl.Float64) | dict.fromkeys([*WHOLES, "id"], pl.Int64)
    began, worked = time.perf_counter(), time.process_time()
    read = pl.scan_csv(csv, schema_overrides=kinds, ignore_errors=True)
    read.sink_parquet(folder / "copy.parquet", compression="zstd", compression_level=1)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - worked
    return {"seconds": seconds, "cpu_s": cpu_s, "mb": peak_mb()}


if __name__ == "__main__":
    way, source, target = sys.argv[1:]
    print(json.dumps({"ours": ours, "peer": pandas_pandera, "bare": bare_copy}[way](Path(source), Path(target))))
