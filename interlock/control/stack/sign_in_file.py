"""What Streamlit needs to sign people in: a file with secrets in the run folder, readable by its owner alone, made anew at each start."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from interlock.errors import SettingsError
from interlock.records.pointer import write_durably
from interlock.settings import Settings, is_loopback

NAME = "streamlit-secrets.toml"
COOKIE_NAME = "cookie_secret"
CLIENT_SECRET, COOKIE_SECRET = "INTERLOCK_SIGN_IN_CLIENT_SECRET", "INTERLOCK_SIGN_IN_COOKIE_SECRET"
SECRET_NAMES = frozenset({CLIENT_SECRET, COOKIE_SECRET})
SECRET_MIN = 32  # characters of the cookie's key: HMAC-SHA256 asks for at least its own 32 bytes (RFC 7518, section 3.2)


def sign_in_file(settings: Settings) -> Path:
    """Where the file lies; it is there only while people sign in and the control room runs."""
    return settings.folder("run") / NAME


def require_sign_in(settings: Settings) -> None:
    """Raise `SettingsError` where other machines would reach a control room in which nobody signs in."""
    if settings.sign_in is None and not is_loopback(settings.host):
        raise SettingsError("the control room would answer other machines, and everybody there would act in one name without signing in",
                            value=settings.host or "every address", allowed="127.0.0.1, ::1, localhost; any other with [sign_in]",
                            next_step="set [sign_in] in interlock.toml (docs/sign-in.md), or start without it: interlock up --no-dashboard")


def write_sign_in_file(settings: Settings) -> None:
    """Write it, or take an old one away where nobody signs in.

    Raises `SettingsError` for a secret that is missing or that others can read.
    """
    path, rules = sign_in_file(settings), settings.sign_in
    if rules is None:
        path.unlink(missing_ok=True)
        return
    client = _client_secret(rules.client_secret_file)
    values = {"redirect_uri": rules.redirect_uri(settings.dashboard_url), "cookie_secret": _cookie_secret(settings),
              "client_id": rules.client_id, "client_secret": client, "server_metadata_url": rules.metadata_url}
    lines = ["[auth]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()),
             "[auth.client_kwargs]", f"scope = {json.dumps(rules.scope)}"]
    write_durably(path, ("\n".join(lines) + "\n").encode(), mode=0o600)


def private_text(path: Path) -> str:
    """The text of a file that only its owner can read. Raises `SettingsError` for any other."""
    try:
        mode, text = path.stat().st_mode, path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("a file with a secret cannot be read", value=path, next_step="correct sign_in.client_secret_file") from error
    if mode & 0o077:
        raise SettingsError("others than its owner can read or change a file with a secret", value=f"{path} has mode {mode & 0o777:04o}",
                            allowed="0600 or 0400", next_step=f"chmod 600 {path}, and have the provider make a new secret")
    if not text or not text.isprintable():
        raise SettingsError("a file with a secret holds none", value=path, allowed="one line of text")
    return text


def _client_secret(path: Path | None) -> str:
    if path is not None:
        return private_text(path)
    if given := os.environ.get(CLIENT_SECRET, "").strip():
        return given
    raise SettingsError("sign-in needs the secret that the provider gave this client", value="none",
                        allowed=f"sign_in.client_secret_file, or {CLIENT_SECRET}", next_step="docs/sign-in.md says how to get one")


def _cookie_secret(settings: Settings) -> str:
    """The key that cookies are signed with: the environment's, else our own, made once, so that a restart signs nobody out."""
    if given := os.environ.get(COOKIE_SECRET, "").strip():
        if len(given) < SECRET_MIN:
            raise SettingsError("the cookie's secret is too short", value=f"{len(given)} characters", allowed=f"at least {SECRET_MIN}",
                                next_step=f"unset {COOKIE_SECRET}: one is made then")
        return given
    path = settings.folder("run") / COOKIE_NAME
    if not path.exists():
        write_durably(path, secrets.token_urlsafe(48).encode(), mode=0o600)
    return private_text(path)
