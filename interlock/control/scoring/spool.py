"""A folder as a stream: producers drop JSON-lines files by rename, answers come out exactly once.

    in/            files to be read, in the order of their names; a name with a dot in front is not ready yet
    out/           answers, one file per step, `<spool>-<step>.jsonl`; the consumer may take files away at any time
    quarantine/    records that cannot be answered, with their reasons, likewise
    done/          input files that were read whole, under their digest
    position.db    how far everything is: one transaction per step

A step writes its results aside, then moves the position (from here on it counts), then renames the results into place. After a crash
results of a step that counts are renamed, others removed; a renamed file is no longer aside, so nothing comes out twice. A record is
known by its file's digest and its offset: the same content dropped again, under whatever name, changes nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from interlock.errors import SettingsError, SourceError
from interlock.records.ids import new_id
from interlock.records.pointer import write_durably
from interlock.records.segments import sync_folder

LINE_BYTES_MAX = 1 << 20
STAGE = ".stage"
PARTS = ("out", "quarantine")
SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT, step INTEGER, digest TEXT, name TEXT, offset INTEGER);
CREATE TABLE IF NOT EXISTS files (digest TEXT PRIMARY KEY, name TEXT, bytes INTEGER);
"""


@dataclass(frozen=True)
class Message:
    """One record as it came. Its identity is `file` (digest) and `offset` (byte)."""

    file: str
    offset: int
    line: bytes


@dataclass(frozen=True)
class Polled:
    """Records that wait, in order, and where the stream stands once they are committed."""

    messages: list[Message]
    file: str
    name: str
    end: int
    finished: bool


class Stream(Protocol):
    """What a source of records must do; another one (a queue, a log) implements these two and says who it is."""

    name: str

    @property
    def step(self) -> int:
        """The last committed step."""
        ...

    def poll(self, limit: int) -> Polled | None:
        """The next records after the committed position, at most `limit`; None where none waits."""
        ...

    def commit(self, polled: Polled, answers: Iterable[dict[str, Any]], refused: Iterable[dict[str, Any]]) -> None:
        """Results and position together: both or neither, whatever happens."""
        ...


class LocalSpool:
    """The folder. Raises `SettingsError` where it cannot be used or another scorer holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        try:
            for part in ("in", *PARTS, "done", STAGE):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise SettingsError(f"the spool cannot be used: {error.strerror}", value=self.folder) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise SettingsError("another scorer works on this spool", value=self.folder) from error
        self._db = sqlite3.connect(self.folder / "position.db")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)
        with self._db:
            self._db.execute("INSERT OR IGNORE INTO spool VALUES (1, ?, 0, NULL, NULL, 0)", (new_id().replace("-", "")[-12:],))
        self.name, self.replays, self.finished = str(self._db.execute("SELECT id FROM spool").fetchone()[0]), 0, 0
        self._seen: tuple[str, tuple[int, int, int]] = ("", (0, 0, 0))
        self._settle()

    @property
    def step(self) -> int:
        return int(self._db.execute("SELECT step FROM spool").fetchone()[0])

    def poll(self, limit: int) -> Polled | None:
        digest, name, offset = self._db.execute("SELECT digest, name, offset FROM spool").fetchone()
        if digest is None:
            found = self._next_file()
            if found is None:
                return None
            digest, name, offset = *found, 0
        elif not self._unchanged(name, digest):
            raise SourceError(f"in/{name} was changed or removed before it was read whole", value=digest,
                              next_step="put the file back as it was; what came of it so far is in out/")
        path = self.folder / "in" / name
        self._seen = digest, _state(path)
        return _read(path, digest, offset, limit)

    def commit(self, polled: Polled, answers: Iterable[dict[str, Any]], refused: Iterable[dict[str, Any]]) -> None:
        step = self.step + 1
        for part, rows in (("out", answers), ("quarantine", refused)):
            text = b"".join(json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n" for row in rows)
            if text:
                write_durably(self._staged(part, step), text)
        with self._db:
            if polled.finished:
                self._db.execute("INSERT OR IGNORE INTO files VALUES (?, ?, ?)", (polled.file, polled.name, polled.end))
                self._db.execute("UPDATE spool SET step = ?, digest = NULL, name = NULL, offset = 0", (step,))
            else:
                self._db.execute("UPDATE spool SET step = ?, digest = ?, name = ?, offset = ?",
                                 (step, polled.file, polled.name, polled.end))
        self._publish(step)
        if polled.finished:
            self.finished += 1
            self._put_away(polled.name, *self._seen)

    def close(self) -> None:
        """Give up the folder."""
        self._db.close()
        os.close(self._lock)

    def _next_file(self) -> tuple[str, str] | None:
        """Digest and name of the first file nobody has read; replays on the way are put away."""
        for path in sorted(path for path in (self.folder / "in").glob("[!.]*") if path.is_file()):
            state, digest = _state(path), _digest(path)
            if self._db.execute("SELECT 1 FROM files WHERE digest = ?", (digest,)).fetchone() is None:
                return digest, path.name
            self.replays += 1
            self._put_away(path.name, digest, state)
        return None

    def _unchanged(self, name: str, digest: str) -> bool:
        """Whether the file that is half read is still the one it was; its bytes are looked at where its state says nothing."""
        path = self.folder / "in" / name
        return path.is_file() and (self._seen == (digest, _state(path)) or _digest(path) == digest)

    def _put_away(self, name: str, digest: str, state: tuple[int, int, int]) -> None:
        """Out of `in/`, unless a producer has put another file under the same name meanwhile: that one is still to be read."""
        path = self.folder / "in" / name
        if path.is_file() and _state(path) == state:
            path.replace(self.folder / "done" / f"{digest.removeprefix('sha256:')}.jsonl")
            sync_folder(self.folder / "done")

    def _settle(self) -> None:
        step = self.step
        for path in (self.folder / STAGE).iterdir():
            number = path.name.split(".")[0]
            if number.isdigit() and int(number) <= step:
                self._publish(int(number))
            else:
                path.unlink()

    def _publish(self, step: int) -> None:
        for part in PARTS:
            path = self._staged(part, step)
            if path.is_file():
                path.replace(self.folder / part / f"{self.name}-{step:012d}.jsonl")
                sync_folder(self.folder / part)

    def _staged(self, part: str, step: int) -> Path:
        return self.folder / STAGE / f"{step:012d}.{part}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _read(path: Path, digest: str, offset: int, limit: int) -> Polled:
    """Lines from the offset on; blank ones are passed over. A longer line than `LINE_BYTES_MAX` comes cut, with a byte more than that."""
    messages: list[Message] = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(offset)
        while len(messages) < limit and (line := file.readline(LINE_BYTES_MAX + 1)):
            at, offset = offset, offset + len(line)
            if len(line) > LINE_BYTES_MAX and not line.endswith(b"\n"):
                while rest := file.readline(LINE_BYTES_MAX):
                    offset += len(rest)
                    if rest.endswith(b"\n"):
                        break
            if line.strip():
                messages.append(Message(digest, at, line))
    return Polled(messages, digest, path.name, offset, offset >= size)
