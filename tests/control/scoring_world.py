"""A lender with real packages, a route and files of applicants: what batches and streams are tested on."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interlock.modeling.making import make_package
from interlock.records import ledger
from interlock.records.candidates import add_candidate
from interlock.records.ids import new_id
from interlock.records.routes import read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Decision, Release, RouteRow
from interlock.rules.routes import Route, Slot
from interlock.settings import Settings
from interlock.spec.load import load_use_case
from interlock.spec.usecase import UseCase

NAME = "lender"
DAY0 = datetime(2024, 3, 1, tzinfo=UTC)
TOML = """
spec_version = 1
name = "lender"
title = "Lender"
description = "For tests."
owner = "lending"
[prediction]
task = "binary"
target = "late"
positive = [1]
moment = "at application"
[source]
kind = "files"
files = [{ path = "loans.csv" }]
[time]
column = "at"
[columns.key]
type = "text"
role = "identifier"
unique = true
[columns.at]
type = "datetime"
role = "ignore"
[columns.person]
type = "text"
role = "subject"
[columns.income]
type = "float"
[columns.debt]
type = "integer"
[columns.region]
type = "category"
[columns.owner]
type = "boolean"
[columns.sex]
type = "category"
role = "sensitive"
[columns.late]
type = "integer"
role = "target"
[features]
calendar = ["hour"]
[[features.derived]]
name = "burden"
kind = "ratio"
of = "debt"
over = "income"
[training]
split = "seeded"
trials = 1
rounds_max = 20
threads = 1
rows_min = 100
"""


def applicants(rows: int, seed: int) -> pl.DataFrame:
    """`late` depends on income; 1 in 20 regions is missing."""
    draw = np.random.default_rng(seed)
    income = np.round(draw.normal(50, 15, rows), 3)
    chance = 1 / (1 + np.exp((income - 50) / 8))
    regions = draw.choice(["north", "south", "west"], rows).tolist()
    return pl.DataFrame({
        "key": [f"k{seed}-{number}" for number in range(rows)], "at": [DAY0 + timedelta(minutes=7 * number) for number in range(rows)],
        "person": [f"person{number}@example.org" for number in range(rows)], "income": income, "debt": draw.integers(0, 90, rows),
        "region": [None if number % 20 == 7 else region for number, region in enumerate(regions)], "owner": draw.integers(0, 2, rows) == 1,
        "sex": draw.choice(["f", "m"], rows), "late": (draw.random(rows) < chance).astype(int)})


def package(root: Path, use_case: UseCase, seed: int) -> str:
    """A real package, trained on 1,500 applicants; its digest."""
    frame = applicants(1_500, seed).with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC")).alias("_event_time"), pl.col("at").cast(pl.Datetime("us", "UTC")).alias("_seen_time"),
        pl.col("at").cast(pl.Datetime("us", "UTC")).alias("_label_seen_time"), pl.col("late").cast(pl.Float64).alias("_label"),
        pl.col("key").alias("_row_id"), pl.lit(None, pl.String).alias("_split")).with_columns(
        (pl.col("debt") / pl.col("income")).alias("burden"))
    return make_package(root, use_case, frame, snapshot_digest="sha256:" + "0" * 64, spec_digest="sha256:" + "1" * 64).package.digest


@dataclass
class Lender:
    """One installation. `digests`: packages by version, from 1."""

    settings: Settings
    store: Store
    digests: list[str]
    use_case: UseCase = field(init=False)

    def __post_init__(self) -> None:
        self.use_case = load_use_case(self.settings.usecases_dir / f"{NAME}.toml")
        with self.store.writing() as session:
            for digest in self.digests:
                add_candidate(session, use_case=NAME, package_digest=digest, snapshot_digest="", spec_digest="", author="ada",
                              started_by="tests", metrics={})

    def slot(self, version: int) -> Slot:
        return Slot(version=version, digest=self.digests[version - 1])

    def route_to(self, version: int, generation: int = 1) -> Route:
        """Let a version be the champion."""
        route = Route(use_case=NAME, generation=generation, champion=self.slot(version))
        with self.store.writing() as session:
            before = read_route(session, NAME)
            session.merge(RouteRow(use_case=NAME, generation=generation, body=route.model_dump(mode="json"), updated_at=utc_now()))
            ledger.append(session, "route.changed", {"actor": "ben", "reason": "the test", "decision_id": None,
                                                     "before": before.model_dump(), "after": route.model_dump()}, NAME)
        return route

    def decide(self, version: int, kind: str = "approve", state: str = "live") -> None:
        """A decision about a version, and its release."""
        with self.store.writing() as session:
            candidate = session.query(Candidate).filter_by(number=version).one()
            decision = Decision(id=new_id(), identity=new_id(), kind=kind, use_case=NAME, candidate_id=candidate.id, evidence_digest=None,
                                package_digest=candidate.package_digest, policy_digest=None, expected_generation=0, actor="ben",
                                reason="r", created_at=utc_now(), expires_at=None, detail={})
            session.add(decision)
            session.flush()
            session.add(Release(id=new_id(), use_case=NAME, candidate_id=candidate.id, decision_id=decision.id, state=state, step=0,
                                revision=0, reason="", analysis=[], state_since=utc_now(), created_at=utc_now()))


def write_csv(path: Path, frame: pl.DataFrame, **broken: dict[str, str]) -> Path:
    """The rows without their outcome; `broken`: row number (from 1, as text) → cells to be written instead."""
    columns = [name for name in frame.columns if name != "late"]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for number, row in enumerate(frame.select(columns).iter_rows(named=True), 1):
            cells = {name: value.isoformat() if isinstance(value, datetime) else "" if value is None else value
                     for name, value in row.items()}
            writer.writerow(cells | broken.get(f"row{number}", {}))
    return path


def requests(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The same rows as records of an HTTP request."""
    names = ["income", "debt", "region", "owner", "sex"]
    return [{name: row[name] for name in names} | {"id": row["key"], "event_time": row["at"].isoformat()}
            for row in frame.iter_rows(named=True)]
