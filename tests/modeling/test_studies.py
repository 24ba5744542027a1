"""The search: kept while it runs, continued after a kill, the same with several processes whoever is faster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.errors import DataError
from interlock.modeling.crew import crew
from interlock.modeling.features import FeatureSpace
from interlock.modeling.fitting import data_of
from interlock.modeling.making import make_package
from interlock.modeling.split import split_rows
from interlock.modeling.studies import KEPT_PER_USE_CASE, kept_study, study_digest
from interlock.modeling.trials import Budget, Columns, Data
from interlock.modeling.tuning import Tuned, tune
from interlock.spec.usecase import UseCase

CHILD = """
import sys
from pathlib import Path
import polars as pl
from interlock.modeling.making import make_package
from interlock.spec.usecase import UseCase
folder = Path(sys.argv[1])
use_case = UseCase.model_validate_json((folder / "use_case.json").read_text())
print(make_package(folder / "packages", use_case, pl.read_parquet(folder / "rows.parquet"), snapshot_digest="s", spec_digest="p",
                   studies=folder / "studies", progress=lambda text: print(text, flush=True)).package.digest)
"""


def with_training(use_case: UseCase, **keys: object) -> UseCase:
    return use_case.model_copy(update={"training": use_case.training.model_copy(update=keys)})


def search(use_case: UseCase, frame: pl.DataFrame, studies: Path | None = None) -> Tuned:
    split = split_rows(use_case, frame)
    space = FeatureSpace.fit(use_case, split.train)
    return tune(use_case, space, data_of(use_case, space, split.train), data_of(use_case, space, split.validation), seed=1, studies=studies)


def test_a_finished_search_is_not_run_again(quick: UseCase, small: pl.DataFrame, tmp_path: Path) -> None:
    first, again = search(quick, small, tmp_path), search(quick, small, tmp_path)
    assert (first.reused, again.reused) == (0, 3)
    assert again.trials == first.trials
    assert again.parameters == first.parameters


def test_a_larger_budget_goes_on_where_the_smaller_ended(quick: UseCase, small: pl.DataFrame, tmp_path: Path) -> None:
    search(with_training(quick, trials=2), small, tmp_path)
    longer = search(quick, small, tmp_path)
    assert longer.reused == 2
    assert longer.trials == search(quick, small).trials


def test_a_smaller_budget_takes_the_first_trials_only(quick: UseCase, small: pl.DataFrame, tmp_path: Path) -> None:
    search(quick, small, tmp_path)
    assert len(search(with_training(quick, trials=2), small, tmp_path).trials) == 2


@pytest.mark.parametrize("other", [{"seed_rows": 1}, {"rounds_max": 41}, {"class_weight": "balanced"}])
def test_other_rows_or_settings_are_another_study(quick: UseCase, small: pl.DataFrame, tmp_path: Path, other: dict[str, object]) -> None:
    search(quick, small, tmp_path)
    frame = small if "seed_rows" not in other else small.with_columns(pl.col("age") + 1)
    settings = {name: value for name, value in other.items() if name != "seed_rows"}
    assert search(with_training(quick, **settings), frame, tmp_path).reused == 0


def test_killed_search_goes_on_and_ends_with_the_same_package(quick: UseCase, small: pl.DataFrame, tmp_path: Path) -> None:
    """A child process is killed with SIGKILL after its second trial; the next run reuses both and gives the digest of an unkilled one."""
    use_case = with_training(quick, trials=6, proposals=0)
    (tmp_path / "use_case.json").write_text(use_case.model_dump_json())
    small.write_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("trial 2 of 6"):
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.wait() == -signal.SIGKILL
    assert not list((tmp_path / "packages").glob("*"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert any(f"{count} trials were finished by an earlier run" in done.stdout for count in (2, 3))
    unkilled = make_package(tmp_path / "other", use_case, small, snapshot_digest="s", spec_digest="p")
    assert done.stdout.splitlines()[-1] == unkilled.package.digest


def test_torn_end_of_the_journal_is_mended(quick: UseCase, small: pl.DataFrame, tmp_path: Path) -> None:
    whole = search(quick, small, tmp_path)
    journal = next(tmp_path.rglob("*.journal"))
    written = journal.read_bytes()
    journal.write_bytes(written[:len(written) - 40])
    journal.with_name(f"{journal.name}.lock").touch()
    began = time.monotonic()
    again = search(quick, small, tmp_path)
    assert again.reused == 2
    assert again.trials == whole.trials
    assert time.monotonic() - began < 20  # Optuna would wait 30 s for a lock that a killed process left


def test_workers_give_the_same_answer_whoever_is_faster(quick: UseCase, small: pl.DataFrame, tmp_path: Path) -> None:
    """Two processes, run twice; the last trials of a killed half batch are run again with their batch."""
    pair = with_training(quick, trials=5, tuning_workers=2, threads=1)
    first = search(pair, small, tmp_path)
    assert [trial.number for trial in first.trials] == [0, 1, 2, 3, 4]
    journal = next(tmp_path.rglob("*.journal"))
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]))  # trials 3 and 4 are gone, 2 is half a batch
    again = search(pair, small, tmp_path)
    assert again.reused == 2
    assert again.trials == first.trials


def test_first_batch_of_workers_is_that_of_one_process(quick: UseCase, small: pl.DataFrame) -> None:
    """Proposals of a first batch know nothing of each other: with random start-up trials that is what one process proposes too."""
    one, two = (search(with_training(quick, trials=2, tuning_workers=workers), small) for workers in (1, 2))
    assert one.trials == two.trials


def test_a_second_process_at_the_same_study_keeps_nothing(tmp_path: Path) -> None:
    with kept_study(tmp_path, "a" * 64) as first, kept_study(tmp_path, "a" * 64) as second:
        assert first is not None
        assert second is None


def test_old_studies_are_removed(tmp_path: Path) -> None:
    for number in range(KEPT_PER_USE_CASE + 3):
        with kept_study(tmp_path, f"{number:064x}"):
            pass
    assert len(list(tmp_path.glob("*.journal"))) == KEPT_PER_USE_CASE


def test_study_digest_sees_every_part() -> None:
    matrix, labels = np.zeros((3, 2), dtype=np.float32), np.array([0.0, 1.0, 0.0])
    base = Data(matrix, labels)
    others = [Data(matrix + 1, labels), Data(matrix, 1 - labels), Data(matrix, labels, np.ones(3))]
    digests = {study_digest({"a": 1}, data, base) for data in [base, *others]} | {study_digest({"a": 2}, base, base)}
    assert len(digests) == 5


def test_a_worker_that_dies_is_said(tmp_path: Path) -> None:
    data = Data(np.zeros((2, 1), dtype=np.float32), np.array([0.0, 1.0]))
    with crew(tmp_path, tmp_path / "none.journal", Columns(["a"], ["q"]), data, data, Budget(10, 5), 1) as hands, \
            pytest.raises(DataError, match="process that ran a trial"):
        hands.run([{"parameters": {"objective": "no such thing", "nthread": 1}, "history": 0}])
