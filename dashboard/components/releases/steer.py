"""A person at the wheel of a release that is not live yet: pause, resume, abort. Each says what it does before it asks for a signature."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard.components.deciding.decide import Act, signed
from dashboard.components.deciding.rights import offered
from dashboard.components.live import live_of
from dashboard.desk import Desk
from interlock.control.decisions import actions
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.rules.releases import OPEN, ReleaseState


@dataclass(frozen=True)
class _Lever:
    """One thing that a person can do, in which states, and what it does in words."""

    name: str
    act: Act
    states: frozenset[ReleaseState]
    title: str
    does: str
    hint: str
    main: bool = True


LEVERS = (
    _Lever(
        "pause",
        actions.pause,
        frozenset({ReleaseState.SHADOW, ReleaseState.CANARY}),
        "Pause: hold it at this step; the champion answers everything",
        "The rollout is held at this step. The champion answers everything at once, and goes on to until somebody resumes or aborts.",
        "What looks wrong",
    ),
    _Lever(
        "resume",
        actions.resume,
        frozenset({ReleaseState.PAUSED}),
        "Resume: begin the present step anew",
        "The present step begins anew, with its share of the requests; what it measured before the pause does not count.",
        "Why it may go on",
    ),
    _Lever(
        "abort",
        actions.abort,
        OPEN,
        "Abort: end this release; the champion is untouched",
        "This release ends for good. The candidate leaves the route at once. The same evidence cannot be approved a second time.",
        "Why it must not go on",
        main=False,
    ),
)


def steer(desk: Desk, entry: Entry, release: ReleaseView) -> None:
    """The actions that are possible in the present state; one expander each, so that nothing is pressed by accident."""
    live = live_of(desk, entry.name)
    arguments = {"release_id": release.id, "expected_generation": live.route.generation if live.route else 0}
    for lever in LEVERS:
        if release.state not in lever.states or not offered(desk, lever.name):
            continue
        with st.expander(lever.title):
            st.markdown(lever.does)
            signed(
                desk,
                key=f"{lever.name} {release.id} {release.state.value} {release.state_since.isoformat()}",
                button=lever.name.capitalize(),
                word=entry.name,
                act=lever.act,
                arguments=arguments,
                hint=lever.hint,
                main=lever.main,
            )
