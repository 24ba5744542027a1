"""Two moments beside each other: facts, numbers, what changed in data, parameters and code, and the decisions in between."""

from __future__ import annotations

import streamlit as st

from dashboard.components.sidebyside import numbers_of
from dashboard.components.words import moment, plain
from interlock.control.past.timeline_words import change
from interlock.control.readmodel.between import Between


def compared(found: Between) -> None:
    """What differs first; what is the same folded below."""
    left, right = moment(found.then.at), moment(found.later.at)
    differs = [one for one in found.facts if one.changed]
    if not differs and not found.decisions and not found.routes:
        st.markdown("Nothing changed between these two moments.")
        return
    if differs:
        rows = [{"what": plain(one.what), left: plain(one.then), right: plain(one.later)} for one in differs]
        st.table(rows, border="horizontal", hide_index=True)
    same = [one.what for one in found.facts if not one.changed]
    if same:
        st.caption(plain(f"The same at both: {', '.join(same)}."))
    later, then = (one.stretch.champion if one.stretch is not None else None for one in (found.later, found.then))
    if later is not None and then is not None:
        numbers_of(list(found.numbers), f"version {later.version}", f"version {then.version}")
    _what_changed(found)
    _decisions(found)


def _what_changed(found: Between) -> None:
    if found.changes is not None:
        with st.expander(f"Data, parameters and code: {plain(found.changes.words)}, {len(found.changes.changes):,} changes"):
            st.dataframe(
                [
                    {"level": one.level, "area": one.area, "what": one.what, "before": one.before, "after": one.after}
                    for one in found.changes.changes
                ],
                hide_index=True,
            )
    elif found.numbers:
        st.caption("The later version was not trained against the earlier one, so no list of changes in parameters and code was sealed.")


def _decisions(found: Between) -> None:
    st.markdown(f"**Decisions in between: {len(found.decisions)}**")
    if found.decisions:
        st.dataframe(
            [
                {"time": moment(one.at), "decision": one.kind, "who": one.actor, "reason": one.reason, "ledger entry": one.seq}
                for one in found.decisions
            ],
            hide_index=True,
        )
    with st.expander(f"Changes of the route in between: {len(found.routes)}"):
        for one in found.routes[:50]:
            st.markdown(plain(f"{moment(one.since)}: {change(one)}"))
