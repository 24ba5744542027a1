"""What is live, in the endpoint's own words."""

from __future__ import annotations

import streamlit as st

from dashboard.components.signal import mark
from dashboard.components.words import moment, plain, short
from dashboard.desk import Desk
from interlock.control.readmodel.endpoint import Live, observe
from interlock.control.readmodel.signals import SignalState
from interlock.rules.routes import Observed


def live_of(desk: Desk, use_case: str) -> Live:
    """The endpoint's answer for one use case, at most two seconds old."""
    return desk.live(observe, (use_case,))[use_case]


def live_strip(live: Live) -> None:
    """One strip: what answers now, with version and digest; in plain words where the server is away."""
    if live.problem:
        st.error(plain(live.sentence()))
        return
    observed = live.observed
    if observed is None or observed.champion is None:
        st.info(plain(live.sentence()))
        return
    state = SignalState.PASS if live.agreed else SignalState.WARN
    with st.container(border=True):
        st.markdown(
            f"{mark(state)} **The endpoint answers with version {observed.champion.version}** · digest "
            f"`{short(observed.champion.digest)}` · generation {observed.generation}"
        )
        facts = [f"{observed.workers_ready} of {observed.workers_total} workers ready"]
        if observed.previous:
            facts.append(f"way back: version {observed.previous.version} ({short(observed.previous.digest)}) loaded")
        if observed.candidate:
            facts.append(
                f"version {observed.candidate.version} ({short(observed.candidate.digest)}) {does(observed)} "
                f"{observed.candidate_percent:g} %"
            )
        facts.append(f"asked at {moment(live.asked_at)}")
        st.caption(plain(" · ".join(facts)))
        if not live.agreed:
            st.markdown(plain(live.sentence()))


def one_line(live: Live) -> None:
    """The same in one line, for screens where something else must stand beside it."""
    observed = live.observed
    if live.problem or observed is None or observed.champion is None or not live.agreed:
        live_strip(live)
        return
    previous = f" · way back: version {observed.previous.version} loaded" if observed.previous else ""
    st.markdown(
        f"{mark(SignalState.PASS)} **The endpoint answers with version {observed.champion.version}** · `{short(observed.champion.digest)}`"
        f" · {plain(f'generation {observed.generation}{previous}')}"
    )


def does(observed: Observed) -> str:
    """What the candidate does with its share of the requests."""
    return "in the shadow gets a copy of" if observed.candidate_mode == "shadow" else "answers"


def beside(observed: Observed | None) -> str:
    """A sentence about the candidate beside the champion; empty without one."""
    if observed is None or observed.candidate is None:
        return ""
    return f" Version {observed.candidate.version} {does(observed)} {observed.candidate_percent:g} % of requests."
