"""A person at the wheel of a release that is not live yet: pause, resume, abort. Each says what it does before it asks for a signature."""

from __future__ import annotations

import streamlit as st

from dashboard.components.decide import signed
from dashboard.components.live import live_of
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control import actions
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.rules.approval import ALLOWED
from interlock.rules.releases import ReleaseState

PAUSE = "The rollout is held at this step. The champion answers everything at once, and goes on to until somebody resumes or aborts."
RESUME = "The present step begins anew, with its share of the requests; what it measured before the pause does not count."
ABORT = "This release ends for good. The candidate leaves the route at once; the champion is untouched. The version can be approved again."


def steer(desk: Desk, entry: Entry, release: ReleaseView) -> None:
    """The actions that are possible in the present state; one expander each, so that nothing is pressed by accident."""
    live = live_of(desk, entry.name)
    arguments = {"release_id": release.id, "expected_generation": live.route.generation if live.route else 0}
    if release.state in {ReleaseState.SHADOW, ReleaseState.CANARY} and _may(desk, "pause"):
        with st.expander("Pause: hold it at this step; the champion answers everything"):
            st.markdown(PAUSE)
            signed(
                desk,
                key=f"pause {release.id} {release.state_since.isoformat()}",
                button="Pause",
                word=entry.name,
                act=actions.pause,
                arguments=arguments,
                hint="What looks wrong",
            )
    if release.state is ReleaseState.PAUSED and _may(desk, "resume"):
        with st.expander("Resume: begin the present step anew"):
            st.markdown(RESUME)
            signed(
                desk,
                key=f"resume {release.id} {release.revision}",
                button="Resume",
                word=entry.name,
                act=actions.resume,
                arguments=arguments,
                hint="Why it may go on",
            )
    if _may(desk, "abort"):
        with st.expander("Abort: end this release; the champion is untouched"):
            st.markdown(ABORT)
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


def _may(desk: Desk, action: str) -> bool:
    if not desk.may(action):
        st.caption(plain(f"To {action} needs the role {' or '.join(sorted(ALLOWED[action]))}."))
        return False
    return True
