"""Overview: what needs me now, what is not watched, then every use case as one line of a signal panel."""

from __future__ import annotations

import streamlit as st

from dashboard.components.frame import CHOSEN, page
from dashboard.components.overview.filters import one_page, selected, views
from dashboard.components.overview.panel import panel_table
from dashboard.components.overview.parts import parts_in_trouble
from dashboard.components.overview.words import in_words, read_at
from dashboard.components.signal import legend, mark
from dashboard.components.states import empty
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.overview import Overview, overview
from interlock.control.readmodel.signals import SignalState

ABOUT = """Every use case of this installation, one line each. **Live** is what the prediction server itself answers, not what it was told;
a version with a question mark is the last known one. Signals come from the newest monitored window (drift, performance, fairness, latency,
reasons, traffic), from ingestion (data), from the price table (cost), from the last fire drill (drill) and from when the newest window was
judged (freshness). Hover over a shape for its sentence; it leads to the page that explains it. **Trend** is the metric the model is judged
by over the newest windows, or, where outcomes are not known yet, the share of features that moved; windows beyond a limit have a square."""
LINKS = {"approvals": "Decide", "use_case": "Open the file"}
NEEDS, LACKS = 8, 5  # lines shown


@page("Overview", ABOUT)
def show(desk: Desk) -> None:
    """Needs first, then what is not watched, then the panel."""
    seen = desk.shared(overview)
    parts_in_trouble(desk)
    if not seen.rows:
        empty(
            "No use case has any data yet.",
            "Take in the rows of one, train and validate it; it appears here as soon as it has a snapshot. "
            "The demo does all of it on real flights:",
            "make demo",
        )
        return
    _needs(seen)
    _lacks(seen)
    _all(seen)


def _needs(seen: Overview) -> None:
    st.header("What needs me now", anchor=False)
    if not seen.needs:
        st.markdown("Nothing. No decision waits, every endpoint does what its route says, and no signal fails or warns early.")
        return
    for need in seen.needs[:NEEDS]:
        told, there = st.columns([5, 1.3], vertical_alignment="center", gap="small")
        told.markdown(f"{mark(need.state)} **{plain(need.title)}** — {plain(need.sentence)}")
        if need.page != "overview":
            label = LINKS.get(need.page, f"Open {need.page.replace('_', ' ')}")
            chosen = {CHOSEN: need.use_case} if need.use_case else {}
            with there:
                st.page_link(f"views/{need.page}.py", label=f"{label} →", query_params=chosen | need.at, width="content")
    if len(seen.needs) > NEEDS:
        left = f"and {len(seen.needs) - NEEDS:,} more, in the lines below →"
        st.page_link("views/overview.py", label=left, query_params={"needs": "yes"})


def _lacks(seen: Overview) -> None:
    """Live models that nobody watches, or whose outcomes never come: said plainly, because no signal of theirs can fail."""
    found = [(row, lack) for row in seen.rows for lack in row.lacks]
    if not found:
        return
    st.header("What is not watched", anchor=False)
    lines = [
        f"- **{plain(row.entry.title)}** lacks {'a monitor' if lack.kind == 'monitor' else 'labels'}. {plain(lack.sentence)}"
        for row, lack in found[:LACKS]
    ]
    st.markdown("\n".join(lines))
    if len(found) > LACKS:
        st.page_link("views/overview.py", label=f"All {len(found):,} →", query_params={"lacking": "something"}, width="content")


def _all(seen: Overview) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(f"Use cases ({len(seen.rows):,})", anchor=False, width="content")
        with st.popover("What do the signals mean?", type="tertiary"):
            legend()
    views()
    rows = selected(seen.rows)
    if not rows:
        st.markdown("No use case fits this view.")
        st.page_link("views/overview.py", label="Show all", query_params={}, width="content")
        return
    shown = one_page(rows)
    panel_table(shown, seen.asked_at)
    failing = sum(row.state is SignalState.FAIL for row in rows)
    st.caption(plain(f"{len(shown):,} of {len(rows):,} shown; {failing:,} with a failing signal."))
    in_words(shown)
    read_at(seen.asked_at)


show()
