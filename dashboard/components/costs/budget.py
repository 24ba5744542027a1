"""Where the month stands against its budget and where it will end, for one use case drawn, for all as a table."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import band
from dashboard.components.signal import mark
from dashboard.components.words import plain, usd
from dashboard.theme import palette
from interlock.control.readmodel.economy import Economy, MonthEnd
from interlock.control.readmodel.signals import SignalState
from interlock.control.readmodel.spending import Spending, burned_down

ABOUT = """What is left of the month's budget at the end of each day (UTC). The dashed line goes on at the mean of the complete days of the
last four weeks; the band is the 95 % prediction interval of where the month ends (Hahn and Meeker 1991), never above what is left
today. A weekly rhythm makes the band wider."""


def burn_down(economy: Economy, rows: list[Spending]) -> None:
    """The budget of one use case over its month; without a budget, the forecast in words."""
    month = economy.month
    today = date.fromisoformat(month.today)
    st.markdown(f"{mark(state_of(month))} {plain(sentence(month))}")
    if month.budget is None:
        st.caption(plain(f"No budget is set: [costs] monthly_budget_usd in {economy.use_case}.toml."))
        return
    days, left = burned_down(rows, month.budget, today)
    draw(
        _figure(days, left, month, today),
        title="What is left of this month's budget",
        unit="USD at the end of the day (UTC)",
        n=month.days,
        window=f"{today:%B %Y}",
        about=f"{ABOUT} n counts the complete days that the forecast rests on.",
        height=260,
    )


def budgets(economies: dict[str, Economy], titles: dict[str, str]) -> None:
    """One line per use case: spent, forecast with interval, budget."""
    st.dataframe(
        [
            {
                "use case": titles.get(name, name),
                "spent, USD": one.month.spent,
                "month's end, USD": one.month.total,
                "95 % interval": f"{usd(one.month.low)} to {usd(one.month.high)}" if one.month.low is not None else None,
                "budget, USD": one.month.budget,
                "days known": one.month.days,
                "in words": sentence(one.month),
            }
            for name, one in sorted(economies.items(), key=lambda pair: -(pair[1].month.total or pair[1].month.spent))
        ],
        hide_index=True,
        placeholder="–",
        column_config={name: st.column_config.NumberColumn(format="dollar") for name in ("spent, USD", "month's end, USD", "budget, USD")},
    )


def state_of(month: MonthEnd) -> SignalState:
    """FAIL over the budget, WARN where the forecast or its upper end is, UNKNOWN without a budget or a forecast."""
    if month.budget is None:
        return SignalState.UNKNOWN
    if month.spent > month.budget:
        return SignalState.FAIL
    if month.total is None or month.high is None:
        return SignalState.UNKNOWN
    return SignalState.WARN if month.high > month.budget else SignalState.PASS


def sentence(month: MonthEnd) -> str:
    """What the month comes to, in one sentence."""
    spent = f"{usd(month.spent)} spent so far"
    if month.total is None:
        return f"{spent}; a forecast needs 3 complete days, there are {month.days}."
    ends = f"{spent}; the month ends at about {usd(month.total)} ({usd(month.low)} to {usd(month.high)})"
    if month.budget is None:
        return f"{ends}."
    if month.days_to_budget == 0:
        return f"{ends}. The budget of {usd(month.budget)} is used up."
    soon = month.days_to_budget is not None and month.days_to_budget <= month.days_left
    end = f", used up in {month.days_to_budget} days at this rate." if soon else "."
    return f"{ends}, budget {usd(month.budget)}{end}"


def _figure(days: list[date], left: list[float], month: MonthEnd, today: date) -> Any:
    colours, figure = palette(), go.Figure()
    end = today + timedelta(days=month.days_left)
    if month.budget is not None and month.total is not None and month.low is not None and month.high is not None:
        now = left[-1]
        band(figure, [today, end], [now, month.budget - month.high], [now, month.budget - month.low])
        dashed = {"color": colours.accent, "dash": "dash"}
        figure.add_scatter(x=[today, end], y=[now, month.budget - month.total], mode="lines", name="forecast", line=dashed)
    figure.add_scatter(x=days, y=left, mode="lines+markers", name="left", line={"color": colours.accent, "shape": "hv"})
    figure.add_hline(y=0, line_color=colours.states[SignalState.FAIL], line_width=1)
    figure.update_xaxes(type="date", range=[today.replace(day=1), end], tickformat="%b %d")
    return figure
