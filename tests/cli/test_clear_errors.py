"""Whatever is wrong around a command, a person reads one clear text, never a traceback, and the exit code is 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.cli import main as command_line
from interlock.records.migrate import migrate
from interlock.settings import Settings

Command = Callable[..., str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call `interlock …` as the installed script does, in an empty folder; the answer is the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path / "home"))

    def call(*words: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["interlock", *words])
        with pytest.raises(SystemExit) as left:
            command_line.main()
        printed = capsys.readouterr()
        return f"{left.value.code}\n{printed.out}{printed.err}"

    return call


def clear(said: str, *, code: int = 1) -> str:
    assert said.startswith(f"{code}\n"), said
    assert "Traceback" not in said
    assert "unexpected error" not in said
    return said


@pytest.mark.parametrize("words", [["history"], ["verify"], ["status"], ["migrate"], ["approve", "x", "--reason", "r", "--yes"]])
def test_a_store_that_is_no_database(command: Command, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "store.db").write_bytes(b"this is not a database at all, but it is long enough to look like one " * 20)
    assert "the store cannot be used: file is not a database" in clear(command(*words))


@pytest.mark.parametrize("address", ["nonsense", "nosuch://user:secret@host/db", "postgresql+nosuch://user:secret@host/db"])
def test_an_address_of_the_store_that_means_nothing(command: Command, address: str) -> None:
    said = clear(command("history", INTERLOCK_STORE_URL=address))
    assert "INTERLOCK_STORE_URL" in said
    assert "secret" not in said


@pytest.mark.parametrize(("name", "value"), [("INTERLOCK_PEOPLE", "xx"), ("INTERLOCK_ALERT_URLS", "json://user:secret@host")])
def test_a_list_or_table_that_is_not_json(command: Command, name: str, value: str) -> None:
    said = clear(command("history", **{name: value}))
    assert name.removeprefix("INTERLOCK_").lower() in said
    assert "allowed: JSON" in said
    assert "secret" not in said


@pytest.mark.parametrize("text", [b"host = ", b"host = '\xff'"])
def test_a_broken_settings_file(command: Command, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "interlock.toml").write_bytes(text)
    assert "interlock.toml cannot be read" in clear(command("history"))


@pytest.mark.parametrize("words", [["history"], ["serve"]])
def test_a_home_that_cannot_be_made(command: Command, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "file").write_text("")
    said = clear(command(*words, INTERLOCK_HOME=str(tmp_path / "file" / "home")))
    assert "cannot be made: Not a directory" in said
    assert "INTERLOCK_HOME" in said


def test_a_sample_that_is_no_parquet(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_text("no parquet")
    assert "bad.parquet cannot be read as Parquet" in clear(command("new", "prices", "--from", "bad.parquet"))


def test_a_head_that_is_a_folder(command: Command, settings: Settings, tmp_path: Path) -> None:
    migrate(settings)
    assert "is not an exported ledger head" in clear(command("verify", "--head", str(tmp_path), INTERLOCK_HOME=str(settings.home)))


def test_a_reference_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    assert "the file cannot be written: No such file" in clear(command("reference", "--to", str(tmp_path / "missing" / "x")))
    assert not (tmp_path / "missing").exists()


def test_a_draft_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,late\n" + "".join(f"{n},{n % 7},{n % 2}\n" for n in range(40)))
    to = str(tmp_path / "rows.csv" / "x.toml")
    assert "the file cannot be written" in clear(command("new", "prices", "--from", "rows.csv", "--to", to))


def test_no_entries_is_no_number_of_entries(command: Command) -> None:
    assert "--limit" in clear(command("history", "--limit", "0"), code=2)


@pytest.mark.parametrize("debug", ["0", "1"])
def test_what_nobody_thought_of_is_one_line_with_a_log_and_all_of_it_for_a_developer(
        command: Command, settings: Settings, monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
    def broken(_settings: Settings) -> str:
        raise ZeroDivisionError("seven by nothing")

    settings.home.mkdir()
    monkeypatch.setattr("interlock.records.migrate.migrate", broken)
    said = command("migrate", INTERLOCK_HOME=str(settings.home), INTERLOCK_DEBUG=debug)
    log = settings.home / "log" / "errors.log"
    assert f"unexpected error: ZeroDivisionError: seven by nothing. Please report it; log at {log}" in said
    assert said.startswith("1\n")
    assert ("Traceback" in said) == (debug == "1")
    assert "in broken" in log.read_text()


def test_an_unexpected_error_begins_no_installation(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_settings: Settings) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("interlock.records.migrate.migrate", broken)
    assert f"log at {tmp_path}/interlock-" in command("migrate")
    assert not (tmp_path / "home").exists()
