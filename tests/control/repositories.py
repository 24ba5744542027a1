"""A real git repository around a folder, with a commit by a named person."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def commit(folder: Path, name: str, address: str, *, author: str | None = None) -> None:
    """Commit every use-case file of the folder as this person; `author` ("Name <address>") where somebody else wrote the change."""
    who = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": address, "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address,
           "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    written = ["--author", author] if author else []
    for command in (["init", "-q"], ["add", "--", "*.toml"], ["commit", "-q", "-m", "use case", *written]):
        subprocess.run(["git", *command], cwd=folder, env={**os.environ, **who}, check=True)
