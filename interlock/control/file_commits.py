"""The history of one file in the git repository that holds it, where there is one and git is installed. Read-only and bounded."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

PAGE_TIMEOUT_S = 2.0
COMMITS_MAX = 50
_HASH = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Commit:
    """One commit that changed the file."""

    hash: str
    author: str
    at: datetime
    subject: str


def commits_of(path: Path) -> list[Commit]:
    """Newest first; empty where git does not know the file, or is not there."""
    told = said_by_git(path, "log", f"-{COMMITS_MAX}", "--format=%H%x00%an%x00%aI%x00%s", "--", path.name)
    found = []
    for line in told.splitlines():
        parts = line.split("\0")
        if len(parts) == 4:
            found.append(Commit(parts[0], parts[1], datetime.fromisoformat(parts[2]), parts[3]))
    return found


def text_at(path: Path, commit: str) -> str | None:
    """The file's text in that commit; None where git does not give it."""
    if not _HASH.fullmatch(commit):
        return None
    return said_by_git(path, "show", f"{commit}:./{path.name}") or None


def said_by_git(path: Path, *arguments: str, timeout_s: float = PAGE_TIMEOUT_S) -> str:
    """What git prints in the file's folder; empty where it fails, is not there, or takes longer."""
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        done = subprocess.run([git, *arguments], cwd=path.resolve().parent, capture_output=True, timeout=timeout_s,  # noqa: S603 - fixed words
                              check=False)
    except (subprocess.TimeoutExpired, OSError):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
