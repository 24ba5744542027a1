"""Features that could go are proposed only where removal surely does not hurt; luck of the search does not beat the default."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss

from interlock.modeling.features import FeatureSpace
from interlock.modeling.fitting import data_of
from interlock.modeling.selection import propose_drops, row_losses
from interlock.modeling.split import split_rows
from interlock.modeling.steady import steadied
from interlock.modeling.trials import FIRST_TRIAL, Columns, Data, fixed_parameters
from interlock.modeling.tuning import Trial, Tuned
from interlock.spec.usecase import UseCase

Given = tuple[Columns, Data, Data, dict[str, object]]


@pytest.fixture(scope="module")
def given(adult: UseCase, adult_frame: pl.DataFrame) -> Given:
    """6,000 real rows, and a column of noise that stands for nothing."""
    split = split_rows(adult, pl.concat([adult_frame.filter(pl.col("_split") == part).head(6_000) for part in ("train", "test")]))
    space = FeatureSpace.fit(adult, split.train)
    learned, checked = (data_of(adult, space, part) for part in (split.train, split.validation))
    draw = np.random.default_rng(0)
    noisy = [replace(data, matrix=np.column_stack([data.matrix, draw.random(len(data.labels))]).astype(np.float32))
             for data in (learned, checked)]
    columns = Columns([*space.names, "noise"], [*space.feature_types, "q"])
    parameters = fixed_parameters(adult, space, len(learned.labels)) | FIRST_TRIAL | {"seed": 1, "max_depth": 3}
    return columns, noisy[0], noisy[1], parameters


def test_noise_could_go_and_what_matters_stays(given: Given) -> None:
    columns, learned, checked, parameters = given
    found = propose_drops(columns, learned, checked, parameters, 60, tries=len(columns.names), seed=1)
    droppable = {one["features"][0]: one["droppable"] for one in found["tested"]}
    assert droppable["noise"]
    assert not any(droppable[name] for name in ("capital-gain", "education-num", "relationship"))
    assert set(found["drop"]) <= {name for name, may in droppable.items() if may}
    assert found["note"].startswith("Without ")
    assert found == propose_drops(columns, learned, checked, parameters, 60, tries=len(columns.names), seed=1)


def test_only_the_least_important_are_tried(given: Given) -> None:
    found = propose_drops(*given, 30, tries=2, seed=1)
    shares = [one["importance"] for one in found["tested"]]
    assert len(shares) == 2
    assert max(shares) < 0.02
    assert shares == sorted(shares)


def test_the_more_are_tried_the_surer_each_must_be(given: Given) -> None:
    """Bonferroni over the tries and the test of all together: 1 try is z(1 - 0.025/2) = 2.2414, 4 tries are z(1 - 0.025/5) = 2.5758."""
    one, four = (propose_drops(*given, 20, tries=tries, seed=1)["tested"][0] for tries in (1, 4))
    assert one["features"] == four["features"]
    assert (four["high"] - four["change"]) / (one["high"] - one["change"]) == pytest.approx(2.5758 / 2.2414, rel=1e-4)


def test_few_rows_give_wide_intervals_and_no_proposal(given: Given) -> None:
    columns, learned, checked, parameters = given
    few = Data(checked.matrix[:30], checked.labels[:30])
    assert propose_drops(columns, learned, few, parameters, 30, tries=3, seed=1)["drop"] == []
    assert propose_drops(columns, learned, Data(few.matrix[:1], few.labels[:1]), parameters, 5, tries=3, seed=1)["tested"] == []


def test_constraints_lose_the_dropped_name(given: Given) -> None:
    columns, learned, checked, parameters = given
    bound = parameters | {"monotone_constraints": {"noise": 1, "age": 1}, "interaction_constraints": [["noise"], ["age", "capital-gain"]]}
    assert propose_drops(columns, learned, checked, bound, 10, tries=1, seed=1)["tested"][0]["features"]


def test_row_losses_are_scikit_learns() -> None:
    answers, labels = np.array([0.2, 0.9, 0.6]), np.array([0.0, 1.0, 0.0])
    assert row_losses(answers, labels, "binary:logistic").mean() == pytest.approx(log_loss(labels, answers))
    three = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    assert row_losses(three, np.array([2.0, 0.0]), "multi:softprob").mean() == pytest.approx(log_loss([2, 0], three, labels=[0, 1, 2]))
    assert row_losses(np.array([1.0, 5.0]), np.array([2.0, 2.0]), "reg:squarederror").tolist() == [1, 9]


def searched(given: Given, best: dict[str, float | int], rounds: int) -> Tuned:
    fixed = {name: value for name, value in given[3].items() if name not in FIRST_TRIAL and name != "seed"}
    trials = [Trial(0, 5, FIRST_TRIAL, 0.40, 40, "complete"), Trial(1, 6, best, 0.39, rounds, "complete")]
    return Tuned({**fixed, **best, "seed": 6}, rounds, 0.39, "logloss", trials)


def test_without_a_lead_the_default_stays(given: Given) -> None:
    """The same trees twice: the second trial's better loss is a claim that the rows do not bear out."""
    twin = searched(given, FIRST_TRIAL, 40)
    found = steadied(replace(twin, trials=[twin.trials[0], replace(twin.trials[1], seed=5)]), *given[:3])
    assert (found.parameters["seed"], found.rounds, found.loss) == (5, 40, 0.40)


def test_a_clear_lead_wins(given: Given) -> None:
    clear = searched(given, FIRST_TRIAL, 40)
    poor = [replace(clear.trials[0], rounds=2), clear.trials[1]]
    assert steadied(replace(clear, trials=poor), *given[:3]).parameters["seed"] == 6
