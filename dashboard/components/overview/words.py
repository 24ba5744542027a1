"""Beside the panel: one use case in sentences, for fingers that cannot hover, and how old what is shown is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.components import address
from dashboard.components.frame import CHOSEN
from dashboard.components.live import beside
from dashboard.components.signal import panel
from dashboard.components.words import age, moment, plain, short, usd
from dashboard.desk import forget
from interlock.control.readmodel.overview import Row
from interlock.records.store import utc_now

PAGES = ("approvals", "releases", "performance", "drift", "fairness", "explainability", "data", "costs", "use_case")


def in_words(rows: Sequence[Row]) -> None:
    """What the shapes of one line say, and its pages."""
    by_name = {row.entry.name: row for row in rows}
    name = address.chosen(
        "line", list(by_name), label="One use case in words", default=rows[0].entry.name, words=lambda one: by_name[one].entry.title
    )
    row = by_name[name]
    st.markdown(_live(row))
    facts = [
        f"cost this month: {usd(row.month_usd)}" if row.month_usd is not None else "cost this month: not added up yet",
        f"owner: {row.entry.owner or 'nobody'}",
    ]
    if row.release and row.release.open:
        facts.append(f"version {row.release.version}: {row.release.words}")
    st.caption(plain(" · ".join(facts)))
    panel(list(row.signals))
    with st.container(horizontal=True, gap="small"):
        for view in PAGES:
            st.page_link(f"views/{view}.py", label=view.replace("_", " ").capitalize(), query_params={CHOSEN: name}, width="content")


@st.fragment(run_every="10s")
def read_at(asked_at: datetime) -> None:
    """How old the lines above are, counted on while the page stands open; nothing on it changes by itself."""
    seconds = int((utc_now() - asked_at).total_seconds())
    told = f"{seconds} s" if seconds < 120 else age(asked_at, utc_now())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(f"Read {told} ago, at {moment(asked_at)}. Nothing above changes until it is read again."), width="content")
        if st.button("Read again", type="tertiary"):
            forget()
            st.rerun(scope="app")


def _live(row: Row) -> str:
    """The live line: the endpoint's own answer, or plainly that there is none."""
    live = row.live
    if live.problem:
        known = live.route.champion if live.route else None
        told = f" Last known route: version {known.version} `{short(known.digest)}`." if known else ""
        return f"The prediction server does not answer at {plain(live.address)}.{told}"
    slot = live.answering
    if slot is None:
        return "Nothing is live yet."
    since = f", live for {age(row.live_since, live.asked_at)}" if row.live_since else ""
    return f"Live: **version {slot.version}** `{short(slot.digest)}`{since}.{beside(live.observed)}"
