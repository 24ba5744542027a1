"""What waiting costs, in one line on the first screen: money and wrong answers a day as far as they are known, else why they are not."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import age, number, plain
from dashboard.desk import Desk
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.stakes import Stake, Waits, stakes_of, traffic_of
from interlock.records.store import utc_now


def waiting_costs(desk: Desk, candidate: Proof, champion: Proof | None) -> None:
    """One sentence about a day, and how long it has waited."""
    if champion is None:
        said = "nothing answers yet, so there is no difference to measure: requests go without a model."
    else:
        said = sentence(stakes_of(candidate, *desk.soon(traffic_of, candidate.use_case)))
    waited = age(candidate.created_at, utc_now())
    since = "It came just now." if waited == "just now" else f"It has waited for {waited}."
    st.markdown(f"**Cost of waiting:** {plain(said)} {plain(since)}")


def sentence(found: Waits) -> str:
    """What is known, with intervals and the traffic it rests on; without anything, the first reason."""
    known = [words(one) for one in found.stakes if one.a_day is not None]
    missing = [one for one in found.stakes if one.a_day is None]
    if not known:
        return f"not known: {missing[0].why or 'nothing was measured'}."
    traffic = f"{count(found.per_day)} answers a day, mean of the last {number(found.days)} days"
    money = next((f" In money it is not known: {one.why}." for one in missing if one.what == "Value"), "")
    return f"each day {'; '.join(known)} ({traffic}).{money}"


def words(one: Stake) -> str:
    """`gives away 120 EUR (95 %: 80 to 160)`; no clear difference where the interval holds zero."""
    value = one.a_day or 0.0
    show = number if one.what == "Value" else count
    between = f" (95 %: {show(one.low)} to {show(one.high)})" if one.low is not None and one.high is not None else ""
    if one.unit == "decisions":
        return f"about {count(value)} decisions would be others{between}"
    if one.low is not None and one.high is not None and one.low <= 0 <= one.high:
        return f"no clear difference in {one.what.lower()}{between}"
    if one.what == "Wrong answers":
        return f"lets {count(value)} more answers be wrong{between}" if value > 0 else f"spares {count(-value)} wrong answers{between}"
    return f"{'gives away' if value > 0 else 'spares'} {number(abs(value), one.unit)}{between}"


def count(value: float | None) -> str:
    """Whole ones from ten on, below it two digits: `143`, `2.4`."""
    return number(None) if value is None else f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"
