"""What changed against the champion, as the evidence has it: one line per change, the gravest first."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.readmodel.proof import Proof
from reports.html_changes import LEVELS


@dataclass(frozen=True)
class Change:
    """One thing that differs from the champion."""

    level: str
    area: str
    what: str
    before: str
    after: str


@dataclass(frozen=True)
class ChangeList:
    """All changes and how far they go, in words; `data_only`: the same recipe on other data."""

    level: str
    words: str
    data_only: bool
    changes: tuple[Change, ...]


def change_list(proof: Proof) -> ChangeList | None:
    """The change list that was sealed with the evidence; None where it has none (older evidence, or the report failed)."""
    found = proof.evidence.figures.get("changes")
    if not found:
        return None
    rows = tuple(Change(row["level"], row["area"], row["what"], row["before"], row["after"]) for row in found["rows"])
    return ChangeList(found["level"], LEVELS.get(found["level"], found["level"]), bool(found["data_only"]), rows)
