"""Real performance in production, window by window."""

from __future__ import annotations

import streamlit as st

from dashboard.components.ahead import real_beside_estimate
from dashboard.components.chart import draw
from dashboard.components.plots import over_time
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.words import span
from dashboard.desk import Desk
from interlock.control.readmodel.compare import titled
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.windows import WindowView, series, window_signals, windows


def production(desk: Desk, entry: Entry) -> None:
    """Signals of the newest window, the real metric beside its estimate, every other metric, known outcomes, latency."""
    st.subheader("In production", anchor=False)
    views = desk.soon(windows, entry.name)
    if not views:
        empty(
            "No window was monitored yet.",
            "The monitor flow measures complete windows once a model answers requests. Start it by hand with:",
            f"prefect deployment run monitor/monitor -p use_case={entry.name}",
        )
        return
    for signal in window_signals(views[-1], entry.spec):
        if signal.name in {"Performance", "Latency"}:
            line(signal)
    paired = real_beside_estimate(views)
    with st.expander("Every metric, window by window") if paired else st.container():
        _metrics(views)
    _volume(views)
    _latency(views, entry)


def _metrics(views: list[WindowView]) -> None:
    for metric, points in series(views, "performance.").items():
        findings = [point.finding for point in points]
        draw(
            over_time(
                [point.start for point in points],
                {titled(findings[0]): [one.value for one in findings]},
                low=[one.low for one in findings],
                high=[one.high for one in findings],
            ),
            title=titled(findings[0]),
            unit=findings[0].unit or "pure number",
            legend=False,
            height=240,
            n=sum(one.sample_size for one in findings),
            window=span(points[0].start, points[-1].end),
            key=f"window {metric}",
            about="One point per window of event time, the band is the 95 % interval. A gap means too few known outcomes, not zero.",
        )


def _volume(views: list[WindowView]) -> None:
    draw(
        over_time(
            [view.start for view in views], {"answered": [view.rows for view in views], "outcome known": [view.labelled for view in views]}
        ),
        title="Answers and known outcomes",
        unit="requests per window",
        n=sum(view.rows for view in views),
        height=220,
        window=span(views[0].start, views[-1].end),
        about="Where the second line lies far below the first, performance is not known yet.",
    )


def _latency(views: list[WindowView], entry: Entry) -> None:
    latency = series(views, "latency.").get("latency.p99_ms", [])
    if latency:
        draw(
            over_time(
                [point.start for point in latency],
                {"p99": [point.finding.value for point in latency]},
                limit=entry.spec.monitoring.latency_p99_ms_max if entry.spec else None,
            ),
            title="Slowest 1 % of answers",
            unit="ms",
            n=sum(point.finding.sample_size for point in latency),
            height=220,
            legend=False,
            about="99th percentile of the time the server took for one request. Dashed: the limit of the use-case file.",
        )
