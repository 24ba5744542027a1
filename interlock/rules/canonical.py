"""Canonical JSON and digests: one value has one text, so one digest.

RFC 8785 (JSON Canonicalization Scheme) over a subset: objects, arrays, strings, booleans, null and integers below 2^53.
Floats are written as decimal strings (`repr`, shortest that reads back the same), because digests must not depend on
how another program prints a float; NaN and infinities become "nan", "inf", "-inf".
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

SAFE_INTEGER = 2**53 - 1
_HIGH = re.compile("[\ud800-\U0010ffff]")


def plain(value: Any) -> Any:
    """The value in terms of JSON: floats as decimal strings, times as ISO 8601 UTC with microseconds."""
    kind = type(value)
    if kind is str or value is None or kind is bool:  # the kinds that evidence is full of, without asking for each of the others
        return value
    if kind is float:
        return repr(value)
    if kind is list:
        return [plain(item) for item in value]
    if kind is dict:
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, (date, PurePath)):
        return value.isoformat() if isinstance(value, date) else value.as_posix()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [plain(item) for item in items]
    raise TypeError(f"cannot write {type(value).__name__} as canonical JSON")


def canonical(value: Any) -> bytes:
    """Canonical JSON text (UTF-8). Keys are sorted by UTF-16 code units, as RFC 8785 asks.

    Code units and characters are in the same order below U+D800, so that without a character from there on the library may write it all.
    """
    plainly = plain(value)
    text = json.dumps(plainly, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return (_write(plainly) if _HIGH.search(text) else text).encode()


def digest(value: Any) -> str:
    """`sha256:` and 64 hexadecimal digits over the canonical JSON of the value."""
    return digest_bytes(canonical(value))


def digest_bytes(data: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits over the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds; a time without a zone is an error."""
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {moment}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _write(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_write(key)}:{_write(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
