"""Rows for modelling: a champion with features of its own answers the same rows; one whose features mean something else cannot."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from interlock.control.evidence.case import Case, open_case
from interlock.control.frames import modelling_frame
from interlock.control.training import train_candidate
from interlock.modeling.package import read_package
from interlock.records.ingest import ingest
from interlock.records.store import Store
from interlock.records.tables import Candidate
from interlock.settings import Settings
from interlock.spec.load import load_use_case

BASE = """spec_version = 1
name = "prices"
title = "t"
description = "d"
owner = "o"
[prediction]
task = "regression"
target = "price"
moment = "m"
[source]
kind = "files"
files = [{ path = "prices.csv" }]
[time]
column = "at"
[columns.at]
type = "datetime"
role = "ignore"
[columns.load]
type = "float"
[columns.price]
type = "float"
role = "target"
[labels]
delay_hours = 1
[training]
split = "time"
trials = 1
rounds_max = 20
"""
LAG = """
[[features.derived]]
name = "price_before"
kind = "lag"
of = "price"
rows = {rows}
"""


class Trial:
    """One use case whose file changes between trainings."""

    def __init__(self, settings: Settings, store: Store, folder: Path) -> None:
        self.file = folder / "prices.toml"
        draw, price = np.random.default_rng(7), 50.0
        with (folder / "prices.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["at", "load", "price"])
            for hour in range(600):
                price = 0.9 * price + 5 + float(draw.normal(0, 4))
                moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
                writer.writerow([moment.isoformat(), round(float(draw.normal(10, 2)), 3), round(price, 3)])
        self.settings, self.store = settings.model_copy(update={"usecases_dir": folder, "data_dir": folder}), store

    def make(self, text: str) -> Candidate:
        self.file.write_text(text)
        ingest(self.settings, self.store, load_use_case(self.file))
        return train_candidate(self.settings, self.store, "prices", started_by="tests")

    def case(self, candidate: Candidate, champion: Candidate) -> Case:
        return open_case(self.settings, self.store, self.file, load_use_case(self.file), candidate, champion.package_digest, None)


@pytest.fixture
def trial(settings: Settings, store: Store, tmp_path: Path) -> Trial:
    folder = tmp_path / "own"
    folder.mkdir()
    return Trial(settings, store, folder)


def test_a_champion_answers_with_features_that_the_candidate_no_longer_has(trial: Trial) -> None:
    champion = trial.make(BASE + LAG.format(rows=1))
    frame = modelling_frame(trial.settings, trial.store, load_use_case(trial.file), champion.snapshot_digest)
    case = trial.case(trial.make(BASE), champion)
    assert case.champion is not None
    assert case.champion.error is None
    package = read_package(trial.settings.folder("packages"), champion.package_digest)
    expected = package.open_model(2).score(package.manifest.features.encode_frame(frame.tail(case.held_out.rows.height)))
    assert np.array_equal(case.champion.scores, expected)  # type: ignore[arg-type]
    assert case.package.manifest.features.names == ["load"]


def test_a_champion_whose_feature_means_something_else_now_cannot_answer(trial: Trial) -> None:
    champion = trial.make(BASE + LAG.format(rows=1))
    case = trial.case(trial.make(BASE + LAG.format(rows=2)), champion)
    assert case.champion is not None
    assert "mean something else now" in str(case.champion.error)
    assert "price_before" in str(case.champion.error)


def test_a_new_title_changes_no_meaning(trial: Trial) -> None:
    champion = trial.make(BASE + LAG.format(rows=1))
    case = trial.case(trial.make(BASE + LAG.format(rows=1) + 'title = "The price before"\n'), champion)
    assert case.champion is not None
    assert case.champion.error is None
