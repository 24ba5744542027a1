"""A changed limit as a diff of the use-case file that version control holds, made when somebody looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.proposed_edit import proposed_diff
from interlock.settings import Settings
from interlock.spec.load import find_use_case


@dataclass(frozen=True)
class Proposal:
    """A diff to download; empty where the file already says so."""

    file: str
    diff: str


def proposal(settings: Settings, use_case: str, section: str, key: str, value: float) -> Proposal:
    """`[section] key = value` as a diff; raises `UseCaseError` where the file's checks refuse it."""
    path, _ = find_use_case(settings, use_case)
    return Proposal(path.name, proposed_diff(path, (section, key), value))
