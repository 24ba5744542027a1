"""A release on its way: its stages, what the analysis says, and what the endpoint itself answers."""

from __future__ import annotations

import streamlit as st

from dashboard.components.deciding.analysis import title
from dashboard.components.live import live_of, live_strip
from dashboard.components.signal import mark
from dashboard.components.words import age, moment, plain, short
from dashboard.desk import Desk
from dashboard.theme import LOOKS
from interlock.control.readmodel.rollouts import ReleaseView, edited, releases
from interlock.control.readmodel.signals import SignalState
from interlock.records.store import utc_now
from interlock.rules.releases import ReleaseState

EVERY_S = 2
SHAPES = {"done": "●", "now": "▲", "next": "○", "stopped": "■", "held": "◇"}


def standing(desk: Desk, use_case: str) -> tuple[object, ...]:
    """What the buttons of a page rest on: the route that answers and the newest release's state."""
    live, found = live_of(desk, use_case), desk.live(releases, use_case, 1)
    source = live.observed or live.route
    return (source.generation if source else 0, source and source.previous, found and (found[0].id, found[0].state))


@st.fragment(run_every=EVERY_S)
def follow(use_case: str, drawn: tuple[object, ...]) -> None:
    """Live progress of the newest release, redrawn every two seconds; the whole page is, once it no longer stands as `drawn`."""
    from dashboard.desk import open_desk

    desk = open_desk()
    if standing(desk, use_case) != drawn:
        st.rerun()
    found = desk.live(releases, use_case, 1)
    live_strip(live_of(desk, use_case))
    if found:
        answer(desk, found[0])
        if said := desk.soon(edited, use_case, found[0].state.value, found[0].policy_digest):
            st.markdown(f"{mark(SignalState.WARN)} {plain(said)}")
        if found[0].open or found[0].state is ReleaseState.LIVE:
            stages(found[0])
        else:
            over(found[0])


def over(release: ReleaseView) -> None:
    """A release that has ended is history, told below; here it has one quiet line."""
    ended = f"The newest release, of version {release.version}, is over: {release.words}, {release.reason}"
    st.caption(plain(f"Nothing is on its way. {ended}"))


def answer(desk: Desk, release: ReleaseView) -> None:
    """Whether the endpoint itself answers with what was approved."""
    live = live_of(desk, release.use_case)
    if live.problem:
        st.markdown(
            f"{mark(SignalState.UNKNOWN)} The decision on version {release.version} is recorded. The endpoint cannot be reached, so this "
            "page cannot say what answers now; the keeper carries the decision out when the server is back."
        )
    elif live.answering is not None and live.answering.digest == release.package_digest:
        st.markdown(f"{mark(SignalState.PASS)} The endpoint itself answers with the approved digest `{short(release.package_digest)}`.")
    elif live.observed is not None and live.observed.candidate is not None and live.observed.candidate.digest == release.package_digest:
        if release.state is ReleaseState.PAUSED:
            st.markdown(
                f"{mark(SignalState.UNKNOWN)} Held: the approved digest `{short(release.package_digest)}` is loaded and answers nobody. "
                "The champion answers everything until a person resumes or aborts."
            )
            return
        if live.observed.candidate_mode == "shadow":
            st.markdown(
                f"{mark(SignalState.WARN)} On its way: the approved digest `{short(release.package_digest)}` is loaded, and no customer is "
                f"given its answers. {live.observed.candidate_percent:g} % of the requests are mirrored to it."
            )
            return
        st.markdown(
            f"{mark(SignalState.WARN)} On its way: the endpoint itself answers {live.observed.candidate_percent:g} % of the requests with "
            f"the approved digest `{short(release.package_digest)}`."
        )
    elif release.open:
        st.markdown(f"{mark(SignalState.WARN)} On its way: the endpoint does not answer with `{short(release.package_digest)}` yet.")


def badge_of(release: ReleaseView) -> str:
    """The state of the release in its own words, with the shape and colour of its signal."""
    look = LOOKS[release.signal]
    return f":{look.colour}-badge[{look.shape} {release.words}]"


def stages(release: ReleaseView) -> None:
    """Stages in one row that wraps, then what waits and what was measured."""
    with st.container(border=True):
        st.markdown(f"**Version {release.version}** · `{short(release.package_digest)}` · {badge_of(release)}")
        with st.container(horizontal=True, gap="small"):
            for word, state in release.way():
                colour = {"done": "green", "now": "orange", "next": "gray", "stopped": "red", "held": "gray"}[state]
                step = f", step {release.step}" if state == "now" and release.state.value in {"shadow", "canary"} else ""
                st.badge(f"{SHAPES[state]} {word}{step}", color=colour)
        st.caption(
            plain(
                f"Approved by {release.actor} at {moment(release.created_at)}: {release.decision_reason} · in this state for "
                f"{age(release.state_since, utc_now())}"
            )
        )
        last = release.analysis[-1] if release.analysis else {}
        if last.get("interim"):
            st.markdown(f"**{plain(title(last))}.** {plain(last.get('sentence', ''))}")
        for text in filter(None, (release.waits, release.reason)):
            st.markdown(plain(text))
