"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by time. Random bytes are drawn for many ids at once: a system call each
was a tenth of the cost of a prediction."""

from __future__ import annotations

import os
import threading
from time import time_ns

DRAWN_BYTES, ID_BYTES = 4_000, 10
_lock = threading.Lock()
_last_ms = 0
_drawn, _used = b"", DRAWN_BYTES


def new_id() -> str:
    """A new UUIDv7 as text: 48 bits of Unix milliseconds, then 74 random ones.

    No two ids of a process carry the same millisecond (RFC 9562, section 6.2: a busy process runs ahead of the clock), so they sort in
    the order in which they were made, also when the clock is set back.
    """
    global _last_ms, _drawn, _used
    now_ms = time_ns() // 1_000_000
    with _lock:
        if _used >= DRAWN_BYTES:
            _drawn, _used = os.urandom(DRAWN_BYTES), 0
        drawn = int.from_bytes(_drawn[_used:_used + ID_BYTES], "big")
        _used += ID_BYTES
        _last_ms = now_ms if now_ms > _last_ms else _last_ms + 1
        now_ms = _last_ms
    text = f"{now_ms << 80 | 7 << 76 | (drawn >> 62 & 0xFFF) << 64 | 2 << 62 | drawn & (1 << 62) - 1:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _forget() -> None:
    """A forked process must not draw what its parent draws."""
    global _used
    _used = DRAWN_BYTES


os.register_at_fork(after_in_child=_forget)
