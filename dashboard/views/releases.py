"""Releases: what is on its way, what each step measured, and the Rollback button with a preview of what it changes."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.deciding.analysis import analysis
from dashboard.components.deciding.decide import signed
from dashboard.components.deciding.probations import probation
from dashboard.components.deciding.progress import follow, standing
from dashboard.components.deciding.receipts import entry_of, receipt
from dashboard.components.deciding.staging import staged
from dashboard.components.frame import use_case_page
from dashboard.components.live import live_of
from dashboard.components.releases.cards import card_of
from dashboard.components.releases.drills import drills
from dashboard.components.releases.going_back import other_versions, retire_form
from dashboard.components.releases.preview import preview
from dashboard.components.releases.rollout_line import rollout_line
from dashboard.components.releases.steer import steer
from dashboard.components.states import empty
from dashboard.components.words import moment, plain, short
from dashboard.components.zone import table_time
from dashboard.desk import Desk
from dashboard.theme import LOOKS
from interlock.control.decisions import actions
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.rollouts import ReleaseView, preview_rollback, releases

ABOUT = """A **release** is the way of an approved version: verified, staged apart from customers, then answering a growing share of
requests, then live on probation, then confirmed. Each step is judged on what both versions answered in the same period. **Pause** holds it
at its step; **Rollback** puts the previous version back at once."""


@use_case_page("Releases", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Live, on its way, rollback, the way of one release with its analysis, history."""
    receipt(entry.name)
    st.header("Now", anchor=False)
    follow(entry.name, standing(desk, entry.name))
    found: list[ReleaseView] = desk.live(releases, entry.name)
    if found and found[0].undecided:
        steer(desk, entry, found[0])
    _rollback(desk, entry)
    if not found:
        empty("Nothing was released yet.", "Approving a candidate starts its release; it is followed here step by step.")
        return
    _one(desk, entry, found)
    card_of(desk, entry)
    drills(desk, entry)
    _history(found)
    retire_form(desk, entry, found)


def _one(desk: Desk, entry: Entry, found: list[ReleaseView]) -> None:
    """One release: its way as a line, and what staging, steps and probation measured."""
    by_id = {one.id: one for one in found}
    st.header("The way of a release", anchor=False)
    release = by_id[address.chosen("release", list(by_id), label="Release", default=found[0].id, words=lambda one: _named(by_id[one]))]
    route = live_of(desk, entry.name).route
    rollout_line(desk, entry, release, first=route is None or route.champion is None)
    steps, before, after, signature = st.tabs(["Steps", "Staging", "Probation", "Receipt"])
    with steps:
        analysis(release)
    with before:
        staged(release)
    with after:
        probation(release)
    with signature:
        entry_of(desk, release.decision_id, key=release.id)


def _named(one: ReleaseView) -> str:
    return f"version {one.version}, {one.words}, approved {moment(one.created_at)}"


def _rollback(desk: Desk, entry: Entry) -> None:
    st.header("Rollback", anchor=False)
    known = preview_rollback(live_of(desk, entry.name))
    if not known.possible or known.then is None:
        st.markdown(plain(known.sentence))
    else:
        with st.expander(f"Roll back to version {known.then.version} ({short(known.then.digest)})"):
            st.markdown(f"**What it does:** {plain(known.sentence)}")
            preview(desk, entry, known.now, known.then)
            signed(
                desk,
                key=f"rollback {entry.name} {known.generation}",
                button=f"Roll back to version {known.then.version}",
                word=entry.name,
                act=actions.rollback,
                arguments={"use_case": entry.name, "expected_generation": known.generation},
                hint="What is wrong with the version that answers now",
            )
    other_versions(desk, entry, known.generation)


def _history(found: list[ReleaseView]) -> None:
    st.header("All releases", anchor=False)
    st.dataframe(
        [
            {
                "approved": one.created_at,
                "version": one.version,
                "state": f"{LOOKS[one.signal].shape} {one.words}",
                "since": one.state_since,
                "approved by": one.actor,
                "package": short(one.package_digest),
                "reason": one.reason or one.decision_reason,
            }
            for one in found
        ],
        hide_index=True,
        column_config={name: table_time(name) for name in ("approved", "since")},
    )


show()
