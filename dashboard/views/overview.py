"""Overview: what needs me now, then every use case with what is live, its signals, its waiting decisions and its cost."""

from __future__ import annotations

import streamlit as st

from dashboard.components.frame import CHOSEN, page
from dashboard.components.live import beside
from dashboard.components.parts import parts_in_trouble
from dashboard.components.signal import badges, legend, mark
from dashboard.components.states import empty
from dashboard.components.words import age, moment, plain, short, usd
from dashboard.desk import Desk
from interlock.control.readmodel.overview import Overview, Row, overview
from interlock.control.readmodel.signals import SEVERITY

ABOUT = """Every use case of this installation. **Live** is what the prediction server itself answers, not what it was told. Signals come
from the newest monitored window (drift, performance, fairness, latency, reasons, traffic), from ingestion (data), from the price table
(cost) and from the last fire drill (drill). The most urgent things stand first."""
PER_PAGE = 20
LINKS = {
    "approvals": "Decide",
    "releases": "Open releases",
    "drift": "Open drift",
    "performance": "Open performance",
    "fairness": "Open fairness",
    "explainability": "Open explainability",
    "data": "Open data",
    "costs": "Open costs",
    "runs": "Open runs",
}


@page("Overview", ABOUT)
def show(desk: Desk) -> None:
    """Needs first, then one panel per use case."""
    seen = desk.live(overview)
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
    _all(seen)


def _needs(seen: Overview) -> None:
    st.subheader("What needs me now", anchor=False)
    if not seen.needs:
        st.markdown("Nothing. No decision waits, every endpoint does what its route says, and no signal fails or warns early.")
        return
    for n, need in enumerate(seen.needs[:8]):
        told, there = st.columns([5, 1.3], vertical_alignment="center", gap="small")
        told.markdown(f"{mark(need.state)} **{plain(need.title)}** — {plain(need.sentence)}")
        if need.page in LINKS:
            with there:
                st.page_link(f"views/{need.page}.py", label=f"{LINKS[need.page]} →", query_params={CHOSEN: need.use_case}, width="content")
        if n == 7 and len(seen.needs) > 8:
            st.caption(f"and {len(seen.needs) - 8} more, shown with their use cases below")


def _all(seen: Overview) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Use cases ({len(seen.rows)})", anchor=False, width="content")
        with st.popover("What do the signals mean?", type="tertiary"):
            legend()
    rows = sorted(seen.rows, key=lambda row: (min((need.rank for need in row.needs), default=99), SEVERITY[row.state], row.entry.title))
    if len(rows) > PER_PAGE:
        word = st.text_input("Search", placeholder="name, title or owner").casefold()
        rows = [row for row in rows if word in f"{row.entry.name} {row.entry.title} {row.entry.owner}".casefold()]
        pages = max(1, -(-len(rows) // PER_PAGE))
        number = st.number_input(f"Page (of {pages})", 1, pages, 1)
        rows = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    for row in rows:
        _panel(row, seen)
    st.caption(f"Asked at {moment(seen.asked_at)}. Reload to ask again.")


def _panel(row: Row, seen: Overview) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{plain(row.entry.title)}**", width="content")
            st.caption(plain(f"owner: {row.entry.owner or 'nobody'}"), width="content")
        st.markdown(_live(row, seen))
        badges(row.signals)
        facts = [f"cost this month: {usd(row.month_usd)}" if row.month_usd is not None else "cost this month: not added up yet"]
        facts.append(f"{len(row.waiting)} waiting decision{'' if len(row.waiting) == 1 else 's'}")
        if row.release and row.release.open:
            facts.append(f"version {row.release.version}: {row.release.words}")
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(plain(" · ".join(facts)), width="content")
            with st.container(horizontal=True, width="content"):
                for view, label in (
                    ("approvals", "Approvals"),
                    ("releases", "Releases"),
                    ("performance", "Performance"),
                    ("drift", "Drift"),
                ):
                    st.page_link(f"views/{view}.py", label=label, query_params={CHOSEN: row.entry.name}, width="content")


def _live(row: Row, seen: Overview) -> str:
    """The live line: the endpoint's own answer, or plainly that there is none."""
    live = row.live
    if live.problem:
        known = live.route.champion if live.route else None
        told = f" Last known route: version {known.version} `{short(known.digest)}`." if known else ""
        return f"The prediction server does not answer at {plain(live.address)}.{told}"
    slot = live.answering
    if slot is None:
        return "Nothing is live yet."
    since = f", live for {age(row.live_since, seen.asked_at)}" if row.live_since else ""
    return f"Live: **version {slot.version}** `{short(slot.digest)}`{since}.{beside(live.observed)}"


show()
