"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by time."""

from __future__ import annotations

from uuid6 import uuid7


def new_id() -> str:
    """A new UUIDv7 as text."""
    return str(uuid7())
