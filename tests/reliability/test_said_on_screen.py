"""R8: what is down is said on the Overview, and the route that was last known stays readable where the store can be read."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from interlock.records import store as records_store
from interlock.settings import settings_environment
from tests.reliability.installation import ROOT, Installation
from tests.reliability.test_faults import locked

pytestmark = pytest.mark.end_to_end


def overview(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything that the Overview says to somebody who opens it now."""
    for name, value in settings_environment(installation.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(records_store, "BUSY_TIMEOUT_MS", 500)
    st.cache_data.clear()
    st.cache_resource.clear()
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60).run()
    assert not app.exception, [one.message for one in app.exception]
    parts = [*app.title, *app.markdown, *app.caption, *app.error, *app.warning, *app.info, *app.code]
    return "\n".join(str(one.value) for one in parts).replace("\\", "").replace("\u2060", "")


@pytest.fixture
def released(installation: Installation) -> Installation:
    """One version is on the route; nothing else runs."""
    evidence, _ = installation.candidate()
    installation.world.approve(evidence)
    installation.heal()
    return installation


def test_parts_that_are_down_are_said(released: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    said = overview(released, monkeypatch)
    for url in (released.settings.prefect_url, released.settings.mlflow_url, released.settings.control_url):
        assert f"nothing answers at {url}" in said
    assert "keeper" in said.lower()


def test_a_locked_store_is_said_and_the_way_back_is_named(released: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(released, "everybody"):
        said = overview(released, monkeypatch)
    assert "the store does not answer" in said
    assert "locked" in said
