"""API keys: who may ask for what, until when and how often; changed without a restart, never in clear anywhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.errors import DecisionRefused, SettingsError, StoreError
from interlock.serving import keys as keys_module
from interlock.serving.keys import Key, Keys, keys_required, new_secret, read_keys, write_keys
from interlock.serving.wire import Refusal
from interlock.settings import Settings

NOW = datetime.now(UTC)


def make(client: str = "shop", **more: Any) -> tuple[Key, str]:
    """A key and its secret text."""
    key_id, secret, hash_ = new_secret()
    return Key(**({"id": key_id, "client": client, "use_cases": ["late"], "hash": hash_, "created_at": NOW} | more)), secret


def asked(keys: Keys, secret: str | None, use_case: str | None = "late") -> str | int:
    """The client, or the status of the refusal."""
    try:
        return keys.admit({"headers": [] if secret is None else [(b"authorization", f"Bearer {secret}".encode())]}, use_case)
    except Refusal as refusal:
        return refusal.status


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the file at every request."""
    monkeypatch.setattr(keys_module, "LOOK_S", 0.0)


def test_a_key_opens_its_own_use_cases_only(tmp_path: Path) -> None:
    (mine, secret), (everything, master) = make(), make(use_cases=["*"])
    write_keys(tmp_path, [mine, everything])
    keys = Keys(tmp_path, 1)
    assert [asked(keys, secret), asked(keys, secret, "other"), asked(keys, secret, None)] == ["shop", 403, "shop"]
    assert [asked(keys, master, "other"), asked(keys, None), asked(keys, ""), asked(keys, "ilk_x_y")] == ["shop", 401, 401, 401]
    assert asked(keys, secret[:-1] + ("A" if secret[-1] != "A" else "B")) == 401
    assert asked(keys, secret.replace(mine.id, everything.id)) == 401, "another key's id does not help"
    assert keys.admit({"headers": [(b"x-api-key", secret.encode())]}, "late") == "shop"
    assert asked(keys, (tmp_path / "control.token").read_text()) == "interlock"
    for hostile in ("\xff" * 20, "ilk_" + "0" * 12 + "_" + "é" * 43, "x" * 50_000):
        assert asked(keys, hostile.encode("utf-8").decode("latin-1")) == 401


