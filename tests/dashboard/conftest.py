"""The control room under test: an installation of its own, found through the environment as in real life."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import streamlit as st

from interlock.records.store import Store
from interlock.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))  # the world beside this file
APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the test as environment variables; caches of other tests forgotten."""
    for name in ("home", "usecases_dir", "prefect_port", "mlflow_port", "predictions_port", "control_port"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("INTERLOCK_ACTOR", "Grace Approver")
    st.cache_data.clear()
    st.cache_resource.clear()
    return settings


@pytest.fixture
def world(environment: Settings, store: Store) -> Settings:
    """An installation in which everything has happened once."""
    from control_room_world import build

    build(store)
    return environment
