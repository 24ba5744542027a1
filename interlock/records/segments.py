"""Capture segments: append-only files of checksummed frames, one writer each, safe to kill at any instant.

    file  = "\\xf1ILKSEG1"  salt (4 bytes, random)  frame*
    frame = mark (4 bytes)  length (u32)  crc32(payload, salt) (u32)  payload (MessagePack)       little endian

A file is never opened for writing twice, so an offset names one frame for ever. A torn tail (the writer died) ends the reading quietly;
damage in the middle is stepped over to the next whole frame and reported. The mark is no valid UTF-8 and the checksum is salted, so
nothing a client sends can look like a frame.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\xf1ILKSEG1"
MARK = b"\xf5\xa9\x17\xfe"
HEAD_BYTES = len(MAGIC) + 4
_FRAME = struct.Struct("<4sII")
FRAME_BYTES_MAX = 64 * 1024 * 1024
SUFFIX = ".seg"


@dataclass(frozen=True)
class Frame:
    """One whole frame; `end` is where the next one starts."""

    start: int
    end: int
    payload: bytes


@dataclass(frozen=True)
class Damage:
    """Bytes between two whole frames that are none."""

    start: int
    end: int


class SegmentWriter:
    """The only writer of one new segment file. `append` then `sync`: after `sync` returned, the frames survive a power cut."""

    def __init__(self, path: Path) -> None:
        """Make the file, lock it for the life of this process and make its name durable. Raises OSError; leaves nothing behind then."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.salt = int.from_bytes(os.urandom(4), "little")
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self.size = 0
            self._write(MAGIC + self.salt.to_bytes(4, "little"))
            os.fdatasync(self._file)
            sync_folder(path.parent)
        except OSError:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write one frame per payload, all or none: what a failing write left behind is cut off again. Raises OSError."""
        self._write(b"".join(_frame(payload, self.salt) for payload in payloads))

    def sync(self) -> None:
        """Return once everything appended is on the disk. After an OSError give the file up: the kernel may have dropped pages."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Give up the file and its lock."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        done = 0
        view = memoryview(data)
        try:
            while done < len(data):
                done += os.write(self._file, view[done:])
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)


def read_frames(path: Path, start: int = 0) -> Iterator[Frame | Damage]:
    """Frames from byte `start` (0 or the `end` of a frame) on, in order; stops quietly at a torn tail or a missing header."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if len(head) < HEAD_BYTES or not head.startswith(MAGIC):
            return
        base = max(start, HEAD_BYTES)
        file.seek(base)
        data = file.read()
    salt = int.from_bytes(head[len(MAGIC):], "little")
    position = 0
    while position < len(data):
        found = _next_whole(data, position, salt)
        if found is None:
            return
        at, payload = found
        if at > position:
            yield Damage(base + position, base + at)
        position = at + _FRAME.size + len(payload)
        yield Frame(base + at, base + position, payload)


def in_use(path: Path) -> bool:
    """Whether a living process still writes to the segment."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def sync_folder(folder: Path) -> None:
    """Make names created, replaced or removed in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _frame(payload: bytes, salt: int) -> bytes:
    if not 0 < len(payload) <= FRAME_BYTES_MAX:
        raise ValueError(f"a frame holds 1 to {FRAME_BYTES_MAX} bytes, not {len(payload)}")
    return _FRAME.pack(MARK, len(payload), zlib.crc32(payload, salt)) + payload


def _next_whole(data: bytes, position: int, salt: int) -> tuple[int, bytes] | None:
    """Start and payload of the first whole frame at or after `position`."""
    while (at := data.find(MARK, position)) >= 0:
        body = at + _FRAME.size
        if body <= len(data):
            _, length, checksum = _FRAME.unpack_from(data, at)
            payload = data[body:body + length]
            if 0 < length <= FRAME_BYTES_MAX and len(payload) == length and zlib.crc32(payload, salt) == checksum:
                return at, payload
        position = at + 1
    return None
