"""One trial of the search: what may be tried, and one fit with early stopping and pruning."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.constraints import constraint_parameters
from interlock.modeling.features import FeatureSpace, Matrix
from interlock.spec.usecase import UseCase

# Measured on the official split of Adult without sex and race: held-out AUC 0.9289, log loss 0.2735. Splitting categories one by
# one (max_cat_to_onehot above their number) was worth 0.0015 AUC there against partitions.
FIRST_TRIAL: dict[str, float | int] = {
    "max_depth": 6, "min_child_weight": 1.0, "subsample": 0.8, "colsample_bytree": 0.5, "reg_lambda": 1.0, "max_cat_to_onehot": 64}
OBJECTIVES = {"binary": ("binary:logistic", "logloss"), "multiclass": ("multi:softprob", "mlogloss"),
              "regression": ("reg:squarederror", "rmse")}
MANY_ROWS = 50_000
STARTUP_TRIALS, WARMUP_ROUNDS, PRUNING_INTERVAL = 4, 60, 20


@dataclass(frozen=True)
class Data:
    """A matrix (n, features) with its labels (n,) and, where rows do not count the same, weights (n,)."""

    matrix: Matrix
    labels: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Columns:
    """What XGBoost must know of a matrix's columns: names, and `c` for categories or `q` for quantities."""

    names: list[str]
    types: list[str]

    @classmethod
    def of(cls, space: FeatureSpace) -> Columns:
        return cls(space.names, space.feature_types)


@dataclass(frozen=True)
class Budget:
    """Rounds at most, and rounds without improvement after which a fit stops."""

    rounds_max: int
    early_stopping_rounds: int


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: best validation loss, rounds that reached it, losses reported by round, whether it was stopped as hopeless."""

    loss: float
    rounds: int
    reported: dict[int, float] = field(repr=False)
    pruned: bool


def fixed_parameters(use_case: UseCase, space: FeatureSpace, rows: int) -> dict[str, Any]:
    """Parameters that are not searched. The learning rate is larger where many rows make a round dear."""
    objective, metric = OBJECTIVES[use_case.prediction.task]
    fixed: dict[str, Any] = {"booster": "gbtree", "objective": objective, "eval_metric": metric, "tree_method": "hist",
                             "nthread": use_case.training.threads, "learning_rate": 0.05 if rows <= MANY_ROWS else 0.1, "verbosity": 0}
    if use_case.prediction.task == "multiclass":
        fixed["num_class"] = len(use_case.prediction.classes or [])
    return fixed | constraint_parameters(use_case, space)


def trial_seed(study_seed: int, number: int) -> int:
    """Seed of a trial: a hash of the study's seed and the trial's number, so that no trial depends on another's draws."""
    return int.from_bytes(hashlib.sha256(f"{study_seed}:{number}".encode()).digest()[:4], "big") >> 1


def suggest(trial: Any) -> dict[str, float | int]:
    """What a trial tries, drawn from the search space."""
    return {
        "max_depth": trial.suggest_int("max_depth", 3, 9),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 30.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.6, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 20.0, log=True),
        "max_cat_to_onehot": trial.suggest_categorical("max_cat_to_onehot", [4, 64]),
    }


def quantile_matrix(columns: Columns, data: Data, threads: int, reference: Any = None) -> Any:
    """XGBoost's compact matrix; `reference` lends its bins."""
    xgboost = load_xgboost()
    return xgboost.QuantileDMatrix(data.matrix, data.labels, weight=data.weights, feature_names=columns.names, feature_types=columns.types,
                                   enable_categorical=True, nthread=threads, ref=reference)


def new_judge() -> Any:
    """An Optuna study in memory whose finished trials decide which fit is hopeless (median rule)."""
    import optuna

    pruner = optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP_ROUNDS, PRUNING_INTERVAL)
    return optuna.create_study(direction="minimize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0))


def run_trial(judge: Any, parameters: dict[str, Any], matrices: tuple[Any, Any], budget: Budget) -> Outcome:
    """Fit on (train, validation) with early stopping. `judge`: see `new_judge`; it keeps nothing of this trial."""
    import optuna

    xgboost = load_xgboost()
    trial, reported = judge.ask(), dict[int, float]()

    class Watch(xgboost.callback.TrainingCallback):  # type: ignore[name-defined, misc]
        """Reports the validation loss to the study now and then and stops where it says so."""

        pruned = False

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if (epoch + 1) % PRUNING_INTERVAL == 0:
                reported[epoch] = float(evals_log["validation"][parameters["eval_metric"]][-1])
                trial.report(reported[epoch], epoch)
                self.pruned = bool(trial.should_prune())
            return self.pruned

    watch = Watch()
    booster = xgboost.train(parameters, matrices[0], num_boost_round=budget.rounds_max, evals=[(matrices[1], "validation")],
                            early_stopping_rounds=budget.early_stopping_rounds, verbose_eval=False, callbacks=[watch])
    judge.tell(trial, state=optuna.trial.TrialState.FAIL)
    return Outcome(float(booster.best_score), int(booster.best_iteration) + 1, reported, watch.pruned)


def fit_booster(columns: Columns, data: Data, parameters: dict[str, Any], rounds: int) -> bytes:
    """A booster's bytes (UBJ) after exactly `rounds` rounds. Same data, parameters and XGBoost: same bytes."""
    xgboost = load_xgboost()
    matrix = quantile_matrix(columns, data, parameters["nthread"])
    return bytes(xgboost.train(parameters, matrix, num_boost_round=rounds).save_raw("ubj"))
