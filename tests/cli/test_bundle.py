"""`interlock bundle` and `verify-bundle`, the second without any installation."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.errors import DataError
from interlock.records import ledger
from interlock.records.store import Store
from interlock.settings import Settings


def test_it_is_made_and_checked(settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.settings.load_settings", lambda: settings)
    monkeypatch.setattr("interlock.control.opening.load_settings", lambda: settings, raising=False)
    with store.writing() as session:
        ledger.append(session, "note", {"text": "for the test"})
    period = ["--from", "2020-01-01", "--to", "2100-01-01"]
    made = CliRunner().invoke(app, ["bundle", *period, "--reason", "audit", "--out", str(tmp_path / "all.zip")])
    assert made.exception is None, made.exception
    assert "signed with key sha256:" in made.output
    monkeypatch.setattr("interlock.settings.load_settings", lambda: pytest.fail("a check needs no installation"))
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        (tmp_path / "key.pem").write_bytes(archive.read("public_key.pem"))
    said = CliRunner().invoke(app, ["verify-bundle", str(tmp_path / "all.zip"), "--key", str(tmp_path / "key.pem")])
    assert said.output.splitlines()[-1] == "the bundle holds"
    assert "2 ledger entries (0 withheld)" in said.output  # the note, and the key that signed
    (tmp_path / "all.zip").write_bytes((tmp_path / "all.zip").read_bytes()[:-40])
    assert isinstance(CliRunner().invoke(app, ["verify-bundle", str(tmp_path / "all.zip")]).exception, DataError)
