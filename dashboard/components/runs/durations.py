"""How long each stage takes, one small chart per stage, and what failed."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.signal import mark
from dashboard.components.words import number, plain, span
from dashboard.desk import Desk
from dashboard.theme import palette
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.durations import FAILURES_DAYS, SLOW_RATIO, Outcomes, Stage, outcomes, stages
from interlock.control.readmodel.signals import SignalState
from interlock.control.readmodel.work import finished
from interlock.records.store import utc_now

RUNS = 300
SIDE_BY_SIDE = 3
ABOUT = f"""Wall time of each finished run. The dotted line is the median of the runs before the newest. A run that takes more than
{SLOW_RATIO:g} times as long is called slow: look whether rows grew or the machine was busy."""


def durations(desk: Desk, entry: Entry) -> None:
    """Trend of each stage."""
    found = stages(desk.soon(finished, entry.name, RUNS))
    st.header("How long runs take", anchor=False)
    if not found:
        st.markdown("No run with a measured time has finished yet.")
        return
    for stage in (one for one in found if one.slow):
        st.markdown(
            plain_mark(
                f"The newest {stage.name} took {number(stage.wall_s[-1], 's')}, usually {number(stage.usual_s, 's')}.", SignalState.WARN
            )
        )
    for first in range(0, len(found), SIDE_BY_SIDE):
        for column, stage in zip(st.columns(SIDE_BY_SIDE), found[first : first + SIDE_BY_SIDE], strict=False):
            with column:
                _stage(stage, entry)


def failures(desk: Desk, entry: Entry) -> None:
    """What was asked of Prefect and how it went."""
    found = desk.soon(outcomes, entry.name, utc_now().replace(second=0, microsecond=0))
    st.header(f"Asked of Prefect in the last {FAILURES_DAYS} days", anchor=False)
    if not found:
        st.markdown(f"Nothing was asked for in the last {FAILURES_DAYS} days.")
        return
    failed = sum(one.failed for one in found)
    told = f"{failed} of {sum(one.asked for one in found)} failed for good" if failed else "nothing failed for good"
    st.markdown(plain_mark(f"{told}, n = {sum(one.asked for one in found)}.", SignalState.FAIL if failed else SignalState.PASS))
    st.dataframe([_line(one) for one in found], hide_index=True)


def plain_mark(text: str, state: SignalState) -> str:
    """A state and what is said about it."""
    return f"{mark(state)} {plain(text)}"


def _line(one: Outcomes) -> dict[str, object]:
    return {
        "deployment": one.deployment,
        "asked": one.asked,
        "failed": one.failed,
        "more than one attempt": one.again,
        "still open": one.waiting,
    }


def _stage(stage: Stage, entry: Entry) -> None:
    figure = go.Figure()
    figure.add_scatter(x=list(stage.times), y=list(stage.wall_s), mode="lines+markers", name=stage.name, line={"color": palette().accent})
    if stage.usual_s is not None:
        figure.add_hline(y=stage.usual_s, line_color=palette().quiet, line_dash="dot", line_width=1)
    figure.update_yaxes(rangemode="tozero", nticks=4)
    figure.update_xaxes(nticks=3)
    draw(
        figure,
        title=stage.name,
        unit="seconds of wall time",
        n=len(stage.times),
        window=span(stage.times[0], stage.times[-1]),
        height=150,
        legend=False,
        about=ABOUT,
        key=f"duration {entry.name} {stage.name}",
    )
