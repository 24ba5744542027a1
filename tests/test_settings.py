"""Settings: precedence, clear refusals, and nobody's own profile touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.errors import SettingsError
from interlock.settings import load_settings, require_local, settings_environment


def test_a_flag_beats_the_environment_and_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interlock.toml").write_text('predictions_port = 7001\nteam = "file"\nenvironment = "file"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERLOCK_TEAM", "env")
    monkeypatch.setenv("INTERLOCK_PREDICTIONS_PORT", "7002")
    settings = load_settings(predictions_port=7003)
    assert (settings.predictions_port, settings.team, settings.environment, settings.control_port) == (7003, "env", "file", 7071)


def test_a_wrong_setting_names_itself_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PREDICTIONS_PORT", "99999")
    with pytest.raises(SettingsError, match=r"predictions_port.*\n.*99999.*\n.*INTERLOCK_PREDICTIONS_PORT"):
        load_settings()


def test_a_wrong_store_address_is_never_printed() -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(store_url=["postgresql://user:secret@host/db"])
    assert "secret" not in str(raised.value)


def test_the_folder_of_use_cases_is_the_one_under_home_where_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTERLOCK_USECASES_DIR", raising=False)
    assert load_settings(home=tmp_path).usecases_dir == Path("usecases")
    (tmp_path / "usecases").mkdir()
    assert load_settings(home=tmp_path).usecases_dir == tmp_path / "usecases"
    assert load_settings(home=tmp_path, usecases_dir=Path("usecases")).usecases_dir == Path("usecases")
    monkeypatch.setenv("INTERLOCK_USECASES_DIR", "elsewhere")
    assert load_settings(home=tmp_path).usecases_dir == Path("elsewhere")


def test_commands_typed_after_the_demo_find_its_use_cases_without_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTERLOCK_USECASES_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var" / "usecases").mkdir(parents=True)
    settings = load_settings()
    assert settings.usecases_dir.resolve() == tmp_path / "var" / "usecases"
    assert settings_environment(settings)["INTERLOCK_USECASES_DIR"] == str(tmp_path / "var" / "usecases")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost", "LocalHost"])
def test_this_machine_alone_needs_no_permission(host: str) -> None:
    require_local(load_settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.1.7", "models.example.org"])  # noqa: S104 - refused
def test_a_host_that_other_machines_reach_is_refused_unless_that_is_meant(host: str) -> None:
    with pytest.raises(SettingsError, match="nothing there asks who calls") as raised:
        require_local(load_settings(host=host))
    assert "allow_remote = true" in raised.value.next_step
    require_local(load_settings(host=host, allow_remote=True))


@pytest.mark.parametrize("entry", [7, ["json://user:secret@host"]])
def test_a_wrong_alert_address_is_never_printed(entry: object) -> None:
    with pytest.raises(SettingsError, match="alert_urls.1") as raised:
        load_settings(alert_urls=["json://good", {"json://user:secret@host": entry}])
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_value_of_a_misspelt_setting_is_not_printed_as_it_may_be_a_secret() -> None:
    with pytest.raises(SettingsError, match="alert_url'") as raised:
        load_settings(alert_url="json://user:secret@host")
    assert "secret" not in str(raised.value)
