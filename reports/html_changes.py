"""The change list as a section of an evidence page."""

from __future__ import annotations

from html import escape
from typing import Any

LEVELS = {"major": "major: callers or answers are concerned", "minor": "minor: code, settings or policy",
          "patch": "patch: other data, same recipe", "none": "nothing differs from the champion",
          "first": "first version: there is no champion yet"}


def changes_section(changes: dict[str, Any] | None) -> str:
    """A table of `reports.changes.changes`, escaped; empty text where the evidence has none."""
    if not changes:
        return ""
    rows = "".join(f'<tr><td>{escape(row["level"])}</td><td>{escape(row["area"])}</td><td>{escape(row["what"])}</td>'
                   f'<td>{escape(row["before"])}</td><td>{escape(row["after"])}</td></tr>' for row in changes["rows"])
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Level", "Area", "What", "Champion", "Candidate"))
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>' if rows else ""
    return f'<section><h2>What changed</h2><p>{escape(LEVELS.get(changes["level"], changes["level"]))}</p>{table}</section>'
