"""The file with secrets for Streamlit, and where the control room may listen."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from interlock.control.stack import lifecycle
from interlock.control.stack.programs import programs
from interlock.control.stack.sign_in_file import CLIENT_SECRET, COOKIE_SECRET, require_sign_in, sign_in_file, write_sign_in_file
from interlock.control.stack.supervision import write_configuration
from interlock.errors import SettingsError
from interlock.settings import Settings, load_settings

RULES = {"metadata_url": "https://login.example.org/.well-known/openid-configuration", "client_id": "interlock", "roles": {"a": "admin"},
         "address": "https://interlock.example.org"}
SECRET = "kept \"between\" two"


@pytest.fixture
def signing(settings: Settings, tmp_path: Path) -> Settings:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text(SECRET + "\n")
    return load_settings(home=settings.home, sign_in=RULES | {"client_secret_file": str(path)})


def test_the_file_is_private_and_says_what_streamlit_needs(signing: Settings) -> None:
    write_sign_in_file(signing)
    path = sign_in_file(signing)
    told = tomllib.loads(path.read_text())["auth"]
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((path.parent / "cookie_secret").stat().st_mode) == 0o600
    assert (told["client_secret"], told["client_id"]) == (SECRET, "interlock")
    assert told["redirect_uri"] == "https://interlock.example.org/oauth2callback"
    assert len(told["cookie_secret"]) >= 48
    write_sign_in_file(signing)  # a restart signs nobody out
    assert tomllib.loads(path.read_text())["auth"]["cookie_secret"] == told["cookie_secret"]


def test_no_secret_stands_on_a_command_line_or_in_the_supervisors_configuration(signing: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLIENT_SECRET, "of the environment")
    write_sign_in_file(signing)
    written = write_configuration(signing, programs(signing)).read_text()
    cookie = (signing.home / "run" / "cookie_secret").read_text()
    for secret in (SECRET, cookie, "of the environment"):
        assert secret not in written
        assert secret not in repr(signing)
    assert "--secrets.files" in written
    assert "--server.trustedUserHeaders" in written


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_secret_that_others_can_read_or_change_is_refused(signing: Settings, mode: int) -> None:
    assert signing.sign_in is not None
    assert signing.sign_in.client_secret_file is not None
    signing.sign_in.client_secret_file.chmod(mode)
    with pytest.raises(SettingsError, match="others than its owner") as refused:
        write_sign_in_file(signing)
    assert SECRET not in str(refused.value)
    assert "chmod 600" in refused.value.next_step
    assert not sign_in_file(signing).exists()


def test_a_missing_secret_and_a_short_key_are_refused(signing: Settings, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = load_settings(home=settings.home, sign_in=RULES)
    with pytest.raises(SettingsError, match="needs the secret"):
        write_sign_in_file(bare)
    monkeypatch.setenv(COOKIE_SECRET, "x" * 31)
    with pytest.raises(SettingsError, match="too short") as refused:
        write_sign_in_file(signing)
    assert "xxx" not in str(refused.value)


@pytest.mark.parametrize("changes", [{"client_secret": "hush"}, {"cookie_secret": "hush"}, {"metadata_url": "http://login.example.org/x"},
                                     {"roles": {"a": "captain"}}, {"session_hours": 25}, {"address": "https://user:hush@x.org"}])
def test_a_wrong_table_is_refused_and_nothing_of_it_is_printed(settings: Settings, changes: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="sign_in") as refused:
        load_settings(home=settings.home, sign_in=RULES | changes)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_without_sign_in_the_control_room_answers_this_machine_alone(settings: Settings, signing: Settings) -> None:
    for people in ({}, {"ann": ["admin"]}):
        remote = settings.model_copy(update={"host": "192.0.2.7", "allow_remote": True, "people": people})
        with pytest.raises(SettingsError, match="without signing in") as refused:
            lifecycle.up(remote, print)
        assert "interlock up --no-dashboard" in refused.value.next_step
    require_sign_in(signing.model_copy(update={"host": "192.0.2.7", "allow_remote": True}))


def test_an_old_file_goes_where_nobody_signs_in_any_more(signing: Settings) -> None:
    write_sign_in_file(signing)
    plain = signing.model_copy(update={"sign_in": None})
    write_sign_in_file(plain)
    assert not sign_in_file(plain).exists()
