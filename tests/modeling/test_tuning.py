"""Tuning: a budget of trials, seeds per trial, hopeless trials stopped, and what the defaults reach on real data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.modeling.features import FeatureSpace
from interlock.modeling.making import Made, bounded, make_package
from interlock.modeling.split import hashed_order, split_rows, target
from interlock.modeling.trials import FIRST_TRIAL, Data, trial_seed
from interlock.modeling.tuning import tune
from interlock.spec.usecase import UseCase
from reports.profiles import Profile


def tuned(use_case: UseCase, frame: pl.DataFrame, seed: int) -> object:
    split = split_rows(use_case, frame)
    space = FeatureSpace.fit(use_case, split.train)
    parts = [Data(space.encode_frame(part), target(use_case.prediction, part)) for part in (split.train, split.validation)]
    return tune(use_case, space, *parts, seed=seed)


def test_budget_counts_trials_and_the_first_is_the_default(quick: UseCase, small: pl.DataFrame) -> None:
    found = tuned(quick, small, 1)
    assert [trial.number for trial in found.trials] == [0, 1, 2]
    assert found.trials[0].parameters == FIRST_TRIAL


def test_same_seed_same_trials_another_seed_others(quick: UseCase, small: pl.DataFrame) -> None:
    first, again, other = (tuned(quick, small, seed) for seed in (1, 1, 2))
    assert first.trials == again.trials
    assert first.trials[1].parameters != other.trials[1].parameters


def test_trial_seed_is_a_hash_of_study_and_number() -> None:
    assert len({trial_seed(2013, number) for number in range(1_000)}) == 1_000
    assert all(0 <= trial_seed(seed, 3) < 2**31 for seed in range(100))


def test_best_trial_wins(quick: UseCase, small: pl.DataFrame) -> None:
    found = tuned(quick, small, 1)
    assert found.loss == min(trial.loss for trial in found.trials if trial.loss is not None)


def test_hopeless_trials_are_stopped(adult: UseCase, small: pl.DataFrame) -> None:
    budget = adult.model_copy(update={"training": adult.training.model_copy(update={"trials": 10, "rounds_max": 120})})
    states = [trial.state for trial in tuned(budget, small, 3).trials]
    assert "pruned" in states
    assert states[:5].count("complete") >= 4


def test_tuning_rows_are_bounded_and_chosen_by_hash(adult: UseCase, adult_frame: pl.DataFrame) -> None:
    few = adult.model_copy(update={"training": adult.training.model_copy(update={"tune_rows_max": 1_000})})
    chosen = bounded(few, adult_frame.head(5_000), "x")
    assert chosen.height == 1_000
    order = hashed_order(adult_frame.head(5_000)["_row_id"], few.training.seed, "x")
    assert set(chosen["_row_id"]) == {str(place) for place in np.argsort(order)[:1_000]}


def test_profile_holds_features_and_held_out_scores(made: tuple[Path, Made], small: pl.DataFrame) -> None:
    profile = Profile.from_json(made[1].package.profile_json)
    assert set(profile.columns) == {*made[1].package.manifest.features.names, "_label", "_score"}
    assert profile.columns["age"].rows == 2_000
    assert profile.columns["_score"].rows == 1_000


def test_package_does_not_depend_on_what_it_may_not_see(make: Callable[..., tuple[Path, Made]], made: tuple[Path, Made],
                                                        small: pl.DataFrame) -> None:
    """Other races and sexes, same package: they are kept out of the model."""
    other = small.with_columns(pl.lit("Female").alias("sex"), pl.lit("Other").alias("race"))
    assert make(frame=other)[1].package.files["model.ubj"] == made[1].package.files["model.ubj"]


@pytest.mark.timeout(300)
def test_default_configuration_reaches_the_published_level_on_adult(adult: UseCase, adult_frame: pl.DataFrame, tmp_path: Path) -> None:
    """Official split, sex and race kept out, a third of the default budget: at least the goal for the whole of it."""
    third = adult.model_copy(update={"training": adult.training.model_copy(update={"trials": 6})})
    made = make_package(tmp_path, third, adult_frame, snapshot_digest="s", spec_digest="p")
    assert made.package.manifest.baseline["auc"] >= 0.926
    assert made.package.manifest.baseline["log_loss"] <= 0.2755
    assert not {"sex", "race"} & set(made.package.manifest.features.names)
