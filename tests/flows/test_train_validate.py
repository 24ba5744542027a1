"""The flows `train` and `validate` on a small real candidate, with Prefect's own server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.records.ingest import ingest
from interlock.records.tables import Candidate, EvidenceRow
from interlock.spec.load import find_use_case
from tests.control.trial_bench import NAME, Bench, census, toml


@pytest.fixture
def bench(tmp_path: Path, data_dir: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", *census(data_dir, 1_500, 600))
    for name in ("home", "usecases_dir", "data_dir", "mlflow_port"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(made.settings, name)))
    (made.folder / f"{NAME}.toml").write_text(toml())
    made.train.write_csv(made.folder / "train.csv")
    made.test.write_csv(made.folder / "test.csv")
    ingest(made.settings, made.store, find_use_case(made.settings, NAME)[1])
    yield made
    made.store.close()


def test_train_makes_a_candidate_and_validate_its_evidence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.train import train
    from flows.validate import validate

    monkeypatch.setenv("INTERLOCK_ACTOR", "ben")  # who runs the flow where nobody is named
    candidate_id = train(NAME)
    seal = validate(NAME)
    with bench.store.reading() as session:
        candidate = session.get_one(Candidate, candidate_id)
        evidence = session.get_one(EvidenceRow, seal)
    assert candidate.started_by == "ben"
    assert evidence.candidate_id == candidate_id
    assert "evidently-drift.html" in evidence.body["attachments"]
    assert validate(NAME) is None  # every candidate has evidence now
