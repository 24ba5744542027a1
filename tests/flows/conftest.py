"""An installation that flows find through the environment."""

from __future__ import annotations

import pytest

from interlock.records.store import Store
from interlock.settings import Settings


@pytest.fixture
def installation(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Settings:
    """Flows read their settings from the environment, as a worker's runs do."""
    for name in ("home", "usecases_dir", "data_dir", "predictions_port", "control_port", "mlflow_port", "dashboard_port"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(settings, name)))
    return settings
