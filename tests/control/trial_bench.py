"""An installation in which a small real candidate (census rows) is made and judged, with faults planted in its data or its process."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interlock.control.evidence.validation import validate_candidate
from interlock.control.training import train_candidate
from interlock.modeling.package import folder_of
from interlock.records.ingest import ingest
from interlock.records.migrate import migrate_store
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, RouteRow
from interlock.rules.evidence import Evidence
from interlock.rules.gates import GateResult, Verdict
from interlock.rules.routes import Route, Slot
from interlock.settings import Settings, load_settings
from interlock.spec.load import find_use_case

NAME = "census"
NUMBERS = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
COLUMNS = ("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race", "sex",
           "capital-gain", "capital-loss", "hours-per-week", "native-country", "income")
IGNORED = ("fnlwgt", "education", "race", "native-country")
Fault = Callable[[pl.DataFrame], pl.DataFrame]
TOML = """
spec_version = 1
name = "census"
title = "Census"
description = "For tests."
owner = "tests"
[prediction]
{prediction}
moment = "When the form is filled in."
[source]
kind = "files"
files = [{{ path = "train.csv", split = "train" }}, {{ path = "test.csv", split = "test" }}]
{time}
{columns}
[training]
split = "{split}"
trials = 2
rounds_max = 60
threads = 1
[monitoring]
window_hours = 24
rows_min = 300
{more}
"""


def census(data_dir: Path, train_rows: int = 3_000, test_rows: int = 1_200) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Real rows to learn from and to be judged by. `sex` is drawn anew at random, so that without a fault no group differs."""
    parts = []
    for file, skip, rows in (("adult.data.gz", 0, train_rows), ("adult.test.gz", 1, test_rows)):
        lines = gzip.decompress((data_dir / file).read_bytes()).decode().splitlines()[skip:skip + rows]
        cells = [[cell.strip().rstrip(".") for cell in line.split(",")] for line in lines]
        frame = pl.DataFrame(cells, schema=list(COLUMNS), orient="row").with_columns(pl.all().replace("?", None))
        drawn = np.random.default_rng(rows).choice(["Female", "Male"], frame.height)
        parts.append(frame.with_columns(pl.Series("sex", drawn), *(pl.col(name).cast(pl.Int64) for name in NUMBERS)))
    return parts[0], parts[1]


BINARY = 'task = "binary"\ntarget = "income"\npositive = [">50K"]'


def toml(*, split: str = "official", time: str = "", more: str = "", roles: dict[str, str] | None = None, prediction: str = BINARY) -> str:
    """The use case, with a split, a `[time]`, further sections, other roles of columns or another prediction."""
    role = {**dict.fromkeys(IGNORED, "ignore"), "sex": "sensitive", "income": "target", **(roles or {})}
    lines = []
    for name in COLUMNS:
        kind = "integer" if name in NUMBERS else "category"
        lines += [f'[columns."{name}"]', f'type = "{kind}"', f'role = "{role.get(name, "feature")}"']
        lines += ["min = 0"] if name in NUMBERS else []
    return TOML.format(columns="\n".join(lines), split=split, time=time, more=more, prediction=prediction)


@dataclass
class Bench:
    """One installation. `train` and `test` are the source's rows before any fault."""

    folder: Path
    train: pl.DataFrame
    test: pl.DataFrame
    settings: Settings = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = load_settings(home=self.folder / "home", usecases_dir=self.folder, data_dir=self.folder, mlflow_port=1)
        self.settings.home.mkdir(exist_ok=True)
        self.store = Store(self.settings.store_address)
        migrate_store(self.store)

    def make(self, *, in_training: Fault = lambda rows: rows, in_test: Fault = lambda rows: rows, **text: Any) -> Candidate:
        """Write the source with its faults, take it in, train."""
        (self.folder / f"{NAME}.toml").write_text(toml(**text))
        in_training(self.train).write_csv(self.folder / "train.csv")
        in_test(self.test).write_csv(self.folder / "test.csv")
        ingest(self.settings, self.store, find_use_case(self.settings, NAME)[1])
        return train_candidate(self.settings, self.store, NAME, started_by="tests")

    def judge(self, candidate: Candidate, **options: Any) -> Evidence:
        return validate_candidate(self.settings, self.store, candidate.id, with_evidently=False, **options)

    def crown(self, other: Bench, champion: Candidate) -> None:
        """Let another bench's candidate be what answers now."""
        packages = (bench.settings.folder("packages") for bench in (other, self))
        source, target = (folder_of(root, champion.package_digest) for root in packages)
        if source != target:
            shutil.copytree(source, target, dirs_exist_ok=True)
        route = Route(use_case=NAME, generation=1, champion=Slot(version=1, digest=champion.package_digest))
        with self.store.writing() as session:
            session.add(RouteRow(use_case=NAME, generation=1, body=route.model_dump(mode="json"), updated_at=utc_now()))


def answer(evidence: Evidence, gate: str) -> GateResult:
    return next(result for result in evidence.gates if result.gate == gate)


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    return {result.gate: result.verdict for result in evidence.gates}
