"""Tokens: the same for the same person, different under another key or column, never made without a sound key."""

from __future__ import annotations

import hashlib
import hmac
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.errors import SettingsError
from interlock.records.tokens import token_key, tokens
from interlock.settings import Settings


def test_a_token_is_the_keyed_digest_of_value_and_column() -> None:
    key = b"k" * 32
    made = tokens(pl.Series(["Anna", None, "Berta", "Anna"]), key, "tiny/name")
    own_key = hmac.new(key, b"tiny/name", hashlib.sha256).digest()
    expected = "tok_" + hmac.new(own_key, b"Anna", hashlib.sha256).hexdigest()[:32]
    assert (made[0], made[1], made[3]) == (expected, None, expected)
    assert made[2] != made[0]
    assert tokens(pl.Series(["Anna"]), key, "tiny/other")[0] != expected
    assert tokens(pl.Series(["Anna"]), b"x" * 32, "tiny/name")[0] != expected


def test_an_empty_column_stays_empty() -> None:
    assert tokens(pl.Series([None, None], dtype=pl.String), b"k" * 32, "c").to_list() == [None, None]


def test_a_key_from_the_environment_must_be_there_and_long_enough(settings: Settings, make_use_case: Any,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    use_case = make_use_case(Path("x"), privacy={"token_key_env": "TINY_KEY"})
    monkeypatch.delenv("TINY_KEY", raising=False)
    with pytest.raises(SettingsError, match="TINY_KEY is missing or too short"):
        token_key(settings, use_case)
    monkeypatch.setenv("TINY_KEY", "hunter2")
    with pytest.raises(SettingsError) as raised:
        token_key(settings, use_case)
    assert "hunter2" not in str(raised.value)
    monkeypatch.setenv("TINY_KEY", "k" * 32)
    assert token_key(settings, use_case) == b"k" * 32
    assert not (settings.home / "keys").exists()


def test_many_at_once_agree_on_one_key_file(settings: Settings, make_use_case: Any) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(token_key(settings, make_use_case(Path("x"))))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (settings.home / "keys").iterdir()] == ["tiny.key"]
