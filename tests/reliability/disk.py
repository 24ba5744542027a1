"""A disk without power: what is left of the files when everything that was not synced is lost."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.reliability.tracing import Call

Loss = Literal["names too", "bytes only", "torn"]


@dataclass
class Inode:
    """A file's bytes as programs see them, those that are safe, and the writes in between."""

    now: bytes = b""
    safe: bytes = b""
    since: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        self.now = _written(self.now, offset, data)
        self.since.append((offset, data))

    def sync(self) -> None:
        self.safe, self.since = self.now, []


class Disk:
    """Plays recorded calls on the files of one folder. Names become safe when their folder is synced."""

    def __init__(self, root: Path) -> None:
        """The folder as it is now, all of it safe."""
        self.root = root
        self.names = {path.relative_to(root).as_posix(): Inode(raw := path.read_bytes(), raw)
                      for path in sorted(root.rglob("*")) if path.is_file()}
        self.safe_names = dict(self.names)

    def play(self, calls: Iterable[Call]) -> None:
        """Do what the program did."""
        for call in calls:
            name = self._inside(call.path)
            if name is not None:
                self._play(call, name)

    def left(self, into: Path, loss: Loss, seed: int = 0) -> None:
        """Write down what a power cut leaves now. "names too": only what was synced, names included. "bytes only": names as they are,
        each file as of its last sync. "torn": names as they are, and of the bytes not synced some writes and not others."""
        draw = random.Random(seed)
        for name, inode in (self.safe_names if loss == "names too" else self.names).items():
            if name.endswith("-shm"):
                continue  # shared memory of the store's processes, made anew by the first that opens it
            data = inode.safe
            for offset, written in inode.since if loss == "torn" else []:
                data = _written(data, offset, written) if draw.random() < 0.5 else data
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(data)

    def _inside(self, path: str) -> str | None:
        return path[len(str(self.root)):].strip("/") or "." if path.startswith(str(self.root)) else None

    def _play(self, call: Call, name: str) -> None:
        if call.name == "openat":
            if "O_CREAT" in call.flags and name not in self.names:
                self.names[name] = Inode()
            if "O_TRUNC" in call.flags and name in self.names and self.names[name].now:
                self.names[name].now, self.names[name].since = b"", [*self.names[name].since, (0, b"")]
        elif call.name.startswith("rename"):
            to = self._inside(call.data.decode())
            if to is not None and name in self.names:
                self.names[to] = self.names.pop(name)
        elif call.name.startswith("unlink"):
            self.names.pop(name, None)
        elif call.name in ("fsync", "fdatasync"):
            self._sync(name)
        elif name in self.names:
            inode = self.names[name]
            if call.name == "ftruncate":
                inode.now = inode.now[:call.size].ljust(call.size, b"\0")
            else:
                inode.write(len(inode.now) if call.offset < 0 else call.offset, call.data)

    def _sync(self, name: str) -> None:
        if name in self.names:
            self.names[name].sync()
            return
        inside = {known for known in {*self.names, *self.safe_names} if (known.rpartition("/")[0] or ".") == name}
        for known in inside:
            if known in self.names:
                self.safe_names[known] = self.names[known]
            else:
                self.safe_names.pop(known, None)


def _written(data: bytes, offset: int, more: bytes) -> bytes:
    return data[:offset].ljust(offset, b"\0") + more + data[offset + len(more):]
