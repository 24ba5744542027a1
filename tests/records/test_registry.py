"""MLflow as a mirror: runs and versions appear there; its absence is a warning, never an error."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlock.records.registry import Run, environment, mirror_champion, mirror_evidence, mirror_run
from interlock.settings import Settings


@pytest.fixture
def tracked(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """MLflow in a file of its own; artifacts land below the working folder."""
    monkeypatch.chdir(tmp_path)
    return settings.model_copy(update={"mlflow_tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"})


def a_run(booster: Any = None) -> Run:
    return Run(use_case="adult_income", name="adult_income 1", parameters={"max_depth": 6}, metrics={"auc": 0.93},
               tags={"interlock.snapshot": "sha256:1"}, files={"manifest.json": b"{}"}, booster=booster,
               series={"trial_loss": [(0, 0.5), (2, 0.4)]})


def small_booster() -> Any:
    import xgboost

    matrix = np.arange(40, dtype=np.float32).reshape(20, 2)
    return xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(matrix, (matrix[:, 0] > 20).astype(float)), 3)


def test_run_version_alias_and_evidence_are_mirrored(tracked: Settings) -> None:
    found = mirror_run(tracked, a_run(small_booster()))
    assert found.warning == ""
    assert found.version == 1
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracked.mlflow_url)
    run = client.get_run(found.run_id)
    assert run.data.params["max_depth"] == "6"
    assert run.data.metrics["auc"] == 0.93
    assert [(point.step, point.value) for point in client.get_metric_history(str(found.run_id), "trial_loss")] == [(0, 0.5), (2, 0.4)]
    assert run.info.status == "FINISHED"
    assert int(client.get_model_version_by_alias("adult_income", "candidate").version) == 1
    attached = mirror_evidence(tracked, found.run_id, verdict="pass", seal="sha256:" + "a" * 64, files={"evidence.json": b"{}"})
    assert attached.warning == ""
    assert client.get_run(found.run_id).data.tags["interlock.verdict"] == "pass"
    assert [file.path for file in client.list_artifacts(found.run_id, "evidence/aaaaaaaaaaaa")] == ["evidence/aaaaaaaaaaaa/evidence.json"]


def test_the_champions_alias_without_mlflow_is_a_warning_at_once(settings: Settings) -> None:
    begin = time.monotonic()
    assert "does not answer" in mirror_champion(settings, "adult_income", 1).warning
    assert time.monotonic() - begin < 10  # MLflow's own client would go on asking for minutes
    files = settings.model_copy(update={"mlflow_tracking_uri": "sqlite:///mlflow.db"})
    assert "does not answer" in mirror_champion(files, "adult_income", 1).warning


def test_mlflow_that_is_down_is_a_warning_at_once(settings: Settings) -> None:
    begin = time.monotonic()
    found = mirror_run(settings, a_run())
    assert found.run_id is None
    assert "does not answer" in found.warning
    assert time.monotonic() - begin < 10


def test_store_that_mlflow_refuses_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    broken = settings.model_copy(update={"mlflow_tracking_uri": "postgresql://nobody@127.0.0.1:1/none"})
    assert mirror_run(broken, a_run()).warning.startswith("the candidate is not in MLflow")


def test_evidence_without_a_run_is_a_warning(settings: Settings) -> None:
    assert "no MLflow run" in mirror_evidence(settings, None, verdict="pass", seal="sha256:" + "a" * 64, files={}).warning


def test_environment_names_what_results_depend_on() -> None:
    assert {"python", "xgboost", "numpy", "polars", "optuna"} <= set(environment())
