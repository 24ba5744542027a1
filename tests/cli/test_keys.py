"""`interlock keys`: shown once, listed without secrets, ended at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.records.migrate import migrate
from interlock.settings import load_settings


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INTERLOCK_ACTOR", "ana")
    migrate(load_settings())

    def call(*words: str) -> str:
        result = CliRunner().invoke(app, ["keys", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_a_key_from_its_first_day_to_its_last(command: Callable[..., str]) -> None:
    assert "not asked for (setting serving_keys)" in command("list")
    said = command("add", "shop", "--use-case", "late", "--reason", "goes live", "--days", "30", "--rate", "50")
    secret = said.splitlines()[0]
    key_id = re.search(r"This is key ([0-9a-f]{12}) for shop", said).group(1)  # type: ignore[union-attr]
    assert secret.startswith(f"ilk_{key_id}_")
    listed = command("list")
    assert re.search(rf"{key_id}  valid +shop  for late, ends \d{{4}}-\d\d-\d\d \d\d:\d\dZ, 50 requests/s", listed)
    assert secret.split("_", 2)[2] not in listed
    said = command("rotate", key_id, "--reason", "a year has passed", "--overlap", "0")
    assert f"in place of {key_id}, which ends in 0 s" in said
    newer = said.splitlines()[0].split("_")[1]
    assert f"key {newer} of shop is revoked" in command("revoke", newer, "--reason", "leaked")
    listed = command("list")
    assert f"{key_id}  expired" in listed
    assert f"{newer}  revoked" in listed
