"""The use-case page: the file in words, the check with its lines, versions and their differences, changes as a diff; the timer."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from pathlib import Path

import pytest
from control_room_world import FLIGHTS, USECASES, endpoint, observed, sha
from streamlit.testing.v1 import AppTest
from test_pages import VIEWS, opened, text

from dashboard import timing
from interlock.control.file_commits import commits_of, text_at
from interlock.control.readmodel.case_file import case_file
from interlock.control.readmodel.directory import entry
from interlock.control.readmodel.file_history import changed, versions
from interlock.control.readmodel.levers import edited, levers
from interlock.errors import UseCaseError
from interlock.records import policies
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.load import load_use_case


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the use-case files that the installation of the test reads."""
    found = tmp_path / "files"
    found.mkdir()
    for path in USECASES.glob("*.toml"):
        shutil.copy(path, found / path.name)
    monkeypatch.setenv("INTERLOCK_USECASES_DIR", str(found))
    return found


def of_part(part: str, **asked: str) -> AppTest:
    app = AppTest.from_file(str(VIEWS / "use_case.py"), default_timeout=60)
    app.query_params["use_case"], app.query_params["part"] = FLIGHTS, part
    for key, value in asked.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def test_words_have_units_and_tell_what_is_a_default(settings: Settings) -> None:
    file = case_file(settings, USECASES / f"{FLIGHTS}.toml")
    parts = {part.name: part for part in file.parts}
    own = {one.key: one for one in parts["monitoring"].settings}
    assert (own["window_hours"].value, own["window_hours"].given) == ("168 hours", True)
    assert (own["latency_p99_ms_max"].value, own["latency_p99_ms_max"].given) == ("100 ms", False)
    assert own["rows_min"].meaning == "Predictions below which a window says UNKNOWN."
    steps = next(one for one in parts["rollout"].settings if one.key == "steps")
    assert steps.value == "1. percent 10; 2. percent 50, requests_min 1,000"  # bake_s 300 and requests_min 200 are the defaults
    assert not parts["fairness"].given
    assert file.problems == ()
    assert next(row for row in file.columns if row["column"] == "month")["limits"] == "from 1, to 12, never missing"


def test_the_check_is_that_of_the_command_with_its_lines(world: Settings, store: Store, folder: Path) -> None:
    path = folder / f"{FLIGHTS}.toml"
    lines = path.read_text().replace("window_hours = 168", "window_hour = 168").splitlines()
    path.write_text("\n".join(lines))
    at = next(number for number, line in enumerate(lines, 1) if line.startswith("window_hour "))
    app = opened("use_case")
    shown = app.table[0].value
    assert list(shown["line"]) == [at]
    assert "unknown key" in str(shown["problem"].iloc[0])
    assert "check: 1 problem" in text(app)


def test_versions_are_those_that_evidence_rests_on(world: Settings, store: Store, folder: Path) -> None:
    path = folder / f"{FLIGHTS}.toml"
    policies.keep(world, path)
    before = path.read_text()
    path.write_text(before.replace("rows_min = 500", "rows_min = 400"))
    here = world.model_copy(update={"usecases_dir": folder})
    found = versions(here, store, FLIGHTS, path)
    assert [one.words for one in found][0] == "as it is now"
    assert found[1].words.startswith("evidence about versions 1 to 3 rests on it")
    diff = changed(here, path, found[1].name, found[0].name)
    assert [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}] == [
        "-rows_min = 500",
        "+rows_min = 400",
    ]
    with pytest.raises(UseCaseError, match="not on record"):
        changed(here, path, sha("never seen"), "now")
    kept = here.folder("policies") / f"{found[1].name.removeprefix('sha256:')}.toml"
    kept.write_text("name = 'another'")  # a kept text that was changed is as good as none
    with pytest.raises(UseCaseError, match="not on record"):
        changed(here, path, found[1].name, "now")


