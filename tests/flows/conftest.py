"""One Prefect server for all flow tests (12 s once), and an installation that flows find through the environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.testing.utilities import prefect_test_harness

from interlock.records.store import Store
from interlock.settings import Settings


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=60):
        yield


@pytest.fixture
def installation(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Settings:
    """Flows read their settings from the environment, as a worker's runs do."""
    for name in ("home", "usecases_dir", "data_dir", "predictions_port", "control_port", "mlflow_port", "dashboard_port"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(settings, name)))
    return settings
