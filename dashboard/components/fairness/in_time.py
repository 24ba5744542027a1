"""Groups in production: each rate over the windows with its band, gaps with their reason, and the judged measures."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.chart import draw
from dashboard.components.fairness.plots_groups import groups_over_time
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.words import plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.compare import titled
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.group_times import METRIC, GroupPoint, GroupTimes, group_times
from interlock.control.readmodel.groups import RATES
from interlock.control.readmodel.window_part import WindowPart, window_part
from interlock.control.readmodel.windows import latest, window_signals
from interlock.rules.findings import Finding, State
from interlock.rules.monitoring import signals_for

GROUPS_MAX = 6  # lines that can be told apart
ABOUT = """One line per group, one point per window, the band its 95 % interval. A gap: too few rows of that group, or outcomes that are not
known yet; the sentence below the chart says which. Bands that overlap a lot do not show a difference."""


def groups_in_production(desk: Desk, entry: Entry) -> None:
    """The signal of the newest window, the rates of the groups, the judged measures."""
    parts = desk.soon(window_part, entry.name, "fairness.")
    if not parts:
        empty(
            "No window was monitored yet.",
            "Groups are compared in production once a model answers requests that carry the attributes:",
            f"prefect deployment run monitor/monitor -p use_case={entry.name}",
        )
        return
    line(window_signals(desk.soon(latest).get(entry.name), entry.spec)[2])
    times = group_times(parts, tuple(RATES))
    if times:
        by_name = {one.attribute: one for one in times}
        _rates(by_name[address.chosen("attribute", list(by_name), label="Attribute", default=times[0].attribute)], parts)
    else:
        st.markdown(
            "The monitored windows hold no rates of groups: no request carried a sensitive attribute, or they were judged before this was "
            "kept. Windows judged from now on hold them."
        )
    _judged(parts, entry)


def _rates(times: GroupTimes, parts: list[WindowPart]) -> None:
    window = span(parts[0].start, parts[-1].end)
    columns = st.columns(2)
    for place, (rate, groups) in enumerate(times.rates.items()):
        shown = dict(list(groups.items())[:GROUPS_MAX])
        with columns[place % 2]:
            if not any(point.value is not None for own in shown.values() for point in own):
                st.markdown(f"**{RATES[rate].capitalize()}**")
                st.markdown(f"◇ {plain(_why(shown))}")
                continue
            draw(
                groups_over_time(shown),
                title=f"{RATES[rate].capitalize()} by {times.attribute}",
                unit=f"share of rows; the favourable answer is the {times.favourable} one",
                n=sum(point.n for own in shown.values() for point in own),
                window=window,
                height=260,
                about=ABOUT,
                key=f"times {times.attribute} {rate}",
                rows=[
                    {
                        "group": name,
                        "from": point.start,
                        "to": point.end,
                        "value": point.value,
                        "low": point.low,
                        "high": point.high,
                        "n": point.n,
                        "why": point.why,
                    }
                    for name, own in shown.items()
                    for point in own
                ],
            )
            if gaps := _why(shown):
                st.caption(plain(gaps))
    if len(next(iter(times.rates.values()))) > GROUPS_MAX:
        st.caption(f"The {GROUPS_MAX} largest groups.")


def _why(groups: dict[str, list[GroupPoint]]) -> str:
    """The newest gap of each group in words; empty where there is none."""
    gaps = {name: [point for point in own if point.value is None] for name, own in groups.items()}
    return ". ".join(
        f"{name}: {len(own)} of {len(groups[name])} windows without a figure, the newest: {own[-1].why}"
        for name, own in gaps.items()
        if own
    )


def _judged(parts: list[WindowPart], entry: Entry) -> None:
    """What limits judge, one small chart per measure and attribute."""
    found: dict[tuple[str, str], list[tuple[WindowPart, Finding]]] = {}
    for part in parts:
        for one in part.findings:
            if one.metric != METRIC and one.segment.startswith("attribute="):
                found.setdefault((one.metric, one.segment), []).append((part, one))
    if not found:
        return
    limits = {rule.metric: rule.limit for rule in signals_for(entry.spec)} if entry.spec else {}
    st.markdown("**What the limits judge**")
    columns = st.columns(2)
    for place, ((metric, segment), points) in enumerate(found.items()):
        with columns[place % 2]:
            _measure(points, f"{titled(points[0][1])}", limits.get(metric), f"window {metric} {segment}")


def _measure(points: list[tuple[WindowPart, Finding]], title: str, limit: float | None, key: str) -> None:
    told = [
        GroupPoint(part.start, part.end, one.value, one.low, one.high, one.sample_size)
        if one.state is State.OK
        else GroupPoint(part.start, part.end, None, None, None, one.sample_size, one.note)
        for part, one in points
    ]
    if not any(point.value is not None for point in told):
        st.markdown(f"**{plain(title)}**")
        st.markdown(f"◇ {plain(points[-1][1].note or points[-1][1].state.value)}")
        return
    draw(
        groups_over_time({title: told}, limit=limit, share=False),
        title=title,
        unit="0 to 1",
        n=sum(point.n for point in told),
        window=span(points[0][0].start, points[-1][0].end),
        height=220,
        legend=False,
        key=key,
        about="One point per window with its 95 % interval, shared among all pairs of groups. Dashed: the limit. A gap means that a group "
        "was too small in that window.",
    )
    gaps = [one for _, one in points if one.state is not State.OK]
    if gaps:
        st.caption(plain(f"{len(gaps)} of {len(points)} windows without a figure, the newest: {gaps[-1].note or gaps[-1].state.value}."))
