"""What each version's decisions brought beside what it cost, and what could be saved."""

from __future__ import annotations

import streamlit as st

from dashboard.components.frame import note
from dashboard.components.words import number, plain, usd
from interlock.control.readmodel.economy import Economy, Net, Proposal

ABOUT_NET = """**Value** is what 1,000 decisions were worth on the held-out rows of the sealed evidence (`[value]` in the use-case file),
times the predictions counted in monitored windows; its interval comes from the held-out rows. It is an expectation: outcomes in
production may differ. **Cost** is the use case's cost shared out among its versions by their predictions. **Net** is value less cost,
where the value is in US dollars."""
ABOUT_SAVINGS = """Worked out by the costs flow from what is on record. *Retrained without gain*: the interval against the champion of its
time reaches zero for at least half of three or more trainings. *Idle*: live, and no request in seven complete days. *Oversized*:
training showed that features could go. *Much stored*: more than half of the cost is storage. Proposals under one cent a month are
left out."""


def net_worth(economies: list[Economy], titles: dict[str, str]) -> None:
    """One line per version, newest first within its use case."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.header("What decisions brought", anchor=False, width="content")
        note(ABOUT_NET, label="About")
    lines = [one for economy in economies for one in economy.versions]
    if not lines:
        st.markdown("No monitored window has counted predictions yet.")
        return
    st.dataframe(
        [_line(one, titles) for one in lines],
        hide_index=True,
        placeholder="–",
        column_config={
            "predictions": st.column_config.NumberColumn(format="localized"),
            "n": st.column_config.NumberColumn(format="localized", help="held-out rows"),
        },
    )
    if all(one.value is None for one in lines):
        st.caption("None of these use cases says what decisions are worth: add [value] to its file.")


def proposals(found: list[Proposal], titles: dict[str, str]) -> None:
    """Dearest first, each with what to do."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.header("What could be saved", anchor=False, width="content")
        note(ABOUT_SAVINGS, label="About")
    if not found:
        st.markdown("Nothing found: no training without gain, no idle or oversized model, no costly storage.")
        return
    for one in sorted(found, key=lambda one: -(one.usd or 0.0)):
        worth = f"{usd(one.usd)} a month" if one.usd is not None else "not known in money"
        with st.container(border=True, gap=None):
            st.markdown(f"**{plain(titles.get(one.use_case, one.use_case))}: {plain(one.kind)}** · {plain(worth)}")
            st.markdown(plain(one.sentence))
            st.caption(plain(f"To change it: {one.next_step}."))


def _line(one: Net, titles: dict[str, str]) -> dict[str, object]:
    net = one.net
    return {
        "use case": titles.get(one.use_case, one.use_case),
        "version": one.version,
        "predictions": one.predictions,
        "value": None if one.value is None else number(one.value, one.currency),
        "95 % interval": _pair(one.low, one.high, one.currency),
        "n": one.sample_size or None,
        "cost": usd(one.cost_usd),
        "net": None if net is None else usd(net[0]),
        "net, 95 % interval": None if net is None else _pair(net[1], net[2], "USD"),
    }


def _pair(low: float | None, high: float | None, unit: str) -> str | None:
    return f"{number(low)} to {number(high, unit)}" if low is not None and high is not None else None
