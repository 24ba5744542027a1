"""One real machine for all end-to-end tests: the demo told once, then everything started as `make up` does, and a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from interlock.control.stack import lifecycle, supervision
from interlock.records.store import Store, open_store
from interlock.serving.client import ServingClient
from interlock.settings import Settings, load_settings, settings_environment
from tests.chromium import started
from tests.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
DEMO_TIMEOUT_S = 900
TOLD_TIMEOUT_S = DEMO_TIMEOUT_S + 600  # whichever test comes first waits for the demo and the start of everything


@dataclass
class Machine:
    """The installation after the demo, with everything running."""

    settings: Settings
    store: Store
    client: ServingClient
    demo: subprocess.CompletedProcess[str]


def told(settings: Settings) -> subprocess.CompletedProcess[str]:
    """The demo, run once; where it fails, every test of this folder says what it printed and what its programs logged."""
    demo = subprocess.run([sys.executable, "-m", "demo"], cwd=ROOT, env={**os.environ, **settings_environment(settings)},
                          capture_output=True, text=True, timeout=DEMO_TIMEOUT_S, check=False)
    if demo.returncode != 0:
        logs = [f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in sorted(settings.folder("log").glob("*.log"))]
        pytest.fail("\n".join([demo.stdout[-4000:], demo.stderr[-4000:], *logs]), pytrace=False)
    return demo


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    home = tmp_path_factory.mktemp("machine") / "var"
    ports = {f"{part}_port": free_port() for part in ("dashboard", "prefect", "mlflow", "predictions", "control")}
    settings = load_settings(home=home, usecases_dir=ROOT / "usecases", **ports)
    demo = told(settings)
    settings = settings.model_copy(update={"usecases_dir": home / "usecases"})
    said: list[str] = []
    try:
        lifecycle.up(settings, said.append)
        store = open_store(settings)
        with ServingClient(settings) as client:
            yield Machine(settings, store, client, demo)
        store.close()
    finally:
        supervision.stop(settings)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one file."""
    with started() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()
