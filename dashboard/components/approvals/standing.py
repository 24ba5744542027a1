"""The standing approval of a use case: what it allows, how much of it is used, and the forms that grant and end it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.deciding.decide import signed
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.decisions import actions
from interlock.control.decisions.undecided import Waiting
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.standing import StandingView, standing_of, stands_in_the_way
from interlock.rules.standing import DAYS_MAX, USES_MAX

WHAT = """A **standing approval** lets retrainings answer without a click: in the name of a person, for a time, up to a number of times.
It covers only candidates that pass every gate, that differ from the champion in data alone, and that answer a share of the requests first.
It ends at once when somebody revokes it, when the use-case file changes, and after a rollback of anything that it let through."""


def standing(desk: Desk, entry: Entry, waiting: list[Waiting]) -> None:
    """The newest one, why it does not cover what waits, and the two forms."""
    found = desk.live(standing_of, entry.name)
    st.header("Standing approval", anchor=False)
    if found is None:
        st.markdown("There is none: every candidate of this use case waits for a person.")
    else:
        st.markdown(plain(found.sentence))
    if found is not None and found.active:
        for one in waiting:
            why = desk.live(stands_in_the_way, found.standing, one.evidence_digest)
            if why:
                st.markdown(plain(f"It does not cover version {one.version}: {'; '.join(why)}."))
        _revoke(desk, entry, found)
    else:
        _grant(desk, entry, found.number if found is not None else 0)


def _revoke(desk: Desk, entry: Entry, found: StandingView) -> None:
    with st.expander("Revoke it"):
        st.markdown("It lets nothing more through from now on; what it approved and has not answered a customer yet is void with it.")
        signed(
            desk,
            key=f"revoke {found.standing.id}",
            button="Revoke",
            word=entry.name,
            act=actions.revoke,
            action="revoke own" if desk.actor == found.standing.grantor else "revoke",
            arguments={"standing_id": found.standing.id},
            hint="Why it must end",
        )


def _grant(desk: Desk, entry: Entry, before: int) -> None:
    def fields() -> dict[str, Any]:
        days = st.number_input("For how many days", 1, int(DAYS_MAX), 30, key=f"days {entry.name}")
        uses = st.number_input("Candidates at most", 1, USES_MAX, 30, key=f"uses {entry.name}")
        week = st.number_input("Of them in any seven days at most", 1, USES_MAX, 7, key=f"week {entry.name}")
        return {"days": float(days), "uses_max": int(uses), "per_week": int(week)}

    with st.expander("Grant one"):
        st.markdown(WHAT)
        signed(
            desk,
            key=f"grant {entry.name} {before}",
            button="Grant",
            word=entry.name,
            act=actions.grant,
            arguments={"use_case": entry.name},
            hint="Why its retrainings need no click",
            main=False,
            fields=fields,
        )