def test_expired_and_revoked_keys_are_told_apart(tmp_path: Path) -> None:
    (old, old_secret), (gone, gone_secret) = make(expires_at=NOW - timedelta(seconds=1)), make(revoked_at=NOW - timedelta(seconds=1))
    write_keys(tmp_path, [old, gone])
    keys = Keys(tmp_path, 1)
    for secret, word in ((old_secret, "expired"), (gone_secret, "revoked")):
        with pytest.raises(Refusal, match=word) as refused:
            keys.admit({"headers": [(b"x-api-key", secret.encode())]}, "late")
        assert (refused.value.status, refused.value.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.usefixtures("unhurried")
def test_a_change_of_the_file_counts_at_once(tmp_path: Path) -> None:
    key, secret = make()
    keys = Keys(tmp_path, 1)
    assert asked(keys, secret) == 401
    write_keys(tmp_path, [key])
    assert asked(keys, secret) == "shop"
    write_keys(tmp_path, [])
    assert asked(keys, secret) == 401


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"keys": [{"id": "x"}]}', b"\xff\xfe"])
def test_a_damaged_file_lets_nobody_in_and_mends(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    key, secret = make()
    write_keys(tmp_path, [key])
    keys = Keys(tmp_path, 1)
    assert asked(keys, secret) == "shop"
    (tmp_path / "keys.json").write_bytes(content)
    os.utime(tmp_path / "keys.json", ns=(1, 1))
    assert [asked(keys, secret), asked(keys, None)] == [503, 503]
    assert secret not in caplog.text
    write_keys(tmp_path, [key])
    assert asked(keys, secret) == "shop"


def test_a_key_asks_no_more_often_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = make(requests_per_s=4.0)
    write_keys(tmp_path, [key])
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    keys = Keys(tmp_path, 2)  # two workers: two a second each, one at once
    assert asked(keys, secret) == "shop"
    with pytest.raises(Refusal) as refused:
        keys.admit({"headers": [(b"x-api-key", secret.encode())]}, "late")
    assert (refused.value.status, refused.value.headers["retry-after"], refused.value.body["reason"]) == (429, "1", "client_rate")
    now[0] += 0.5
    assert asked(keys, secret) == "shop"


def test_the_file_holds_no_secret_and_is_the_owners(tmp_path: Path) -> None:
    key, secret = make()
    write_keys(tmp_path, [key])
    text = (tmp_path / "keys.json").read_text()
    assert secret not in text
    assert secret.split("_", 2)[2] not in text  # the random part alone; it may hold "_" itself
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert read_keys(tmp_path) == [key]


def test_keys_are_asked_for_wherever_other_machines_call(settings: Settings) -> None:
    assert not keys_required(settings)
    assert keys_required(settings.model_copy(update={"serving_keys": "required"}))
    assert keys_required(settings.model_copy(update={"host": "0.0.0.0", "allow_remote": True}))  # noqa: S104 - never bound


@pytest.fixture
def guarded(settings: Settings, packages: tuple[Path, str, str], running: Any) -> Iterator[Any]:
    """A server that asks for keys."""
    from interlock.serving.limits import Limits

    server = running(settings.model_copy(update={"serving_keys": "required"}), Limits())
    server.start(INTERLOCK_SERVING_KEYS="required")
    server.client.converge(server.route(1, packages[1]))
    yield server
    server.kill()
    server.client.close()


def test_a_running_server_follows_the_keys(guarded: Any, record: Callable[..., Any], store: Any) -> None:
    from interlock.control.access.keys import add_key, list_keys, revoke_key, rotate_key
    from interlock.control.past.history import sentence
    from interlock.records import ledger

    settings, url = guarded.settings, guarded.settings.predictions_url
    who = {"actor": "ana", "reason": "the shop goes live"}

    def status(secret: str | None, path: str = "/v1/late/predict") -> int:
        headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
        method = "POST" if path.endswith("predict") else "GET"
        return httpx.request(method, url + path, json={"records": [record()]}, headers=headers, trust_env=False).status_code

    assert status(None) == 401
    assert [status(None, "/v2/health/ready"), status(None, "/v2"), status(None, "/v2/models/late")] == [200, 200, 401]
    issued = add_key(settings, store, client="shop", use_cases=["late"], days=1, **who)
    guarded.wait(lambda: status(issued.secret) == 200, 5)
    assert [status(issued.secret, "/v2/models/late"), status(issued.secret, "/v1/secret/predict")] == [200, 403]
    assert [status(None, "/openapi.json"), status(issued.secret, "/openapi.json")] == [401, 403], "it tells of every use case"
    second = rotate_key(settings, store, key_id=issued.key.id, overlap_s=0, **who)
    guarded.wait(lambda: (status(issued.secret), status(second.secret)) == (401, 200), 5)
    gone, warnings = revoke_key(settings, store, key_id=second.key.id, **who)
    guarded.wait(lambda: status(second.secret) == 401, 5)
    assert (gone.state(datetime.now(UTC)), warnings) == ("revoked", [])
    assert guarded.client.predict("late", [record()])["version"] == 1, "the control room asks with the control token"
    with store.reading() as session:
        entries = ledger.entries(session)
    assert [entry.kind for entry in entries][:3] == ["key.revoked", "key.rotated", "key.added"]
    assert sentence(entries[2]).startswith(f"ana: added key {issued.key.id} of shop for late until 20")
    assert f"rotated key {second.key.id} in place of {issued.key.id} of shop" in sentence(entries[1])
    written = "".join(entry.body for entry in entries)
    for one in (issued, second):
        assert one.key.hash not in written
        assert one.secret.split("_", 2)[2] not in written
    assert {key.id for key in list_keys(settings)} == {issued.key.id, second.key.id}


def test_wrong_keys_are_refused_before_anything_is_written(settings: Settings, store: Any) -> None:
    from interlock.control.access.keys import add_key, list_keys, revoke_key, rotate_key
    from interlock.records import ledger

    who = {"actor": "ana", "reason": "r"}
    with pytest.raises(SettingsError, match="use_cases"):
        add_key(settings, store, client="shop", use_cases=[], **who)
    with pytest.raises(SettingsError, match="client"):
        add_key(settings, store, client="", use_cases=["late"], **who)
    with pytest.raises(DecisionRefused, match="reason"):
        add_key(settings, store, client="shop", use_cases=["late"], actor="ana", reason=" ")
    with pytest.raises(DecisionRefused, match="may not change keys"):
        add_key(settings.model_copy(update={"people": {"ana": ["viewer"]}}), store, client="shop", use_cases=["late"], **who)
    with pytest.raises(SettingsError, match="no such key"):
        revoke_key(settings, store, key_id="0" * 12, **who)
    issued = add_key(settings, store, client="shop", use_cases=["late"], **who)
    revoke_key(settings, store, key_id=issued.key.id, **who)
    with pytest.raises(DecisionRefused, match="revoked"):
        rotate_key(settings, store, key_id=issued.key.id, **who)
    with store.reading() as session:
        assert [entry.kind for entry in ledger.entries(session)] == ["key.revoked", "key.added"]
    (settings.folder("run") / "keys.json").write_text("{")
    with pytest.raises(StoreError, match="nobody is let in"):
        list_keys(settings)


def test_a_revocation_counts_without_the_store(settings: Settings, store: Any) -> None:
    from interlock.control.access.keys import add_key, list_keys, revoke_key
    from interlock.errors import Unavailable

    class Away:
        def writing(self) -> Any:
            raise Unavailable("the store does not answer")

    issued = add_key(settings, store, client="shop", use_cases=["late"], actor="ana", reason="r")
    _, [warning] = revoke_key(settings, Away(), actor="ana", reason="leaked", key_id=issued.key.id)  # type: ignore[arg-type]
    assert "revoked, but not in the ledger" in warning
    assert list_keys(settings)[0].state(datetime.now(UTC)) == "revoked"
    with pytest.raises(Unavailable):
        add_key(settings, Away(), client="shop", use_cases=["late"], actor="ana", reason="r")  # type: ignore[arg-type]
    assert len(list_keys(settings)) == 1, "a key that is not in the ledger does not count"
