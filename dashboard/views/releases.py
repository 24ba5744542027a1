"""Releases: what is on its way, what each step measured, and the Rollback button with a preview of what it does."""

from __future__ import annotations

import streamlit as st

from dashboard.components.analysis import analysis
from dashboard.components.cards import card_of
from dashboard.components.decide import signed
from dashboard.components.drills import drills
from dashboard.components.frame import use_case_page
from dashboard.components.going_back import other_versions, retire_form
from dashboard.components.live import live_of
from dashboard.components.progress import follow, standing
from dashboard.components.receipts import receipt
from dashboard.components.staging import staged
from dashboard.components.states import empty
from dashboard.components.words import plain, short
from dashboard.desk import Desk
from dashboard.theme import LOOKS
from interlock.control import actions
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.rollouts import ReleaseView, preview_rollback, releases
from interlock.rules.releases import ReleaseState

ABOUT = """A **release** is the way of an approved version: verified, staged apart from customers, then answering a growing share of
requests, then live on probation, then confirmed. Each step is judged on what both versions answered in the same period. **Rollback** puts
the previous version back at once."""


@use_case_page("Releases", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Live, on its way, rollback, analysis, history."""
    receipt(entry.name)
    st.subheader("Now", anchor=False)
    drawn = standing(desk, entry.name)
    follow(entry.name, drawn)
    found = desk.live(releases, entry.name)
    _rollback(desk, entry)
    if not found:
        empty("Nothing was released yet.", "Approving a candidate starts its release; it is followed here step by step.")
        return
    if found[0].undecided:
        _steer(desk, entry, found[0])
    staged(found[0])
    analysis(found[0])
    card_of(desk, entry)
    drills(desk, entry)
    _history(found)
    retire_form(desk, entry, found)


def _rollback(desk: Desk, entry: Entry) -> None:
    st.subheader("Rollback", anchor=False)
    preview = preview_rollback(live_of(desk, entry.name))
    if not preview.possible or preview.then is None:
        st.markdown(plain(preview.sentence))
        other_versions(desk, entry, preview.generation)
        return
    with st.expander(f"Roll back to version {preview.then.version} ({short(preview.then.digest)})"):
        st.markdown(f"**What it does:** {plain(preview.sentence)}")
        signed(
            desk,
            key=f"rollback {entry.name} {preview.generation}",
            button=f"Roll back to version {preview.then.version}",
            word=entry.name,
            act=actions.rollback,
            arguments={"use_case": entry.name, "expected_generation": preview.generation},
            hint="What is wrong with the version that answers now",
        )
    other_versions(desk, entry, preview.generation)


def _steer(desk: Desk, entry: Entry, release: ReleaseView) -> None:
    live = live_of(desk, entry.name)
    arguments = {"release_id": release.id, "expected_generation": live.route.generation if live.route else 0}
    if release.state is ReleaseState.PAUSED:
        with st.expander("Resume: begin the present step anew"):
            signed(
                desk,
                key=f"resume {release.id} {release.revision}",
                button="Resume",
                word=entry.name,
                act=actions.resume,
                arguments=arguments,
                hint="Why it may go on",
            )
    with st.expander("Abort: end this release; the champion is untouched"):
        signed(
            desk,
            key=f"abort {release.id}",
            button="Abort",
            word=entry.name,
            act=actions.abort,
            arguments=arguments,
            hint="Why it must not go on",
            main=False,
        )


def _history(found: list[ReleaseView]) -> None:
    st.subheader("All releases", anchor=False)
    st.dataframe(
        [
            {
                "approved (UTC)": f"{one.created_at:%Y-%m-%d %H:%M:%S}",
                "version": one.version,
                "state": f"{LOOKS[one.signal].shape} {one.words}",
                "since (UTC)": f"{one.state_since:%Y-%m-%d %H:%M:%S}",
                "approved by": one.actor,
                "reason": one.reason or one.decision_reason,
                "package": short(one.package_digest),
            }
            for one in found
        ],
        hide_index=True,
    )


show()
