"""The server's log: one JSON object per line, with ids and figures, never with data or keys.

A refused or failed request gets a line, an answered one only as a sample. More lines than `log_lines_per_s` are counted, not written:
a flood must not fill the disk.
"""

from __future__ import annotations

import json
import logging
import random
import time
import traceback
from datetime import UTC, datetime
from typing import Any

from interlock.serving.limits import Limits

log = logging.getLogger("interlock.serving.requests")
MESSAGE_CHARACTERS_MAX = 2_000


class JsonLines(logging.Formatter):
    """`{"at", "level", "process", "logger", "message", …}`; `extra={"fields": {…}}` adds the rest. Exceptions lose their text: it may
    hold data."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"), "level": record.levelname.lower(),
            "process": self._process, "logger": record.name, "message": record.getMessage()[:MESSAGE_CHARACTERS_MAX]}
        line |= getattr(record, "fields", {})
        if record.exc_info is not None and record.exc_info[1] is not None:
            line["error"] = place_of(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """The same in plain lines: time, process, level, message, and the fields as JSON, so that no text of a caller can look like a line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()[:MESSAGE_CHARACTERS_MAX].replace("\n", "\\n")
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = f"{at} {self._process} {record.levelname} {message}"
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info is not None and record.exc_info[1] is not None:
            fields["error"] = place_of(record.exc_info[1])
        return f"{line} {json.dumps(fields, ensure_ascii=False, default=str)}" if fields else line


class Bounded(logging.Filter):
    """At most `most` lines a second of the HTTP library, which has one for every request that is no HTTP; the next one says how many
    were left out."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._second, self._written, self._left_out = most, 0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("uvicorn"):
            return True
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._written = second, 0
        self._written += 1
        if self._written > self._most:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg, self._left_out = f"{record.msg} (and {self._left_out} lines that were left out)", 0
        return True


def place_of(error: BaseException) -> str:
    """Kind of an exception and where it was raised, without its text, which may hold data."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return f"{type(error).__name__} at " + " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))


def set_up(process: str, form: str, level: int) -> None:
    """Let this process log to its standard error, as `json` or `text`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process) if form == "json" else TextLines(process))
    handler.addFilter(Bounded(Limits.log_lines_per_s))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    log.setLevel(logging.INFO)


class AccessLog:
    """Which requests are written about."""

    def __init__(self, share: float, limits: Limits) -> None:
        self._share, self._most = share, limits.log_lines_per_s
        self._second = 0
        self._written = self._left_out = 0

    def wants(self, status: int) -> bool:
        """Whether this request gets a line: every refused or failed one, and the sample of the others."""
        return status >= 400 or (self._share > 0 and random.random() < self._share)  # noqa: S311 - a sample, no secret

    def write(self, status: int, fields: dict[str, Any]) -> None:
        """Write the line, unless this second has had enough; the next second says how many were left out."""
        second = int(time.monotonic())
        if second != self._second:
            if self._left_out:
                log.warning("lines about requests left out", extra={"fields": {"left_out": self._left_out}})
            self._second, self._written, self._left_out = second, 0, 0
        if self._written >= self._most:
            self._left_out += 1
            return
        self._written += 1
        level = logging.ERROR if status == 500 else logging.INFO
        log.log(level, "request", extra={"fields": {"status": status} | fields})
