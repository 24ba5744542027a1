"""API keys of the predictions port: who a caller is, and for which use cases. Read again whenever `run/keys.json` changes.

A key is `ilk_<id>_<secret>`; the secret has 256 random bits, so its plain SHA-256 can neither be guessed nor searched for, and needs
no slow hash (those are for passwords). The file holds hashes only. A file that cannot be read lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.records.pointer import write_durably
from interlock.serving.admission import Bucket, TurnedAway
from interlock.serving.token import control_token
from interlock.serving.wire import Refusal, Scope
from interlock.settings import Settings, is_loopback

log = logging.getLogger("interlock.serving")
NAME = "keys.json"
KEYS_MAX = 1_000
LOOK_S = 0.25
KEY = re.compile(r"ilk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
ALL = "*"


class Key(BaseModel):
    """One key as it is kept. A revoked or expired one stays in the list, so that it can be told from one that never was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    client: str = Field(min_length=1, max_length=80, description="Who uses it.")
    use_cases: list[str] = Field(min_length=1, description="Names, or `*` for all.")
    hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the secret.")
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    requests_per_s: float | None = Field(default=None, gt=0, description="More: 429 with Retry-After.")

    def state(self, now: datetime) -> str:
        """`valid`, `revoked` or `expired`."""
        if self.revoked_at is not None and now >= self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "valid"


class KeyFile(BaseModel):
    """The content of `run/keys.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: list[Key] = Field(default_factory=list, max_length=KEYS_MAX)


def keys_required(settings: Settings) -> bool:
    """Whether callers of the predictions port must show a key: by the setting, and always where other machines reach it."""
    return settings.serving_keys == "required" or not is_loopback(settings.host)


def new_secret() -> tuple[str, str, str]:
    """Id, whole key (shown once) and hash of a new key."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return key_id, f"ilk_{key_id}_{secret}", _hash(secret)


def read_keys(run: Path) -> list[Key]:
    """All keys; none where there is no file. Raises ValidationError (damaged), OSError."""
    try:
        return KeyFile.model_validate_json((run / NAME).read_bytes()).keys
    except FileNotFoundError:
        return []


def write_keys(run: Path, keys: list[Key]) -> None:
    """Replace the file durably, readable by its owner only. Raises OSError."""
    write_durably(run / NAME, KeyFile(keys=keys).model_dump_json(indent=2).encode(), mode=0o600)


class Keys:
    """The keys as one worker knows them."""

    def __init__(self, run: Path, workers: int) -> None:
        self._run, self._workers = run, workers
        self._keys: dict[str, Key] = {}
        self._stamp: tuple[int, int] | None = None
        self._looked = float("-inf")
        self._damaged = False
        self._own = hashlib.sha256(control_token(run).encode()).digest()
        self._buckets: dict[str, Bucket] = {}

    def admit(self, scope: Scope, use_case: str | None) -> str:
        """The client that asks. 401 without a valid key, 403 for another use case, 429 too often. None: any use case's key will do."""
        given = _given(scope)
        if given is not None and hmac.compare_digest(hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest(), self._own):
            return "interlock"  # who holds the control token may do more than this anyway
        self._look()
        key = self._known(given)
        if use_case is not None and ALL not in key.use_cases and use_case not in key.use_cases:
            raise TurnedAway(403, "this key is not for this use case", "forbidden", allowed=", ".join(key.use_cases))
        if key.requests_per_s is not None and use_case is not None:
            self._pace(key, key.requests_per_s)
        return key.client

    def _known(self, given: str | None) -> Key:
        if self._damaged:
            raise TurnedAway(503, "the keys cannot be read now, so nobody is let in", "keys", 5)
        found = KEY.fullmatch(given or "")
        key = self._keys.get(found.group(1)) if found else None
        hash_ = _hash(found.group(2)) if found else ""
        if key is None or not hmac.compare_digest(hash_, key.hash):
            raise _unknown("the key is not known" if given else "this call needs a key")
        state = key.state(datetime.now(UTC))
        if state != "valid":
            raise _unknown(f"the key is {state}")
        return key

    def _look(self) -> None:
        """Read the file again when it is another one; at most four times a second."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        try:
            found = (self._run / NAME).stat()
            stamp: tuple[int, int] | None = (found.st_ino, found.st_mtime_ns)
        except FileNotFoundError:
            stamp = None
        except OSError as error:
            return self._fail(str(error.strerror))
        if stamp == self._stamp and not self._damaged:
            return None
        try:
            self._keys = {key.id: key for key in read_keys(self._run)}
        except (ValidationError, OSError) as error:
            return self._fail(type(error).__name__)
        self._stamp, self._damaged = stamp, False
        self._buckets = {key_id: bucket for key_id, bucket in self._buckets.items() if key_id in self._keys}
        return None

    def _fail(self, why: str) -> None:
        if not self._damaged:
            log.error("the keys cannot be read (%s): nobody is let in until they can", why)
        self._keys, self._damaged = {}, True

    def _pace(self, key: Key, requests_per_s: float) -> None:
        rate = requests_per_s / self._workers
        bucket = self._buckets.get(key.id)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[key.id] = Bucket(rate)
        wait_s = bucket.wait_s()
        if wait_s > 0:
            raise TurnedAway(429, "this key asks too often", "client_rate", wait_s, allowed=f"{requests_per_s:g} requests/s")


def _given(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value.decode("latin-1"))
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return str(value[7:].decode("latin-1"))
    return None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _unknown(why: str) -> Refusal:
    refusal = TurnedAway(401, why, "unauthenticated", allowed="Authorization: Bearer ilk_…, or X-API-Key: ilk_…",
                         next_step="ask the operator: interlock keys add")
    refusal.headers = {"www-authenticate": "Bearer"}
    return refusal
