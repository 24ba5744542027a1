"""MLflow as a mirror: runs, metrics and registered versions for people who look there. The store stays the truth.

Nothing here may stop the work: a mirror that does not answer within seconds becomes a warning in the result.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interlock.settings import QUIET, Settings

ALIAS = "candidate"
CHAMPION = "champion"
ALIAS_S = 0.8  # the keeper waits for it
REACH_S = 3.0
SERIES_MAX = 1_000  # values of one series that a run keeps: the newest
BOUNDS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}
LIBRARIES = ("xgboost", "optuna", "numpy", "polars", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """What a training run leaves behind."""

    use_case: str
    name: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    booster: Any = field(default=None, repr=False)
    series: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict, repr=False)  # name → (step, value)


@dataclass(frozen=True)
class Mirrored:
    """Where it is found in MLflow; `warning` says why it is not."""

    run_id: str | None = None
    version: int | None = None
    warning: str = ""


def mirror_run(settings: Settings, run: Run) -> Mirrored:
    """An MLflow run with a registered version (native UBJ) under the alias `candidate`; never raises for MLflow's sake."""
    return _bounded(settings, "the candidate is not in MLflow", lambda: _mirror(run))


def mirror_evidence(settings: Settings, run_id: str | None, *, verdict: str, seal: str, files: Mapping[str, bytes]) -> Mirrored:
    """Evidence files and the verdict on the candidate's run."""
    if run_id is None:
        return Mirrored(warning="the candidate has no MLflow run to attach the evidence to")

    def write() -> Mirrored:
        from mlflow import MlflowClient

        client = MlflowClient()
        client.set_tag(run_id, "interlock.verdict", verdict)
        client.set_tag(run_id, "interlock.evidence", seal)
        _log_files(client, run_id, _evidence_folder(seal), files)
        return Mirrored(run_id=run_id)

    return _bounded(settings, "the evidence is not in MLflow", write)


def evidence_addresses(settings: Settings, run_id: str | None, seal: str) -> dict[str, str]:
    """Where MLflow serves the evidence page and its JSON; nothing where the candidate has no run."""
    if run_id is None:
        return {}
    files = {"evidence HTML": "evidence.html", "evidence JSON": "evidence.json"}
    served = f"{settings.mlflow_url}/get-artifact?run_uuid={run_id}&path={_evidence_folder(seal)}"
    return {title: f"{served}/{name}" for title, name in files.items()}


def _evidence_folder(seal: str) -> str:
    return f"evidence/{seal.removeprefix('sha256:')[:12]}"


def mirror_champion(settings: Settings, use_case: str, number: int) -> Mirrored:
    """The alias `champion` on a registered version; one request, about a second at most. Moving it moves nothing that answers."""
    import httpx

    url = f"{settings.mlflow_url.rstrip('/')}/api/2.0/mlflow/registered-models/alias"
    what = f"the alias '{CHAMPION}' of {use_case} in MLflow is not on version {number}"
    try:
        answer = httpx.post(url, json={"name": use_case, "alias": CHAMPION, "version": str(number)}, timeout=ALIAS_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Mirrored(warning=f"{what}: {settings.mlflow_url} does not answer ({type(error).__name__})")
    return Mirrored(version=number) if answer.is_success else Mirrored(warning=f"{what}: it answers {answer.status_code}")


def environment() -> dict[str, str]:
    """What a result may depend on outside our own code."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "cores": str(os.cpu_count() or 0)}
    return found | {name: version(name) for name in LIBRARIES}


def _mirror(run: Run) -> Mirrored:
    import mlflow
    import mlflow.xgboost

    client = mlflow.MlflowClient()
    experiment = mlflow.set_experiment(run.use_case)
    created = client.create_run(experiment.experiment_id, run_name=run.name, tags=dict(run.tags))
    run_id = str(created.info.run_id)
    for key, value in run.parameters.items():
        client.log_param(run_id, key, str(value)[:6_000])
    for key, number in run.metrics.items():
        client.log_metric(run_id, key, number)
    for key, values in run.series.items():
        points = [mlflow.entities.Metric(key, value, 0, step) for step, value in values[-SERIES_MAX:]]
        client.log_batch(run_id, metrics=points)
    _log_files(client, run_id, "package", run.files)
    registered = None
    if run.booster is not None:
        with mlflow.start_run(run_id=run_id):
            info = mlflow.xgboost.log_model(run.booster, name="model", model_format="ubj", registered_model_name=run.use_case,
                                            pip_requirements=[f"xgboost=={version('xgboost')}"])
        registered = int(info.registered_model_version)
        client.set_registered_model_alias(run.use_case, ALIAS, str(registered))
    client.set_terminated(run_id)
    return Mirrored(run_id=run_id, version=registered)


def _log_files(client: Any, run_id: str, folder: str, files: Mapping[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for name, data in files.items():
            path = Path(temporary) / name
            path.write_bytes(data)
            client.log_artifact(run_id, str(path), artifact_path=folder)


def _bounded(settings: Settings, what: str, write: Callable[[], Mirrored]) -> Mirrored:
    """Run `write` against this installation's MLflow, with short timeouts; a failure is a warning, not an error."""
    unreachable = _unreachable(settings.mlflow_url)
    if unreachable:
        return Mirrored(warning=f"{what}: {unreachable}")
    os.environ.update(QUIET | BOUNDS)
    import mlflow

    mlflow.set_tracking_uri(settings.mlflow_url)
    try:
        return write()
    except Exception as error:  # noqa: BLE001 - a mirror never stops the work: recorded as the warning of the result
        return Mirrored(warning=f"{what}: {type(error).__name__}: {error}"[:500])


def _unreachable(url: str) -> str:
    """Why MLflow cannot be reached, at once; empty where it answers or is no server."""
    if not url.startswith(("http://", "https://")):
        return ""
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=REACH_S)
    except httpx.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    return "" if answer.status_code == httpx.codes.OK else f"{url} answers {answer.status_code}"
