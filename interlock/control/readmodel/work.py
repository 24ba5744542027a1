"""Work that Prefect does for us: what was asked for, what was started, links into Prefect and MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import httpx
from sqlalchemy import select

from interlock.records.store import Store
from interlock.records.tables import Alert, Candidate, Outbox, Usage
from interlock.settings import Settings

PROBE_S = 0.5  # how long a page waits for another server's health


@dataclass(frozen=True)
class Asked:
    """One intent to start a deployment."""

    id: str
    deployment: str
    use_case: str
    cause: str
    state: str
    attempt: int
    flow_run_id: str | None
    last_error: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Finished:
    """One finished piece of work and what it used."""

    use_case: str
    stage: str
    cpu_seconds: float
    wall_seconds: float
    flow_run_id: str | None
    finished_at: datetime


@dataclass(frozen=True)
class Trained:
    """One version and who made it; `mlflow_run_id` is None where MLflow was away."""

    version: int
    author: str
    started_by: str
    created_at: datetime
    mlflow_run_id: str | None


@dataclass(frozen=True)
class Part:
    """One server of the installation and whether it answers."""

    name: str
    address: str
    answers: bool
    problem: str = ""


@dataclass(frozen=True)
class AlertView:
    """One message to people."""

    use_case: str | None
    severity: str
    title: str
    body: str
    created_at: datetime


def asked(store: Store, use_case: str | None = None, limit: int = 100) -> list[Asked]:
    """Intents, newest first."""
    with store.reading() as session:
        rows = session.scalars(select(Outbox).order_by(Outbox.created_at.desc()).limit(1000)).all()
    found = [Asked(row.id, row.deployment, str(row.parameters.get("use_case", "")), row.cause, row.state, row.attempt, row.flow_run_id,
                   row.last_error, row.created_at, row.updated_at) for row in rows]
    return [one for one in found if use_case is None or one.use_case == use_case][:limit]


def finished(store: Store, use_case: str | None = None, limit: int = 100) -> list[Finished]:
    """Finished work, newest first."""
    query = select(Usage).order_by(Usage.finished_at.desc()).limit(limit)
    with store.reading() as session:
        rows = session.scalars(query if use_case is None else query.where(Usage.use_case == use_case)).all()
    return [Finished(row.use_case, row.stage, row.cpu_seconds, row.wall_seconds, row.flow_run_id, row.finished_at) for row in rows]


def alerts(store: Store, use_case: str | None = None, limit: int = 20) -> list[AlertView]:
    """Alerts, newest first."""
    query = select(Alert).order_by(Alert.created_at.desc()).limit(limit)
    with store.reading() as session:
        rows = session.scalars(query if use_case is None else query.where(Alert.use_case == use_case)).all()
    return [AlertView(row.use_case, row.severity, row.title, row.body, row.created_at) for row in rows]


def tracked(store: Store, use_case: str, limit: int = 50) -> list[Trained]:
    """Versions, newest first."""
    query = select(Candidate).where(Candidate.use_case == use_case).order_by(Candidate.number.desc()).limit(limit)
    with store.reading() as session:
        rows = session.scalars(query).all()
    return [Trained(row.number, row.author, row.started_by, row.created_at, row.mlflow_run_id) for row in rows]


def parts(settings: Settings) -> list[Part]:
    """The other servers, each asked once with a short patience."""
    places = (("Prediction server", settings.control_url, "/health"), ("Prefect", settings.prefect_url, "/health"),
              ("MLflow", settings.mlflow_url, "/health"))
    return [_probe(name, address, path) for name, address, path in places]


def prefect_link(settings: Settings, flow_run_id: str | None = None) -> str:
    """Address of Prefect's page of the run, or of all runs."""
    base = settings.prefect_url.removesuffix("/api")
    return f"{base}/runs/flow-run/{flow_run_id}" if flow_run_id else f"{base}/runs"


def mlflow_link(settings: Settings, run_id: str | None) -> str | None:
    """Address of MLflow's page of the run (its UI finds the experiment by run id); None without a run."""
    return f"{settings.mlflow_url}/#/experiments/0/runs/{run_id}" if run_id else None


def _probe(name: str, address: str, path: str) -> Part:
    try:
        answer = httpx.get(f"{address}{path}", timeout=PROBE_S)
    except httpx.HTTPError as error:
        return Part(name, address, False, f"{type(error).__name__}: {error}")
    problem = "" if answer.is_success else f"it answered with status {answer.status_code}"
    return Part(name, address, answer.is_success, problem)
