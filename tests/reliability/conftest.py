"""Counts (reduced, or full with INTERLOCK_RELIABILITY=full), where results go, and an installation whose promotions go straight to live."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from interlock.settings import Settings
from tests.control.conftest import USE_CASE, World
from tests.control.conftest import clock as clock
from tests.control.conftest import make_world as make_world
from tests.control.conftest import world as world
from tests.reliability.installation import Installation
from tests.reliability.promotion import STAGED
from tests.serving.conftest import build_package_fixture as build_package_fixture
from tests.serving.conftest import expected_scores_fixture as expected_scores_fixture
from tests.serving.conftest import packages as packages
from tests.serving.conftest import record_fixture as record_fixture
from tests.serving.conftest import start_server as start_server
from tests.serving.conftest import two_packages as two_packages

FULL = os.environ.get("INTERLOCK_RELIABILITY") == "full"
RESULTS = Path(__file__).parent / "results"


@pytest.fixture(scope="session")
def count() -> Callable[[int, int], int]:
    """`count(full, reduced)`."""
    return lambda full, reduced: full if FULL else reduced


@pytest.fixture(scope="session")
def measured() -> Callable[..., None]:
    """Write down what a check of `make reliability` counted and measured: one part of `results/<id>.json`."""
    def write(check: str, part: str, /, **figures: Any) -> None:
        if not FULL:
            return
        path = RESULTS / f"{check}.json"
        found = json.loads(path.read_text()) if path.is_file() else {"id": check, "parts": {}}
        found["parts"][part] = figures | {"at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "machine": f"{os.cpu_count()} cores, "
                                          f"{platform.system()} {platform.release().partition('-')[0]}"}
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return write


@pytest.fixture
def installation(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """A use case without canary steps, real packages, the machine's own clock; servers and keepers as processes."""
    lines = ["steps = []" if line.startswith("steps =") else line for line in USE_CASE.partition("[staging]")[0].splitlines()]
    text = "\n".join([*lines, "[staging]", "real_rows = 0", "load_seconds = 0"]) + "\n"
    made = Installation(make_world(text))
    monkeypatch.setattr("interlock.control.releases.deploying.rehearse", lambda *_: STAGED)  # staging has tests of its own
    yield made
    made.stop()


@pytest.fixture
def quiet_settings(settings: Settings) -> Settings:
    """The installation's settings for tests that need no store."""
    return settings
