"""The programs of one machine: how each is started and how one knows that it is ready."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from interlock.control.stack.sign_in_file import sign_in_file
from interlock.settings import Settings

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Program:
    """One long-running process of the stack."""

    name: str
    title: str
    command: list[str]
    port: int | None = None
    health_url: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    stop_wait_s: int = 10

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)


def programs(settings: Settings, *, dashboard: bool = True) -> list[Program]:
    """All programs in start order; without the control room where nobody looks (tests, the demo's replay)."""
    found = [_prefect(settings), _mlflow(settings), _server(settings), _keeper(), _worker()]
    return [*found, _dashboard(settings)] if dashboard else found


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _beside(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _prefect(settings: Settings) -> Program:
    command = [_beside("prefect"), "server", "start", "--host", settings.host, "--port", str(settings.prefect_port)]
    return Program("prefect", "Prefect server", command, settings.prefect_port, f"{settings.prefect_url}/health")


def _mlflow(settings: Settings) -> Program:
    folder = settings.folder("mlflow")
    command = [_beside("mlflow"), "server", "--host", settings.host, "--port", str(settings.mlflow_port), "--workers", "1",
               "--backend-store-uri", mlflow_store(settings), "--artifacts-destination", str(folder / "artifacts")]
    return Program("mlflow", "MLflow", command, settings.mlflow_port, f"{settings.mlflow_url}/health")


def mlflow_store(settings: Settings) -> str:
    """SQLAlchemy URL of MLflow's own database."""
    return f"sqlite:///{settings.folder('mlflow') / 'mlflow.db'}"


def _server(settings: Settings) -> Program:
    return Program("server", "Prediction server", _python("-m", "interlock.serving"), settings.predictions_port,
                   f"{settings.control_url}/health", stop_wait_s=15)


def _keeper() -> Program:
    return Program("keeper", "Keeper", _python("-m", "interlock.cli.main", "keeper"))


def _worker() -> Program:
    command = [_beside("prefect"), "worker", "start", "--pool", "local", "--type", "process", "--install-policy", "never"]
    return Program("worker", "Prefect worker", command, environment={"PREFECT_WORKER_QUERY_SECONDS": "1"})


def _dashboard(settings: Settings) -> Program:
    command = _python("-m", "streamlit", "run", str(PROJECT / "dashboard" / "app.py"), "--server.address", settings.host,
                      "--server.port", str(settings.dashboard_port), "--server.headless", "true", "--server.fileWatcherType", "none",
                      "--server.trustedUserHeaders", "{}", "--server.enableXsrfProtection", "true", "--server.enableCORS", "true",
                      "--secrets.files", str(sign_in_file(settings)))
    if settings.sign_in is not None and settings.sign_in.address is not None:  # behind a proxy: the name that browsers know
        command += ["--browser.serverAddress", str(urlsplit(settings.sign_in.address).hostname)]
    return Program("dashboard", "Control room", command, settings.dashboard_port, f"{settings.dashboard_url}/_stcore/health")
