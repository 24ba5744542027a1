"""The control room under test: an installation of its own, found through the environment as in real life."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Browser

from interlock.records.store import Store
from interlock.settings import Settings, load_settings

sys.path.insert(0, str(Path(__file__).parent))  # the world beside this file

from browser_room import Room, open_room

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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one file."""
    from tests.chromium import started

    with started() as browser:
        yield browser


@pytest.fixture(scope="session")
def control_room(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Room]:
    """One control room for all browser tests that only look: a world whose every text is an attack. Tests that act open their own."""
    from control_room_world import XSS, build

    from tests.conftest import free_port

    folder = tmp_path_factory.mktemp("control_room")
    (folder / "world").mkdir()
    shutil.copy(migrated, folder / "world" / "store.db")
    (folder / "home").symlink_to(folder / "world")
    (folder / "usecases").symlink_to(APP.parents[1] / "usecases")
    ports = {f"{part}_port": free_port() for part in ("dashboard", "prefect", "mlflow", "predictions", "control")}
    settings = load_settings(home=folder / "home", usecases_dir=folder / "usecases", **ports)
    store = Store(settings.store_address)
    build(store, payload=XSS)
    store.close()
    with open_room(settings) as room:
        yield room


@pytest.fixture(scope="session")
def signing(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Room]:
    """One control room that asks people to sign in, with its provider. Tests that decide something let it serve a copy: `own_home`."""
    from control_room_world import build
    from signing_room import provider, sign_in_rules, signing_room

    from tests.conftest import free_port

    folder = tmp_path_factory.mktemp("signing")
    (folder / "world").mkdir()
    shutil.copy(migrated, folder / "world" / "store.db")
    (folder / "home").symlink_to(folder / "world")
    ports = {f"{part}_port": free_port() for part in ("dashboard", "prefect", "mlflow", "predictions", "control")}
    with provider(free_port()) as address:
        rules = sign_in_rules(address)
        settings = load_settings(home=folder / "home", usecases_dir=APP.parents[1] / "usecases", sign_in=rules, **ports)
        store = Store(settings.store_address)
        build(store)
        store.close()
        shutil.copy(folder / "world" / "store.db", folder / "built.db")
        with signing_room(settings, folder / "log") as room:
            yield room


@pytest.fixture(scope="session")
def signing_run(signing: Room) -> Path:
    """The run folder that the control room with sign-in was started in."""
    return signing.settings.home.parent / "world" / "run"


@pytest.fixture
def own_home(signing: Room, tmp_path: Path) -> Iterator[Settings]:
    """The control room with sign-in serves a world of this test alone; settings that lead to it."""
    folder, own = signing.settings.home.parent, tmp_path / "own"
    shutil.copytree(folder / "world", own, ignore=shutil.ignore_patterns("store.db*", "run", "log"))
    shutil.copy(folder / "built.db", own / "store.db")
    with signing.live_in(own):
        yield signing.settings.model_copy(update={"home": own})
