"""Search for good XGBoost parameters within a budget of trials; the same rows and seed give the same answer.

Trials are proposed in batches of `tuning_workers`: each proposal draws from a seed of its own and knows the finished trials of earlier
batches only, and a batch's trials count in the order of their numbers, not of their ends. So the answer depends on the rows, the seed and
the number of workers, never on which of them was faster or on whether the search was killed half way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interlock.modeling.crew import crew
from interlock.modeling.features import FeatureSpace
from interlock.modeling.studies import Kept, kept_study, study_digest
from interlock.modeling.trials import (
    FIRST_TRIAL,
    STARTUP_TRIALS,
    Budget,
    Columns,
    Data,
    Outcome,
    fixed_parameters,
    new_judge,
    quantile_matrix,
    run_trial,
    suggest,
    trial_seed,
)
from interlock.spec.usecase import UseCase

SEARCH = 1  # raise it with the search space: kept trials of another one do not count
Progress = Callable[[str], None]
RunBatch = Callable[[list[dict[str, Any]], int], list[Outcome]]


@dataclass(frozen=True)
class Trial:
    """One trial: its parameters, best validation loss (None: pruned before one was final) and rounds."""

    number: int
    seed: int
    parameters: dict[str, float | int]
    loss: float | None
    rounds: int
    state: str


@dataclass(frozen=True)
class Tuned:
    """The chosen trial (`number`) and how it was found. `reused`: trials that an earlier run with the same rows and seed had finished."""

    parameters: dict[str, Any]
    rounds: int
    loss: float
    metric: str
    trials: list[Trial] = field(repr=False)
    reused: int = 0
    number: int = 0


def tune(use_case: UseCase, space: FeatureSpace, train: Data, validation: Data, *, seed: int, studies: Path | None = None,
         progress: Progress = lambda text: None) -> Tuned:
    """Run `[training] trials` trials; hopeless ones are stopped early (median rule). The first trial is the tested default.

    `studies`: folder that keeps finished trials; None: nothing is kept.
    """
    training = use_case.training
    fixed = fixed_parameters(use_case, space, len(train.labels))
    budget = Budget(training.rounds_max, training.early_stopping_rounds)
    digest = study_digest({"fixed": fixed, "budget": vars(budget), "seed": seed, "workers": training.tuning_workers, "search": SEARCH,
                           "names": space.names, "xgboost": version("xgboost"), "optuna": version("optuna")}, train, validation)
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="interlock-tuning-")))
        kept = stack.enter_context(kept_study(studies / use_case.name if studies else temporary, digest))
        if kept is None:
            progress("another process tunes on these very rows: the trials of this one are not kept")
            kept = stack.enter_context(kept_study(temporary, digest))
        if kept is None:
            raise RuntimeError("a new temporary folder is locked")
        search = _Search(kept, fixed, seed, training.trials, training.tuning_workers)
        reused = len(search.trials)
        if reused:
            progress(f"{reused} trials were finished by an earlier run")
        if reused < training.trials:
            columns = Columns.of(space)
            runner = _in_processes(temporary, kept, columns, train, validation, budget, training.tuning_workers) \
                if training.tuning_workers > 1 else _here(search, columns, train, validation, budget, training.threads)
            run = stack.enter_context(runner)
            while len(search.trials) < training.trials:
                for text in search.batch(min(training.tuning_workers, training.trials - len(search.trials)), run):
                    progress(text)
    return search.best(reused)


class _Search:
    """The study: proposals by TPE, outcomes told in the order of the numbers and kept."""

    def __init__(self, kept: Kept, fixed: dict[str, Any], seed: int, budget: int, workers: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._kept, self._fixed, self._seed, self._budget = kept, fixed, seed, budget
        self._study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=seed))
        found = kept.finished()[:budget]
        found = found if len(found) == budget else found[:len(found) // workers * workers]  # batches are whole, or run again
        self._study.add_trials(found)
        if not found:
            self._study.enqueue_trial(FIRST_TRIAL)
        self.trials = [_trial(one) for one in found]

    def frozen(self) -> list[Any]:
        """Optuna's finished trials."""
        return list(self._study.get_trials(deepcopy=False)[:len(self.trials)])

    def batch(self, size: int, run: RunBatch) -> Iterator[str]:
        """Propose, run and tell `size` trials; a sentence per trial."""
        import optuna

        first = len(self.trials)
        asked = [self._ask(number) for number in range(first, first + size)]
        requests = [{**self._fixed, **parameters, "seed": trial_seed(self._seed, trial.number)} for trial, parameters in asked]
        for (trial, _), outcome in zip(asked, run(requests, first), strict=True):
            for step, loss in sorted(outcome.reported.items()):
                trial.report(loss, step)
            for name, value in {"number": trial.number, "seed": trial_seed(self._seed, trial.number), "rounds": outcome.rounds}.items():
                trial.set_user_attr(name, value)
            state = optuna.trial.TrialState.PRUNED if outcome.pruned else optuna.trial.TrialState.COMPLETE
            told = self._study.tell(trial, None if outcome.pruned else outcome.loss, state=state)
            self._kept.add(told)
            self.trials.append(_trial(told))
            yield (f"trial {trial.number + 1} of {self._budget}: {self._fixed['eval_metric']} {outcome.loss:.5f}"
                   f"{' (stopped early)' if outcome.pruned else ''}")

    def _ask(self, number: int) -> tuple[Any, dict[str, float | int]]:
        import optuna

        self._study.sampler = optuna.samplers.TPESampler(seed=trial_seed(self._seed, number), n_startup_trials=STARTUP_TRIALS)
        trial = self._study.ask()
        return trial, suggest(trial)

    def best(self, reused: int) -> Tuned:
        best = min((trial for trial in self.trials if trial.loss is not None), key=lambda trial: (trial.loss, trial.number))
        return Tuned({**self._fixed, **best.parameters, "seed": best.seed}, best.rounds, float(best.loss or 0.0),
                     str(self._fixed["eval_metric"]), self.trials, reused, best.number)


def _trial(frozen: Any) -> Trial:
    complete = frozen.state.name == "COMPLETE"
    return Trial(frozen.number, int(frozen.user_attrs["seed"]), dict(frozen.params), float(frozen.value) if complete else None,
                 int(frozen.user_attrs["rounds"]), "complete" if complete else "pruned")


@contextmanager
def _here(search: _Search, columns: Columns, train: Data, validation: Data, budget: Budget, threads: int) -> Iterator[RunBatch]:
    """Run trials in this process, one after the other."""
    fitted = quantile_matrix(columns, train, threads)
    matrices = fitted, quantile_matrix(columns, validation, threads, fitted)
    judge, judged = new_judge(), [0]

    def run(requests: list[dict[str, Any]], history: int) -> list[Outcome]:
        judge.add_trials(search.frozen()[judged[0]:history])
        judged[0] = history
        return [run_trial(judge, parameters, matrices, budget) for parameters in requests]

    yield run


@contextmanager
def _in_processes(folder: Path, kept: Kept, columns: Columns, train: Data, validation: Data, budget: Budget, workers: int
                  ) -> Iterator[RunBatch]:
    """Run trials in processes that share the study's journal."""
    with crew(folder, kept.path, columns, train, validation, budget, workers) as hands:
        yield lambda requests, history: hands.run([{"parameters": parameters, "history": history} for parameters in requests])
