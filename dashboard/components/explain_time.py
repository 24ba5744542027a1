"""Whether the reasons changed: against the champion, and in the windows since."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import over_time
from dashboard.components.words import number, plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.explanations import stability
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.windows import series, windows
from interlock.rules.findings import State
from interlock.rules.monitoring import signals_for

METRIC = "explain.attribution_drift"


def against_champion(chosen: Proof) -> None:
    """Rank agreement and nDCG in one sentence; why not where there is none."""
    found = stability(chosen)
    if found is None:
        return
    if found.value is None:
        st.markdown(plain(f"Against the champion: {found.note or found.state.value}."))
        return
    ndcg = found.detail.get("ndcg")
    st.markdown(
        f"**Against the champion**, same rows: rank agreement **{number(found.value)}** (Spearman, 1 = same order)"
        + (f", nDCG **{number(ndcg)}**" if ndcg is not None else "")
        + plain(f". {found.note} n = {found.sample_size:,}")
    )


def attribution_drift(desk: Desk, entry: Entry) -> None:
    """1 - nDCG of every window against the evidence of the version that answered."""
    views = desk.soon(windows, entry.name)
    points = [point for view_points in [series(views, METRIC).get(METRIC, [])] for point in view_points]
    findings = [point.finding for point in points]
    values = [one.value if one.state is State.OK else None for one in findings]
    if not any(value is not None for value in values):
        why = findings[-1].note or findings[-1].state.value if findings else "no window was monitored with explanations yet"
        st.markdown(plain(f"Attribution drift in production: not measured ({why})."))
        return
    limits = {rule.metric: rule.limit for rule in signals_for(entry.spec)} if entry.spec else {}
    figure = over_time(
        [point.start for point in points],
        {"1 - nDCG": values},
        low=[one.low for one in findings],
        high=[one.high for one in findings],
        limit=limits.get(METRIC),
    )
    figure.update_yaxes(rangemode="nonnegative")
    draw(
        figure,
        title="Do requests still get their answers for the same reasons?",
        unit="1 − nDCG, 0 = same order of features",
        n=sum(one.sample_size for one in findings),
        window=span(points[0].start, points[-1].end),
        height=240,
        legend=False,
        about="Importance on a sample of each window's requests against the evidence, with a bootstrap interval. It moves before outcomes "
        "arrive, and it does not say that the model is wrong: customers may have changed. Dashed: the limit that warns.",
    )
    st.caption(plain(f"Newest window: {findings[-1].note}"))