def test_commits_are_shown_where_git_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    assert commits_of(path) == []
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    for number in (1, 2):
        path.write_text(f"a = {number}\n")
        subprocess.run([*git, "add", "a.toml"], cwd=tmp_path, check=True)
        subprocess.run([*git, "commit", "-q", "-m", f"step {number}"], cwd=tmp_path, check=True)
    found = commits_of(path)
    assert [(one.subject, one.author) for one in found] == [("step 2", "Ada"), ("step 1", "Ada")]
    assert text_at(path, found[1].hash) == "a = 1\n"
    assert text_at(path, "HEAD --output=x") is None  # nothing but a hash is handed on


def test_a_change_is_a_diff_that_was_checked(world: Settings, store: Store, folder: Path) -> None:
    here = world.model_copy(update={"usecases_dir": folder})
    one = entry(here, store, FLIGHTS)
    assert one is not None
    before = (folder / f"{FLIGHTS}.toml").read_bytes()
    diff = edited(
        here,
        one,
        ((("monitoring", "rows_min"), 400), (("gates", "performance", "threshold"), 0.6), (("gates", "performance", "reason"), "x")),
    )
    assert "-rows_min = 500" in diff
    assert "+rows_min = 400" in diff
    assert "+threshold = 0.6" in diff
    with pytest.raises(UseCaseError, match="the file's checks refuse it"):
        edited(here, one, ((("monitoring", "rows_min"), 0),))
    with pytest.raises(UseCaseError, match="reason"):
        edited(here, one, ((("gates", "performance", "threshold"), 0.6),))
    assert (folder / f"{FLIGHTS}.toml").read_bytes() == before  # version control stays the truth


def test_the_settings_people_change_have_their_value_of_now() -> None:
    found = {lever.name: lever.value for lever in levers(load_use_case(USECASES / f"{FLIGHTS}.toml"))}
    assert found["owner"] == "operations"
    assert found["monitoring.drift_psi_max"] == 0.25
    assert found["rollout.steps[2].percent"] == 50
    assert found["gates.performance.threshold"] == 0.55


def test_the_page_offers_the_diff(world: Settings, store: Store, folder: Path) -> None:
    app = of_part("Propose a change", change="monitoring.rows_min")
    assert "Nothing differs from the file yet." in [one.value for one in app.caption]
    app.number_input[0].set_value(400).run()
    assert "+rows_min = 400" in app.code[0].value
    assert [one.label for one in app.get("download_button")] == ["Download the change"]
    app.number_input[0].set_value(0).run()
    assert "this change cannot be proposed" in app.error[0].value.replace("\\", "")
    assert len(app.get("download_button")) == 0


def test_who_may_not_propose_is_told_so(world: Settings, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PEOPLE", json.dumps({"Grace Approver": ["viewer"]}))
    app = of_part("Propose a change", change="monitoring.rows_min")
    assert len(app.number_input) == 0
    assert len(app.get("download_button")) == 0


def test_raw_and_history_open(world: Settings, store: Store, folder: Path) -> None:
    with endpoint(world.control_port, [observed()]):
        assert 'name = "flight_delays"' in of_part("Raw").code[0].value
        assert "as it is now" in text(of_part("History"))


@pytest.mark.parametrize(("every", "goal_ms", "told"), [(False, 1e9, []), (True, 1e9, ["info"]), (False, -1.0, ["warning"])])
def test_a_slow_run_is_a_line_in_the_log(
    every: bool, goal_ms: float, told: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(timing, "SLOW_MS", goal_ms)
    with caplog.at_level(logging.INFO, "interlock.dashboard"), pytest.raises(ZeroDivisionError):
        fails(every)
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "interlock.dashboard"]
    assert [(line["level"], line["page"]) for line in lines] == [(level, "drift") for level in told]


def fails(every: bool) -> None:
    with timing.timed() as run:
        run.page, run.every = "drift", every
        raise ZeroDivisionError
