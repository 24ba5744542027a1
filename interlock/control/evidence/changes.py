"""What changed against the champion, as a part of a candidate's evidence."""

from __future__ import annotations

from interlock.control.evidence.case import Case, Report
from reports.changes import changes


def change_list(case: Case) -> Report:
    """The changes between the champion's manifest and the candidate's; figures as from `reports.changes.changes`, no finding.

    A champion that cannot be read raises, which is recorded: no change list is not "nothing changed".
    """
    champion = case.champion.checked().package if case.champion else None
    return [], changes(case.package.manifest.model_dump(mode="json"), champion.manifest.model_dump(mode="json") if champion else None)
