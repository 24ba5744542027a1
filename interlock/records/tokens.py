"""Keyed tokens instead of personal identifiers: HMAC-SHA256 under a key that never leaves the installation.

A token is the same for the same person, so rows can be joined and erased; without the key nobody can go back or try values.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.errors import SettingsError
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

KEY_BYTES = 32


def token_key(settings: Settings, use_case: UseCase) -> bytes:
    """The use case's key: from the environment variable it names, else `home/keys/<use case>.key`, made at first use (mode 0600)."""
    name = use_case.privacy.token_key_env
    if name is not None:
        text = os.environ.get(name, "")
        if len(text) < KEY_BYTES:
            raise SettingsError(f"the token key in {name} is missing or too short", allowed=f"at least {KEY_BYTES} characters",
                                next_step=f"export {name}=$(openssl rand -hex 32)")
        return text.encode()
    path = settings.home.resolve() / "keys" / f"{use_case.name}.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.is_file():
        _make_key(path)
    return path.read_bytes()


def tokens(values: pl.Series, key: bytes, column: str) -> pl.Series:
    """`tok_` and 32 hexadecimal digits for each value (missing stays missing); each distinct value is hashed once."""
    import polars as pl

    distinct = values.unique().drop_nulls()
    own_key = hmac.new(key, column.encode(), hashlib.sha256).digest()
    made = ["tok_" + hmac.new(own_key, str(value).encode(), hashlib.sha256).hexdigest()[:32] for value in distinct]
    return values.replace_strict(distinct, pl.Series(made, dtype=pl.String), default=None, return_dtype=pl.String)


def _make_key(path: Path) -> None:
    """Written whole under another name, then linked into place: two processes at once agree on one key."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
