"""Use case: the file that decides everything, as people read it; its check, its history, and changes as a diff."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.frame import use_case_page
from dashboard.components.states import empty
from dashboard.components.use_case.edit import edit
from dashboard.components.use_case.history import history
from dashboard.components.use_case.parts import checked, in_words
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.case_file import CaseFile, case_file
from interlock.control.readmodel.directory import Entry

ABOUT = """The file that says what this use case predicts, from which columns, which gates a candidate must pass, how it goes live,
and how it is watched. The file in version control is the truth: nothing on this page changes it. **In words** explains every setting, those
that the file names and those that are defaults. **Check** says what `interlock check` says. **History** shows the texts that evidence rests
on and the commits of the file. **Propose a change** gives a diff to download, checked before you get it."""
PARTS = ("In words", "Check", "History", "Propose a change", "Raw")


@use_case_page("Use case", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """One part at a time: what is not looked at is not read."""
    if entry.path is None:
        empty(f"There is no file for {entry.name}.", f"Put it into {desk.settings.usecases_dir}, or take it from version control.")
        return
    file = desk.soon(case_file, entry.path)
    _head(entry, file)
    part = address.chosen("part", PARTS, label="Show", default=PARTS[1] if file.problems else PARTS[0], kind="segments")
    if part == "In words":
        in_words(file)
    elif part == "Check":
        checked(file)
    elif part == "History":
        history(desk, entry)
    elif part == "Propose a change":
        edit(desk, entry)
    else:
        st.code(file.text, language="toml", line_numbers=True)


def _head(entry: Entry, file: CaseFile) -> None:
    count = len(file.problems)
    told = "in order" if not count else f"{count} problem{'' if count == 1 else 's'}"
    st.caption(plain(f"{file.path} · owner: {entry.owner or 'nobody'} · check: {told}"))
    if entry.spec is not None:
        st.markdown(plain(entry.spec.description))


show()
