"""Costs: by use case, stage and day."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.frame import page
from dashboard.components.plots import stacked
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.words import number, size, usd
from dashboard.desk import Desk
from interlock.control.readmodel.directory import entries
from interlock.control.readmodel.spending import Spending, by_day, by_stage, cost_signal, in_month, per_thousand, spending
from interlock.records.store import utc_now

ABOUT = """US dollars, from what was really used (CPU seconds, stored bytes, answered requests) times the price table. Own prices of a
use case come first. One row per use case, stage and day (UTC)."""


@page("Costs", ABOUT)
def show(desk: Desk) -> None:
    """Totals, days, table."""
    known = {entry.name: entry for entry in desk.soon(entries)}
    everything = desk.soon(spending)
    if not everything:
        empty(
            "Costs have not been added up yet.",
            "The costs flow adds them up every day; start it now from Prefect or with:",
            "prefect deployment run costs/costs",
        )
        return
    names = sorted({row.use_case for row in everything})
    name = st.selectbox(
        "Use case", [None, *names], format_func=lambda one: "all" if one is None else known[one].title if one in known else one
    )
    rows = [row for row in everything if name is None or row.use_case == name]
    today = utc_now().date()
    with st.container(horizontal=True):
        st.metric(f"{today:%B %Y}, USD", usd(in_month(rows, today)), width="content")
        st.metric(f"{days_of(rows)}, USD", usd(sum(row.usd for row in rows)), width="content")
        st.metric("per 1,000 predictions, USD", usd(per_thousand(rows)), width="content")
        st.metric("predictions", number(sum(row.requests for row in rows)), width="content")
    if name is not None and name in known:
        line(cost_signal(rows, known[name].spec, today))
    days, series = by_day(rows, by="stage" if name else "use_case")
    draw(
        stacked(days, series),
        title="Cost per day",
        unit="USD per day (UTC)",
        n=len(rows),
        window=days_of(rows),
        about="Each bar is one day. Colours are stages of one use case, or use cases when all are shown. n counts use case × stage × day.",
    )
    _table(rows)


def days_of(rows: list[Spending]) -> str:
    """The days that the rows are about."""
    first, last = rows[0].day, rows[-1].day
    return f"{first}" if first == last else f"{first} to {last}"


def _table(rows: list[Spending]) -> None:
    st.markdown("**By use case and stage**")
    st.dataframe(
        [
            {
                "use case": one.use_case,
                "stage": one.stage,
                "USD": one.usd,
                "CPU seconds": one.cpu_seconds or None,
                "requests": one.requests or None,
                "stored": size(one.storage_bytes) if one.storage_bytes else None,
            }
            for one in by_stage(rows)
        ],
        hide_index=True,
        placeholder="",
        column_config={
            "USD": st.column_config.NumberColumn(format="%.6f"),
            "CPU seconds": st.column_config.NumberColumn(format="%.1f"),
            "requests": st.column_config.NumberColumn(format="localized"),
        },
    )


show()
