"""A source file as blocks of whole records: bounded memory however large the file is, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import IO, Any

from interlock.errors import SourceError

BLOCK_BYTES = 16 * 1024**2  # read at a time
LINE_BYTES = 64 * 1024  # read at a time where one line, or the end of the last one, is asked for
RECORD_BYTES_MAX = 256 * 1024**2  # a record that is longer is a quote that never closes
UNPACKED_BYTES_MAX = 1024**4  # of one compressed file: beyond that it is a bomb


class ByteStream:
    """The uncompressed bytes of an open file; every way in which an archive can be broken is a `SourceError`."""

    def __init__(self, file: IO[bytes], path: Path, name: str) -> None:
        self._file = file
        self._plain = isinstance(file, FileIO)
        self.path = path
        self.name = name
        self._given = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes (at least one before the end), empty at the end."""
        with _told(self.path, self.name):
            data = self._file.read(size)
        self._given += len(data)
        if self._given > UNPACKED_BYTES_MAX:
            raise SourceError(f"the source file {self.name} is too large", allowed=f"{UNPACKED_BYTES_MAX:,} bytes uncompressed",
                              next_step="split it into several files")
        return data

    def whole_lines(self, size: int) -> int:
        """How many of the next `size` bytes end with a line end; 0 where that cannot be told without reading them, and near the end."""
        if not self._plain or size < LINE_BYTES:
            return 0
        with _told(self.path, self.name):
            tail = os.pread(self._file.fileno(), LINE_BYTES, self._file.tell() + size - LINE_BYTES)
        end = tail.rfind(b"\n") + 1
        return size - LINE_BYTES + end if end and len(tail) == LINE_BYTES else 0


@contextmanager
def opened(path: Path, name: str) -> Iterator[ByteStream]:
    """The file as a stream of its uncompressed bytes; how it is compressed is told by its suffix (.gz, .bz2, .zip with one member)."""
    with ExitStack() as stack:
        with _told(path, name):
            file: Any
            if path.suffix == ".zip":
                archive = stack.enter_context(zipfile.ZipFile(path))
                file = stack.enter_context(archive.open(_only_member(archive, name)))
            elif path.suffix == ".gz":
                file = stack.enter_context(gzip.open(path, "rb"))
            elif path.suffix == ".bz2":
                file = stack.enter_context(bz2.open(path, "rb"))
            else:
                file = stack.enter_context(path.open("rb", buffering=0))
        yield ByteStream(file, path, name)


class RecordBlocks:
    """Blocks of whole records of a CSV stream, about `size` bytes each.

    A block ends at a line end outside of quotes, told by the parity of the quotes. Where stray quotes make parity meaningless, the
    reader that counts fields asks for more lines (`line`) until its record is whole.
    """

    def __init__(self, stream: ByteStream, quote: bytes, size: int = BLOCK_BYTES) -> None:
        self._stream = stream
        self._quote = quote
        self._size = size
        self._rest = b""
        self._quoted = len(quote) != 1  # a quote was seen, or one is not to be seen byte by byte
        self._ended = False

    def take(self) -> tuple[bytes, bool] | None:
        """The next block, and whether its end is sure to be the end of a record; None at the end of the file."""
        wanted = self._size
        while True:
            if (plain := self._plain_lines(wanted)) is not None:
                return plain, True
            self._fill(wanted)
            if self._ended:
                data, self._rest = self._rest, b""
                return (data, True) if data else None
            end = whole_records(self._rest, self._quote)
            sure = end > 0
            if not sure and len(self._rest) >= 4 * self._size:
                end = self._rest.rfind(b"\n") + 1
            if end:
                data, self._rest = self._rest[:end], self._rest[end:]
                return data, sure
            self._bound(len(self._rest))
            wanted = 2 * len(self._rest)

    def line(self) -> bytes:
        """The line that follows the block, empty at the end of the file."""
        while (end := self._rest.find(b"\n") + 1) == 0 and not self._ended:
            self._bound(len(self._rest))
            self._fill(len(self._rest) + min(self._size, LINE_BYTES))
        end = end or len(self._rest)
        found, self._rest = self._rest[:end], self._rest[end:]
        return found

    def beginning(self) -> bytes:
        """The first bytes of what is left; they stay where they are."""
        self._fill(8)
        return self._rest[:8]

    def pass_over(self, size: int) -> None:
        """Go on behind the next `size` bytes."""
        self._rest = self._rest[size:]

    def _fill(self, wanted: int) -> None:
        parts, held = [self._rest], len(self._rest)
        while held < wanted and not self._ended:
            more = self._stream.read(wanted - held)
            self._ended = not more
            parts.append(more)
            held += len(more)
        self._rest = b"".join(parts) if len(parts) > 1 else parts[0]

    def _plain_lines(self, wanted: int) -> bytes | None:
        """The whole lines among the next `wanted` bytes where none of them has a quote: read as they are, without a copy.

        None where that is not so; all that was read is kept then.
        """
        lines = 0 if self._quoted else self._stream.whole_lines(wanted - len(self._rest))
        if not lines:
            return None
        more = self._stream.read(lines)
        data = self._rest + more if self._rest else more
        self._quoted = self._quote in data
        if len(more) < lines or self._quoted:
            self._rest = data
            return None
        self._rest = b""
        return data

    def _bound(self, size: int) -> None:
        if size > RECORD_BYTES_MAX:
            raise SourceError(f"{self._stream.name} has a record of more than {RECORD_BYTES_MAX:,} bytes", value=self._stream.path,
                              next_step="look for a quote that is never closed, or set `quote` in [source]")


def whole_records(data: bytes, quote: bytes) -> int:
    """Length of the part of `data` that ends with the last line end outside of quotes; 0 where there is none."""
    if quote not in data:
        return data.rfind(b"\n") + 1
    odd, end = data.count(quote) % 2, len(data)
    while (newline := data.rfind(b"\n", 0, end)) >= 0:
        odd ^= data.count(quote, newline + 1, end) & 1
        if not odd:
            return newline + 1
        end = newline
    return 0


def head_of(path: Path, name: str, size: int) -> bytes:
    """The first whole lines of the file, uncompressed, about `size` bytes; all of it where it is smaller."""
    with opened(path, name) as stream:
        parts, held = [b""], 0
        while held < size and (more := stream.read(size - held)):
            parts.append(more)
            held += len(more)
    data = b"".join(parts)
    return data if held < size else data[:data.rfind(b"\n") + 1] or data


@contextmanager
def _told(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise SourceError(f"the source file {name} is damaged: {error}", value=path, next_step="deliver the file again") from error


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise SourceError(f"{name} holds {len(members)} files", value=", ".join(member.filename for member in members)[:200],
                          allowed="exactly one file in a .zip", next_step="unpack it and name the files")
    return members[0]
