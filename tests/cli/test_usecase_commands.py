"""`interlock check`, `new` and `ingest` as a person calls them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.records.migrate import migrate
from interlock.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings as the command line finds them: in the environment."""
    monkeypatch.setenv("INTERLOCK_HOME", str(settings.home))
    monkeypatch.setenv("INTERLOCK_USECASES_DIR", str(settings.usecases_dir))
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(settings.data_dir))
    migrate(settings)
    return settings


def test_check_says_that_shipped_files_are_in_order() -> None:
    result = CliRunner().invoke(app, ["check", *(str(path) for path in sorted((ROOT / "usecases").glob("*.toml")))])
    assert result.exit_code == 0, result.output
    assert result.output.count("in order") == 7


def test_check_tells_every_problem_on_a_line_of_its_own_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "elec2.toml"
    text = (ROOT / "usecases" / "elec2.toml").read_text()
    file.write_text(text.replace('task = "binary"', 'task = "binry"').replace("trials = 10", "trails = 10") + "\n[gates.nonsense]\n")
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    line = text[:text.index("trials")].count("\n") + 1
    assert f"{file}:{line}: training.trails: unknown key (got 10; allowed: " in result.output
    assert "did you mean 'trials'?" in result.output
    assert "prediction.task" in result.output


def test_new_drafts_checks_and_never_overwrites(tmp_path: Path, data_dir: Path) -> None:
    to = tmp_path / "prices.toml"
    call = ["new", "prices", "--from", str(data_dir / "elec2.csv.gz"), "--to", str(to)]
    assert CliRunner().invoke(app, call).exit_code == 0
    assert CliRunner().invoke(app, ["check", str(to)]).exit_code == 0
    before = to.read_bytes()
    assert CliRunner().invoke(app, call).exit_code == 1
    assert to.read_bytes() == before


@pytest.mark.usefixtures("installation", "data_dir")
def test_ingest_says_what_it_did_and_that_nothing_changed() -> None:
    first = CliRunner().invoke(app, ["ingest", "elec2"])
    assert first.exit_code == 0, first.output
    assert "new snapshot sha256:" in first.output
    assert "45,312 rows (45,312 new), 0 in quarantine" in first.output
    assert "unchanged snapshot" in CliRunner().invoke(app, ["ingest", "elec2"]).output
