"""`interlock backup`, `restore`, `confirm-restore`, `score` and `score-stream` as a person calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.cli import main as command_line
from interlock.records import ledger
from interlock.records.store import Store
from interlock.settings import settings_environment
from tests.control.scoring_world import NAME, Lender, applicants, write_csv
from tests.control.test_scoring import lender, two_models  # noqa: F401 - fixtures
from tests.control.test_scoring_kills import drop, take

Command = Callable[..., str]


@pytest.fixture
def command(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:  # noqa: F811
    """Call `interlock …` in the lender's installation; the answer is the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)
    for name, value in settings_environment(lender.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INTERLOCK_ACTOR", "ana")

    def call(*words: object) -> str:
        monkeypatch.setattr("sys.argv", ["interlock", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            command_line.main()
        printed = capsys.readouterr()
        return f"{left.value.code or 0}\n{printed.out}{printed.err}"

    return call


def test_back_up_check_restore_confirm(command: Command, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    assert "no folder to back up to" in command("backup")
    assert command("backup", tmp_path / "vault").startswith("0\n")
    assert "every digest is right" in command("restore", tmp_path / "vault", "--check")
    assert "needs a new home" in command("restore", tmp_path / "vault")
    said = command("restore", tmp_path / "vault", "--home", tmp_path / "new")
    assert f"version 1 {lender.digests[0]} will answer" in said
    assert "secrets" in said
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path / "new"))
    assert "nobody confirmed" in command("keeper")
    assert "confirmed, ledger entry 2" in command("confirm-restore", "--reason", "rehearsal")
    assert command("confirm-restore", "--reason", "rehearsal").startswith("1\n")
    store = Store(f"sqlite:///{tmp_path / 'new' / 'store.db'}")
    with store.reading() as session:
        entry = ledger.entries(session, kinds=["restore.confirmed"])[0]
    store.close()
    assert (ledger.body_of(entry)["actor"], ledger.body_of(entry)["reason"]) == ("ana", "rehearsal")


def test_score_a_file_twice_and_a_spool(command: Command, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", applicants(60, 9), row7={"income": "much"})
    said = command("score", NAME, path, "--to", tmp_path / "out")
    assert said.startswith("0\n")
    assert "60 rows, 59 answered, 1 refused" in said
    assert "refused 1: type:income" in said
    assert "nothing was changed" in command("score", NAME, path, "--to", tmp_path / "out")
    assert "nobody approved it" in command("score", NAME, path, "--to", tmp_path / "two", "--version", "2")
    assert "no such file" in command("score", NAME, tmp_path / "none.csv", "--to", tmp_path / "three")
    drop(tmp_path / "spool", "a.jsonl", ['{"income": 50, "debt": 3, "region": "north", "owner": true, "id": "x"}', "{"])
    said = command("score-stream", NAME, tmp_path / "spool", "--once")
    assert said.endswith("1 answered, 1 in quarantine, files finished: 1\n")
    assert [row["id"] for row in take(tmp_path / "spool")] == ["x"]
