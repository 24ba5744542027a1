"""Who wrote a use case: the person who may not approve its candidates alone."""

from __future__ import annotations

from pathlib import Path

from interlock.control.file_commits import said_by_git

GIT_TIMEOUT_S = 10.0  # nobody waits at a page for it, and without an answer the author would be the starter


def author_of(path: Path, declared: str | None, started_by: str) -> str:
    """Who is on record as the author: the last committer; where nobody committed this text, the declared author, else the starter."""
    return committer_of(path) or declared or started_by


def committer_of(path: Path) -> str:
    """The last committer of the file as "Name <address>"; empty where git does not know it, or it has uncommitted changes.

    A commit that the hosting site made for a person ("GitHub <noreply@github.com>") counts as that of its author.
    """
    if _git(path, "status", "--porcelain", "--", path.name):
        return ""
    committer, _, author = _git(path, "log", "-1", "--format=%cn <%ce>%n%an <%ae>", "--", path.name).partition("\n")
    return author if "<noreply@" in committer.casefold() else committer


def code_revision(folder: Path) -> str:
    """`git describe` of the folder, for the run's record; empty outside a repository."""
    return _git(folder / "x", "describe", "--always", "--dirty", "--tags")


def _git(path: Path, *arguments: str) -> str:
    return said_by_git(path, *arguments, timeout_s=GIT_TIMEOUT_S).strip()
