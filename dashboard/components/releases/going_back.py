"""Back to any version that answered before, and the retirement of those that never shall again."""

from __future__ import annotations

import streamlit as st

from dashboard.components.deciding.decide import signed
from dashboard.components.live import live_of
from dashboard.components.releases.preview import preview
from dashboard.components.words import moment, plain, short
from dashboard.components.zone import table_time
from dashboard.desk import Desk
from interlock.control.decisions import actions
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.control.releases.known_good import Choice, choices
from interlock.rules.releases import OPEN, ReleaseState


def other_versions(desk: Desk, entry: Entry, generation: int) -> None:
    """Every earlier version with how fast it could answer, and the form for one of them; nothing where there is none."""
    found = [one for one in desk.soon(choices, entry.name) if one.way != "answers now"]
    if not found:
        return
    with st.expander("Go back to another version"):
        _table(found)
        possible = {one.slot.version: one for one in found if one.possible}
        if not possible:
            st.markdown("None of them can answer again.")
            return
        version = st.selectbox("Version", list(possible), format_func=lambda one: _named(possible[one]), key=f"back {entry.name}")
        st.markdown(f"**What it does:** {plain(_preview(possible[version]))}")
        preview(desk, entry, live_of(desk, entry.name).answering, possible[version].slot)
        signed(
            desk,
            key=f"rollback {entry.name} {generation} {version}",
            button=f"Go back to version {version}",
            word=entry.name,
            act=actions.rollback,
            arguments={"use_case": entry.name, "expected_generation": generation, "to_version": version},
            hint="What is wrong with the version that answers now",
        )


def retire_form(desk: Desk, entry: Entry, found: list[ReleaseView]) -> None:
    """Archive a version that answers nobody; the action refuses those that answer, are the way back, or are on their way."""
    route = live_of(desk, entry.name).route
    held = {slot.digest for slot in route.slots()} if route else set()
    busy = {one.version for one in found if one.state in OPEN or one.state is ReleaseState.RETIRED}
    idle = sorted({one.version for one in found if one.package_digest not in held} - busy, reverse=True)
    if not idle:
        return
    with st.expander("Retire a version"):
        st.markdown("It is archived for good: it cannot be approved, released or gone back to. Its history, evidence and decisions stay.")
        version = st.selectbox("Version", idle, key=f"retire {entry.name}")
        signed(
            desk,
            key=f"retire {entry.name} {version}",
            button=f"Retire version {version}",
            word=entry.name,
            act=actions.retire,
            arguments={"use_case": entry.name, "version": version},
            hint="Why nobody will need it again",
            main=False,
        )


def _table(found: list[Choice]) -> None:
    st.dataframe(
        [
            {
                "version": one.slot.version,
                "way back": one.way,
                "answered until": one.last_until,
                "package": short(one.slot.digest),
                "then": one.ended,
                "why": one.why,
            }
            for one in found
        ],
        hide_index=True,
        column_config={"answered until": table_time("answered until")},
    )


def _named(one: Choice) -> str:
    return f"version {one.slot.version}, {one.way}, last answered until {moment(one.last_until)}"


def _preview(one: Choice) -> str:
    how = "at once" if one.way == "instant" else "after its package was verified and proven in a child process, in some seconds"
    return (
        f"Version {one.slot.version} answers all requests {how}. It last answered until {moment(one.last_until)}; then {one.ended}. "
        "Gates are skipped. A candidate that answers a share of requests stops answering."
    )
