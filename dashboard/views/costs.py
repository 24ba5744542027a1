"""Costs: by use case, stage and day; where the month ends; what decisions brought; what could be saved."""

from __future__ import annotations

import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.chart import draw
from dashboard.components.costs.budget import budgets, burn_down
from dashboard.components.costs.net_worth import net_worth, proposals
from dashboard.components.frame import CHOSEN, page
from dashboard.components.plots import stacked
from dashboard.components.states import empty
from dashboard.components.words import moment, number, size, usd
from dashboard.desk import Desk
from interlock.control.readmodel.directory import entries
from interlock.control.readmodel.economy import Economy, economies
from interlock.control.readmodel.spending import Spending, by_day, by_stage, in_month, per_thousand, per_thousand_by_use_case, spending
from interlock.records.store import utc_now

ABOUT = """US dollars, from what was really used (CPU seconds, stored bytes, answered requests) times the price table. Own prices of a
use case come first. One row per use case, stage and day (UTC). The costs flow adds them up, by default once a day."""

ALL, EVERY = "all", "all use cases"


@page("Costs", ABOUT)
def show(desk: Desk) -> None:
    """Totals, month's end, days, worth, proposals."""
    titles = {entry.name: entry.title for entry in desk.soon(entries)}
    everything = desk.soon(spending)
    if not everything:
        empty(
            "Costs have not been added up yet.",
            "The costs flow adds them up every day; start it now from Prefect or with:",
            "prefect deployment run costs/costs -p use_case=NAME",
        )
        return
    names = [ALL, *sorted({row.use_case for row in everything}, key=lambda one: titles.get(one, one))]
    picked = chosen(CHOSEN, names, label="Use case", default=ALL, words=lambda one: EVERY if one == ALL else titles.get(one, one))
    name = None if picked == ALL else picked
    rows = [row for row in everything if name is None or row.use_case == name]
    prepared = desk.soon(economies)
    shown = prepared if name is None else {name: prepared[name]} if name in prepared else {}
    _totals(rows, name, shown)
    _month(shown, rows, titles, one=name is not None)
    days, series = by_day(rows, by="stage" if name else "use_case")
    draw(
        stacked(days, {titles.get(one, one): values for one, values in series.items()}),
        title="Cost per day",
        unit="USD per day (UTC)",
        n=len(rows),
        window=days_of(rows),
        about="Each bar is one day. Colours are stages of one use case, or use cases when all are shown. n counts use case × stage × day.",
    )
    net_worth(list(shown.values()), titles)
    proposals([one for economy in shown.values() for one in economy.proposals], titles)
    _table(rows, titles)


def days_of(rows: list[Spending]) -> str:
    """The days that the rows are about."""
    first, last = rows[0].day, rows[-1].day
    return f"{first}" if first == last else f"{first} to {last}"


def _totals(rows: list[Spending], name: str | None, shown: dict[str, Economy]) -> None:
    today = utc_now().date()
    with st.container(horizontal=True):
        st.metric(f"{today:%B %Y}, USD", usd(in_month(rows, today)), width="content")
        st.metric(f"{days_of(rows)}, USD", usd(sum(row.usd for row in rows)), width="content")
        st.metric("per 1,000 predictions, USD", usd(per_thousand(rows)), width="content")
        st.metric("predictions", number(sum(row.requests for row in rows)), width="content")
    if shown:
        st.caption(f"Forecast, worth and proposals as of {moment(min(one.prepared_at for one in shown.values()))}.")


def _month(shown: dict[str, Economy], rows: list[Spending], titles: dict[str, str], *, one: bool) -> None:
    st.header("Where the month ends", anchor=False)
    if not shown:
        st.markdown("Not worked out yet: the costs flow does it with its next run.")
    elif one:
        burn_down(next(iter(shown.values())), rows)
    else:
        budgets(shown, titles)


def _table(rows: list[Spending], titles: dict[str, str]) -> None:
    st.header("By use case and stage", anchor=False)
    per = per_thousand_by_use_case(rows)
    st.dataframe(
        [
            {
                "use case": titles.get(one.use_case, one.use_case),
                "stage": one.stage,
                "USD": one.usd,
                "CPU seconds": one.cpu_seconds or None,
                "requests": one.requests or None,
                "USD per 1,000 predictions": per.get(one.use_case) if one.stage == "serving" else None,
                "stored": size(one.storage_bytes) if one.storage_bytes else None,
            }
            for one in by_stage(rows)
        ],
        hide_index=True,
        placeholder="–",
        column_config={
            "USD": st.column_config.NumberColumn(format="%.6f"),
            "CPU seconds": st.column_config.NumberColumn(format="%.1f"),
            "requests": st.column_config.NumberColumn(format="localized"),
            "USD per 1,000 predictions": st.column_config.NumberColumn(format="%.6f", help="All costs of the use case, storage included."),
        },
    )


show()
