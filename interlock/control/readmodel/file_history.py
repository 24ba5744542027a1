"""Versions of a use-case file: those that evidence rests on, those that version control holds, and what changed between two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from difflib import unified_diff
from pathlib import Path

from sqlalchemy import func, select

from interlock.control.file_commits import commits_of, text_at
from interlock.errors import UseCaseError
from interlock.records.store import Store
from interlock.records.tables import Candidate, EvidenceRow
from interlock.rules.canonical import digest_bytes
from interlock.settings import Settings
from interlock.spec.toml_files import file_bytes

NOW = "now"


@dataclass(frozen=True)
class Version:
    """One text of the file. `name`: how an address names it. `digest`: None where only git knows it and its text was not read."""

    name: str
    at: datetime | None
    words: str
    digest: str | None
    readable: bool


def versions(settings: Settings, store: Store, use_case: str, path: Path | None) -> list[Version]:
    """The file as it is now, then what was judged by other texts of it, then commits; each newest first."""
    query = (select(EvidenceRow.policy_digest, func.min(EvidenceRow.created_at), func.max(EvidenceRow.created_at),
                    func.min(Candidate.number), func.max(Candidate.number))
             .join(Candidate, EvidenceRow.candidate_id == Candidate.id).where(Candidate.use_case == use_case,
                                                                             EvidenceRow.policy_digest.is_not(None))
             .group_by(EvidenceRow.policy_digest).order_by(func.max(EvidenceRow.created_at).desc()))
    with store.reading() as session:
        judged = session.execute(query).all()
    present = _digest(path)
    found = [] if path is None else [Version(NOW, None, "as it is now", present, True)]
    for judged_by, first, last, low, high in judged:
        digest = str(judged_by)
        about = f"version {low}" if low == high else f"versions {low} to {high}"
        same = ", the text of now" if digest == present else ""
        until = "" if first == last else f" until {last:%Y-%m-%d %H:%M} UTC"
        found.append(Version(digest, first, f"evidence about {about} rests on it{until}{same}", digest,
                             _kept(settings, digest).is_file() or digest == present))
    if path is not None:
        found += [Version(commit.hash, commit.at, f"{commit.subject} ({commit.author})", None, True) for commit in commits_of(path)]
    return found


def changed(settings: Settings, path: Path, before: str, after: str) -> str:
    """Unified diff between two versions, empty where they say the same; `UseCaseError` where a text is not on record."""
    old, new = (_text(settings, path, name) for name in (before, after))
    return "".join(line if line.endswith("\n") else line + "\n"
                   for line in unified_diff(old.splitlines(True), new.splitlines(True), before[:19], after[:19]))


def _text(settings: Settings, path: Path, name: str) -> str:
    if name == NOW or name == _digest(path):
        return file_bytes(path).decode(errors="replace")
    if name.startswith("sha256:"):
        data = file_bytes(_kept(settings, name)) if _kept(settings, name).is_file() else b""
        if digest_bytes(data) != name:
            raise UseCaseError("the text of this version is not on record", value=name,
                               next_step="look for it in version control: files are kept from the first validation on")
        return data.decode(errors="replace")
    text = text_at(path, name)
    if text is None:
        raise UseCaseError("git does not give this version of the file", value=name)
    return text


def _kept(settings: Settings, digest: str) -> Path:
    """Where validation keeps the file that it judged by (`interlock.records.policies`)."""
    return settings.folder("policies") / f"{digest.removeprefix('sha256:')}.toml"


def _digest(path: Path | None) -> str | None:
    return digest_bytes(file_bytes(path)) if path is not None else None
