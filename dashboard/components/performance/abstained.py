"""How often the model left the answer to a fallback, and why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import over_time
from dashboard.components.words import number, plain, span
from interlock.control.readmodel.abstentions import abstentions, spoken
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.series import WindowRow

ABOUT = """The model abstains by the rules of `[serving.abstention]`: then the fallback answers, and the reply says so. The band is the 95 %
interval; dashed: the share at which a window breaches. A gap had too few answers; it is not zero."""


def abstained(rows: Sequence[WindowRow], entry: Entry) -> None:
    """Share over windows and reasons in numbers; nothing where abstaining is neither declared nor measured."""
    declared = entry.spec is not None and entry.spec.serving.abstention.on
    found = abstentions(rows)
    if not declared and found is None:
        return
    st.header("Answers left to a fallback", anchor=False)
    if found is None or found.share is None:
        st.markdown("No window was asked yet how often the model abstained: the next monitor run measures it.")
        return
    points = found.points
    draw(
        over_time(
            [row.start for row in found.windows],
            {"abstained": [one.value for one in points]},
            low=[one.low for one in points],
            high=[one.high for one in points],
            limit=entry.spec.monitoring.abstained_share_max if entry.spec else None,
        ),
        title="Share of answers left to a fallback",
        unit="share of answers, 0 to 1",
        n=found.answers,
        window=span(found.windows[0].start, found.windows[-1].end),
        height=220,
        legend=False,
        about=ABOUT,
    )
    if found.reasons:
        table = [{"why": plain(spoken(one.name)), "answers": one.count, "share of all": f"{one.share:.2%}"} for one in found.reasons]
        st.table(table, border="horizontal", hide_index=True)
    st.caption(f"In all {number(100 * found.share)} % of {found.answers:,} answers.")
