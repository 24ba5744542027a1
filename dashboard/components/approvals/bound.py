"""The clock of a decision, and the moment it stops being one: redrawn every two seconds without a reload of the page."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.components.states import empty
from dashboard.components.words import moment, plain, short
from dashboard.desk import Desk
from interlock.control.access.people import Person
from interlock.control.decisions.undecided import Waiting
from interlock.control.readmodel.bound import Bound, Voided, bound_of
from interlock.records.store import utc_now

EVERY_S = 2
SHOWN = "evidence shown"  # in the session: per use case, what waited when its page was last drawn


def bound(desk: Desk, evidence_digest: str) -> Bound:
    """What stands in the way now, at most two seconds old."""
    return desk.live(bound_of, evidence_digest, desk.person)


@st.fragment(run_every=EVERY_S)
def clock(evidence_digest: str, person: Person, drawn: Bound) -> None:
    """Time left; the whole page is drawn anew as soon as the decision is not the one that was drawn."""
    from dashboard.desk import open_desk

    desk = open_desk()
    found: Bound = desk.live(bound_of, evidence_digest, person)
    if (found.void, found.decided, found.refused) != (drawn.void, drawn.decided, drawn.refused):
        st.rerun()
    if found.until is not None:
        st.caption(plain(f"Evidence counts for another {left(found.until, utc_now())} (until {moment(found.until)})."))


def left(until: datetime, now: datetime) -> str:
    """`29 days 3 h`, `3 h 12 min`, in the last hour `12 min 5 s`; `no time` once it is over."""
    seconds = int((until - now).total_seconds())
    if seconds <= 0:
        return "no time"
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{days} day{'' if days == 1 else 's'} {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"


def void(found: Bound, version: int, use_case: str) -> None:
    """The decision that was open here a moment ago and is not any more, with every reason."""
    if found.decided:
        st.warning(plain(f"Version {version} was decided meanwhile: {found.decided}."))
        return
    st.error(plain(f"The decision on version {version} is void: {'; '.join(found.void)}."))
    st.markdown("Nothing can be approved on this evidence. New evidence about the same version brings it back to this page:")
    st.code(f"interlock validate {use_case} --version {version}", language=None)


def decided_meanwhile(desk: Desk, use_case: str, waits: list[Waiting]) -> None:
    """Who decided on what this session last saw waiting, unless that was the person who looks: a tab that turns by itself says why."""
    seen: dict[str, Waiting] = st.session_state.setdefault(SHOWN, {})
    last = seen.get(use_case)
    if waits:
        seen[use_case] = waits[0]
    if last is None or last.evidence_digest in {one.evidence_digest for one in waits}:
        return
    done = st.session_state.get("receipt")
    found = bound(desk, last.evidence_digest)
    if found.decided and (done is None or done.use_case != use_case):
        void(found, last.version, use_case)


def once_waited(found: list[Voided], use_case: str) -> None:
    """Versions that would wait here if their evidence still counted; nothing where there are none."""
    for one in found:
        with st.container(border=True):
            st.markdown(f"**{plain(f'Version {one.version} cannot be decided on any more')}** · evidence `{short(one.evidence_digest)}`")
            why = "; ".join(one.why)
            st.markdown(plain(f"{why[:1].upper()}{why[1:]}."))
            st.code(f"interlock validate {use_case} --version {one.version}", language=None)


def nothing_waits(use_case: str) -> None:
    """What stands where no decision waits."""
    empty(
        "No decision is waiting.",
        "A candidate appears here when it was trained and validated, on schedule or by hand:",
        f"prefect deployment run lifecycle/lifecycle -p use_case={use_case}",
    )
