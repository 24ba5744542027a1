"""Estimates without labels on real data: ours beside NannyML's published methods (CBPE, DLE), both held against the truth.

    INTERLOCK_PEER_PYTHON=/path/to/a/python/with/nannyml python -m benchmarks.estimates

Per use case: a model is fitted on the oldest rows, the next ones are the reference, the held-out rows come in chunks of 1,000. NannyML is
no dependency of this project: without the variable only our own figures are printed. Results: `results/estimates.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interlock.control.evidence.estimates import estimated
from interlock.control.frames import modelling_frame
from interlock.modeling.error_model import error_model, fit_error_model
from interlock.modeling.features import FeatureSpace
from interlock.modeling.fitting import fit_on
from interlock.modeling.split import split_rows, target
from interlock.modeling.trials import FIRST_TRIAL, fixed_parameters
from interlock.records.ingest import ingest
from interlock.records.migrate import migrate_store
from interlock.records.snapshots import latest_snapshot
from interlock.records.store import Store
from interlock.settings import load_settings
from interlock.spec.load import find_use_case
from reports.estimate_loss import examine
from reports.estimate_reference import Reference, class_reference
from reports.performance import figures_of

USE_CASES = ("adult_income", "credit_default", "elec2", "flight_delays", "bike_hours")
CHUNK, CHUNKS_MAX, ROUNDS, ROWS_MAX, SEED = 1_000, 25, 150, 40_000, 2013
RESULTS = Path(__file__).resolve().parent / "results" / "estimates.json"
SHOWN = {"binary": ("auc", "accuracy", "f1"), "regression": ("mae", "rmse")}


def main() -> None:
    """Every use case in turn; prints the table and writes the results."""
    found = [measure(name) for name in USE_CASES]
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print("| use case | metric | chunks | ours: mean error | inside | NannyML: mean error | ours - NannyML | ours, s | NannyML, s |")
    for one in found:
        for metric, row in one["metrics"].items():
            peer = ("–", "–") if row["peer_error"] is None else (f"{row['peer_error']:.4f}", f"{row['difference']:.4f}")
            print(f"| {one['use_case']} | {metric} | {one['chunks']} | {row['error']:.4f} | {row['inside']:.0%} | {peer[0]} | {peer[1]} "
                  f"| {one['seconds']:.2f} | {one['peer_seconds'] or 0:.2f} |")


def measure(name: str) -> dict[str, Any]:
    """Mean absolute error of both estimates per metric, share of true values inside our interval, mean |ours - NannyML|."""
    task, reference, analysis, inputs = rows_of(name)
    chunks = [analysis[start:start + CHUNK] for start in range(0, analysis.height - CHUNK + 1, CHUNK)][:CHUNKS_MAX]
    begin = time.perf_counter()
    known = reference_from(task, reference, inputs)
    own = [estimated(known, chunk["score"].to_numpy(), matrix(chunk, inputs), rows_min=50, seed=SEED) for chunk in chunks]
    seconds = time.perf_counter() - begin
    true = [{one.metric: one.value for one in figures_of(task, chunk["y"].to_numpy(), chunk["score"].to_numpy())} for chunk in chunks]
    peer = asked(task, reference, pl.concat(chunks), inputs)
    rows = {}
    for metric in SHOWN[task]:
        ours = [next(one for one in told if one.metric == f"performance.estimated_{metric}") for told in own]
        truth = np.array([one[f"performance.{metric}"] for one in true], dtype=float)
        values = np.array([one.value for one in ours], dtype=float)
        theirs = np.array(peer["values"][metric], dtype=float) if peer else None
        rows[metric] = {
            "error": float(np.abs(values - truth).mean()),
            "inside": float(np.mean([(one.low or 0) <= t <= (one.high or 0) for one, t in zip(ours, truth, strict=True)])),
            "peer_error": None if theirs is None else float(np.abs(theirs - truth).mean()),
            "difference": None if theirs is None else float(np.abs(theirs - values).mean())}
    return {"use_case": name, "chunks": len(chunks), "reference_rows": reference.height, "metrics": rows, "seconds": seconds,
            "peer_seconds": peer["seconds"] if peer else None, "peer_version": peer["version"] if peer else None}


def rows_of(name: str) -> tuple[Any, pl.DataFrame, pl.DataFrame, list[str]]:
    """Task, reference and analysis rows (`y`, `score`, `decided` and the inputs as numbers), names of the inputs."""
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(home=Path(home))
        store = Store(settings.store_address)
        migrate_store(store)
        use_case = find_use_case(settings, name)[1]
        ingest(settings, store, use_case)
        snapshot = latest_snapshot(store, name)
        frame = modelling_frame(settings, store, use_case, snapshot.digest if snapshot else "")
        store.close()
    split = split_rows(use_case, frame)
    learned = split.train.tail(ROWS_MAX)
    task = use_case.prediction.task
    fixed = fixed_parameters(use_case, FeatureSpace.fit(use_case, learned), learned.height)
    parameters = {**fixed, **FIRST_TRIAL, "seed": SEED}
    fitted = fit_on(use_case, learned, parameters, ROUNDS)
    parts = []
    for part in (split.validation.tail(ROWS_MAX // 4), split.test):
        margins = fitted.margins(part, 2).astype(np.float64)
        score = 1 / (1 + np.exp(-margins)) if task == "binary" else margins
        inputs = fitted.space.encode_frame(part)
        columns = {f"x{place}": inputs[:, place].astype(np.float64) for place in range(inputs.shape[1])}
        columns |= {"y": target(use_case.prediction, part), "score": score, "decided": (score >= 0.5).astype(np.float64)}
        parts.append(pl.DataFrame(columns))
    return task, parts[0], parts[1], [name for name in parts[0].columns if name.startswith("x")]


def reference_from(task: Any, rows: pl.DataFrame, inputs: list[str]) -> Reference:
    """The reference as the control side makes it."""
    if task == "binary":
        return class_reference(task, rows["y"].to_numpy(), rows["score"].to_numpy(), seed=SEED)
    import base64

    wide = np.column_stack([matrix(rows, inputs), rows["score"].to_numpy()]).astype(np.float32)
    error = (rows["score"] - rows["y"]).to_numpy()
    kept: dict[str, float | str] = {}
    for name, loss in (("absolute", np.abs(error)), ("squared", error**2)):
        level = examine(wide, loss, lambda given, losses: error_model(fit_error_model(given, losses, seed=SEED, threads=2)), seed=SEED)
        kept |= {name: base64.b64encode(fit_error_model(wide, loss, seed=SEED, threads=2)).decode(), f"{name}_scale": level.scale,
                 f"{name}_spread": level.spread}
    return Reference(task=task, rows=rows.height, errors=kept)


def matrix(rows: pl.DataFrame, inputs: list[str]) -> Any:
    """The inputs as the model takes them."""
    return rows.select(inputs).to_numpy().astype(np.float32)


def asked(task: str, reference: pl.DataFrame, analysis: pl.DataFrame, inputs: list[str]) -> dict[str, Any] | None:
    """NannyML's answer, None where no interpreter that has it is named."""
    python = os.environ.get("INTERLOCK_PEER_PYTHON")
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        reference.fill_nan(None).write_csv(Path(folder) / "reference.csv")
        analysis.fill_nan(None).write_csv(Path(folder) / "analysis.csv")
        (Path(folder) / "task.json").write_text(json.dumps({"kind": task, "chunk": CHUNK, "inputs": inputs}))
        command = [python, str(Path(__file__).with_name("estimates_peer.py")), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
