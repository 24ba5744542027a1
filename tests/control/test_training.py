"""Candidates: on record with author, ledger entry and cost; the same rows give the same candidate; MLflow is only a mirror."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from interlock.control.spending.usage import measured
from interlock.control.training import train_candidate
from interlock.errors import DataError
from interlock.modeling.package import read_package
from interlock.records import ledger
from interlock.records.tables import Usage
from tests.control.repositories import commit
from tests.control.trial_bench import NAME, Bench, census, toml


@pytest.fixture
def bench(tmp_path: Path, data_dir: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", *census(data_dir, 1_500, 600))
    yield made
    made.store.close()


def test_candidate_is_on_record_with_ledger_entry_and_cost(bench: Bench) -> None:
    candidate = bench.make()
    package = read_package(bench.settings.folder("packages"), candidate.package_digest)
    assert (candidate.number, candidate.started_by) == (1, "tests")
    assert candidate.snapshot_digest == package.manifest.snapshot_digest
    assert candidate.metrics["primary"] == package.manifest.baseline["auc"]
    with bench.store.reading() as session:
        entry = ledger.entries(session, kinds=["candidate.created"])[0]
        usage = session.scalars(select(Usage)).one()
    assert ledger.body_of(entry)["package"] == candidate.package_digest
    assert (usage.stage, usage.use_case) == ("train", NAME)
    assert 0 < usage.cpu_seconds < 60


def test_candidate_exists_although_mlflow_is_down(bench: Bench) -> None:
    said: list[str] = []
    bench.make()
    candidate = train_candidate(bench.settings, bench.store, NAME, started_by="tests", progress=said.append)
    assert candidate.mlflow_run_id is None
    assert "does not answer" in candidate.metrics["warning"]


def test_training_again_on_the_same_rows_is_the_same_candidate(bench: Bench) -> None:
    first = bench.make()
    again = train_candidate(bench.settings, bench.store, NAME, started_by="somebody else")
    assert again.id == first.id


def test_other_rows_are_the_next_candidate(bench: Bench) -> None:
    first, second = bench.make(in_training=lambda rows: rows.head(1_200)), bench.make()
    assert (first.number, second.number) == (1, 2)
    assert first.package_digest != second.package_digest


def test_without_a_snapshot_there_is_nothing_to_train_on(bench: Bench) -> None:
    bench.make()
    empty = Bench(bench.folder / "other", bench.train, bench.test)
    (empty.folder / f"{NAME}.toml").write_text((bench.folder / f"{NAME}.toml").read_text())
    with pytest.raises(DataError, match="no snapshot yet"):
        train_candidate(empty.settings, empty.store, NAME, started_by="tests")
    empty.store.close()


def test_the_last_committer_of_the_use_case_is_on_record_as_its_author(bench: Bench) -> None:
    (bench.folder / f"{NAME}.toml").write_text(toml())
    commit(bench.folder, "Ada Lee", "ada.lee@example.org")
    assert bench.make().author == "Ada Lee <ada.lee@example.org>"


def test_failed_work_costs_too(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), measured(bench.store, NAME, "train"):
        raise ZeroDivisionError
    with bench.store.reading() as session:
        assert session.scalars(select(Usage)).one().stage == "train"
