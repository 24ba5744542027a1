"""Which use cases the panel shows, in which order: all of it in the address, so that a view is a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.components import address
from dashboard.theme import LOOKS
from interlock.control.readmodel.overview import Row
from interlock.control.readmodel.signals import SEVERITY, SignalState

PER_PAGE = 50
ANY = "any"
VIEWS: dict[str, dict[str, str]] = {
    "Everything": {},
    "Needs me": {"needs": "yes"},
    "Failing": {"state": "fail"},
    "Unmonitored": {"lacking": "monitor"},
    "Without labels": {"lacking": "labels"},
}
LACKING = {ANY: "whether or not", "something": "monitors or labels", "monitor": "monitors", "labels": "labels"}
ORDERS: dict[str, tuple[str, Callable[[Row], tuple[object, ...]]]] = {
    "urgency": ("most urgent first", lambda row: (row.urgency, SEVERITY[row.state], row.entry.title.casefold())),
    "title": ("title", lambda row: (row.entry.title.casefold(),)),
    "owner": ("owner", lambda row: (row.entry.owner.casefold(), row.entry.title.casefold())),
    "newest": ("newest live version first", lambda row: (-(row.live_since.timestamp() if row.live_since else 0.0),)),
    "oldest": ("oldest live version first", lambda row: (row.live_since.timestamp() if row.live_since else 9e12,)),
    "cost": ("dearest this month first", lambda row: (-(row.month_usd or 0.0),)),
}


def views() -> None:
    """The views that ship: each is nothing but a link, and the one that is shown now is its name."""
    asked = {name: value for name, value in st.query_params.items() if name != "page"}
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for name, values in VIEWS.items():
            if values == asked:
                st.markdown(f"**{name}**", width="content")
            else:
                st.page_link("views/overview.py", label=name, query_params=values, width="content")


def selected(rows: Sequence[Row]) -> list[Row]:
    """The rows that the address asks for, in its order."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        word = address.text("find", label="Find", placeholder="name, title or owner").casefold()
        more = st.popover("Filter and sort")
    with more:
        needs = address.switch("needs", label="Only what needs a person")
        state = address.chosen(
            "state",
            [ANY, *(one.value for one in SEVERITY)],
            label="With a signal that says",
            default=ANY,
            words=lambda value: "anything" if value == ANY else f"{LOOKS[SignalState(value)].shape} {LOOKS[SignalState(value)].word}",
        )
        owner = address.chosen(
            "owner",
            [ANY, *sorted({row.entry.owner for row in rows if row.entry.owner})],
            label="Owner",
            default=ANY,
            words=lambda value: "everybody" if value == ANY else value,
        )
        waits = address.switch("waiting", label="Only with a decision that waits")
        lacking = address.chosen("lacking", list(LACKING), label="Lacking", default=ANY, words=LACKING.__getitem__)
        order = address.chosen("order", list(ORDERS), label="Order", default="urgency", words=lambda value: ORDERS[value][0])
        st.caption("The address of this page holds the whole view: copy it to share it, bookmark it to keep it.")
    kept = [
        row
        for row in rows
        if word in f"{row.entry.name} {row.entry.title} {row.entry.owner}".casefold()
        and (not needs or row.needs)
        and (not waits or row.waiting)
        and owner in {ANY, row.entry.owner}
        and (state == ANY or any(signal.state.value == state for signal in row.signals))
        and _lacks(row, lacking)
    ]
    return sorted(kept, key=ORDERS[order][1])


def one_page(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of the page that the address asks for; without a choice where all fit on one."""
    pages = -(-len(rows) // PER_PAGE)
    if pages <= 1:
        return rows
    at = int(address.number("page", label=f"Page (of {pages})", default=1, low=1, high=pages))
    return rows[(at - 1) * PER_PAGE : at * PER_PAGE]


def _lacks(row: Row, wanted: str) -> bool:
    return wanted == ANY or any(wanted in {"something", lack.kind} for lack in row.lacks)
