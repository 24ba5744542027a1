"""Processes under strace: killed at their n-th write, or watched, so that what they wrote and synced can be played again."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

WRITES = ("write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat",
          "ftruncate")
WATCHED = (*WRITES, "openat", "mkdir", "mkdirat")
_LINE = re.compile(r"^(?P<at>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)\S*(?: [^<]*)?(?: <(?P<took>[\d.]+)>)?$")
_HANDLE = re.compile(r"^-?\d+<(?P<path>(?:\\x[0-9a-f]{2})*)>")
_TEXT = re.compile(r'"(?P<text>(?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Call:
    """One finished system call. `path`: of the file it was about; `data`: what was written, or the second path of a rename."""

    begun: float
    ended: float
    name: str
    path: str
    data: bytes = b""
    offset: int = -1
    size: int = 0
    flags: str = ""


def needs(what: bool, why: str) -> None:
    """What the machine must have for a check: without it CI fails, a person's test run skips."""
    if not what:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def strace(*arguments: str) -> list[str]:
    """The command line before that of the traced program."""
    found = shutil.which("strace")
    needs(found is not None, "these checks need strace: apt-get install strace")
    return [str(found), "-qq", "-e", "signal=none", *arguments]


def killed_at(number: int, log: Path, *, calls: tuple[str, ...] = WRITES, paths: tuple[Path, ...] = ()) -> list[str]:
    """SIGKILL at the `number`-th of these calls of a thread, counted on these files alone where some are given."""
    chosen = ",".join(calls)
    only = [word for path in paths for word in ("-P", str(path))]
    return strace("-f", "-o", str(log), *only, "-e", f"trace={chosen}", "-e", f"inject={chosen}:signal=KILL:when={number}")


def watched(log: Path, *, calls: tuple[str, ...] = WATCHED) -> list[str]:
    """Record every such call with its content: one file per thread, read by `read_calls`."""
    return strace("-ff", "-y", "-xx", "-ttt", "-T", "-s", "16777216", "-e", f"trace={','.join(calls)}", "-o", str(log))


def read_calls(log: Path) -> list[Call]:
    """Every call that succeeded, of all threads, in the order in which they ended."""
    found = [call for part in sorted(log.parent.glob(f"{log.name}.*")) for line in part.read_text().splitlines()
             if (call := _parsed(line)) is not None]
    return sorted(found, key=lambda call: call.ended)


def _parsed(line: str) -> Call | None:
    match = _LINE.match(line)
    if match is None or int(match["result"]) < 0:
        return None
    name, arguments, begun = match["call"], match["arguments"], float(match["at"])
    handle, texts = _HANDLE.match(arguments), [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments)]
    path = bytes.fromhex(handle["path"].replace("\\x", "")).decode() if handle else (texts[0].decode() if texts else "")
    ended, result = begun + float(match["took"] or 0), int(match["result"])
    numbers = [int(word) for word in re.findall(r", (\d+)(?=,|$)", arguments)]
    if name in ("openat", "mkdir", "mkdirat"):
        return Call(begun, ended, name, texts[0].decode() if texts else "", flags=arguments.rpartition('"')[2])
    if name.startswith(("rename", "unlink")):
        return Call(begun, ended, name, texts[0].decode(), texts[1] if len(texts) > 1 else b"")
    if name == "ftruncate":
        return Call(begun, ended, name, path, size=numbers[0])
    if name in ("fsync", "fdatasync"):
        return Call(begun, ended, name, path)
    offset = numbers[-1] if name.startswith("pwrite") else -1  # the others append; of a message all parts are joined
    return Call(begun, ended, name, path, b"".join(texts)[:result], offset, result)
