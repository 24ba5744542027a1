"""Performance in production: real and estimated on one axis with the outcomes known beneath, how far to trust the estimate, abstentions."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.chart import draw
from dashboard.components.plots import over_time
from dashboard.components.points import real_and_estimated
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.words import plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.ahead import trust
from interlock.control.readmodel.compare import titled
from interlock.control.readmodel.course import Course, course, metrics_of
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.series import Point, WindowRow, window_rows
from interlock.control.readmodel.windows import WindowView, one_window, window_signals
from interlock.rules.findings import Finding

ABOUT = """Each answer counts as its calibrated probability, so the metric can be **estimated** before any outcome is known; the
**real** one needs outcomes. Where both are there, compare them: that is how good the estimate was; whiskers and band are 95 % intervals.
Dashed: the value at which the fall since the evidence reaches its limit. Grey below: the share of the answers whose outcome is known by
now. An estimate cannot see that the same case now ends differently. A gap means too few answers or outcomes, or no window at all; never
zero."""


def production(desk: Desk, entry: Entry) -> None:
    """Signals of the newest window, one metric at a time, the estimate's record, known outcomes and latency."""
    st.header("In production", anchor=False)
    rows = desk.soon(window_rows, entry.name)
    if not rows:
        empty(
            "No window was monitored yet.",
            "The monitor flow measures complete windows once a model answers requests. Start it by hand with:",
            f"prefect deployment run monitor/monitor -p use_case={entry.name}",
        )
        return
    newest: WindowView = desk.soon(one_window, entry.name, rows[-1].start, rows[-1].digest)
    for signal in window_signals(newest, entry.spec):
        if signal.name in {"Performance", "Latency"}:
            line(signal)
    names = metrics_of(rows, entry.spec.prediction.task if entry.spec else None)
    if names:
        metric = chosen("metric", names, label="Metric", default=names[0], words=_title)
        _course(course(rows, metric, entry.spec), rows)
        if words := trust(list(newest.findings)):
            st.markdown(f"**How far to trust the estimate:** {plain(words)}")
    answers, latency = st.columns(2)
    with answers:
        _volume(rows)
    with latency:
        _latency(rows, entry)


def _title(metric: str) -> str:
    return titled(Finding(metric=f"performance.{metric}", value=0.0, sample_size=0))


def _course(found: Course, rows: Sequence[WindowRow]) -> None:
    places = found.places
    real, estimated = [_ends(one.real) for one in places], [_ends(one.estimated) for one in places]
    draw(
        real_and_estimated([(one.start, one.end) for one in places], real, estimated, [one.known for one in places], found.limits),
        title=f"{_title(found.metric)}, real and estimated",
        unit=found.unit or "none, a pure number",
        n=found.answers,
        window=span(rows[0].start, rows[-1].end),
        height=380,
        about=ABOUT,
        rows=[
            {
                "start": one.start.isoformat(),
                "end": one.end.isoformat(),
                "version": one.version,
                **dict(zip(("real", "real low", "real high"), of, strict=True)),
                **dict(zip(("estimated", "estimated low", "estimated high"), guess, strict=True)),
                "share of outcomes known": one.known,
            }
            for one, of, guess in zip(places, real, estimated, strict=True)
        ],
    )
    share = f"{found.outcomes / found.answers:.0%}" if found.answers else "none"
    st.caption(
        f"Outcomes known for {found.outcomes:,} of {found.answers:,} answers ({share}); the real value is known for {found.measured} of "
        f"{len(rows)} windows."
    )


def _ends(point: Point | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if point is None else (point.value, point.low, point.high)


def _volume(rows: Sequence[WindowRow]) -> None:
    figure = over_time(
        [row.start for row in rows], {"answered": [row.rows for row in rows], "outcome known": [row.labelled for row in rows]}
    )
    figure.update_yaxes(rangemode="tozero")
    draw(
        figure,
        title="Answers and known outcomes",
        unit="requests per window",
        n=sum(row.rows for row in rows),
        height=220,
        about="Where the second line lies far below the first, performance is not known yet.",
    )


def _latency(rows: Sequence[WindowRow], entry: Entry) -> None:
    own = [row for row in rows if "latency.p99_ms" in row.metrics]
    if own:
        draw(
            over_time(
                [row.start for row in own],
                {"p99": [row.metrics["latency.p99_ms"].value for row in own]},
                limit=entry.spec.monitoring.latency_p99_ms_max if entry.spec else None,
            ),
            title="Slowest 1 % of answers",
            unit="ms",
            n=sum(row.metrics["latency.p99_ms"].n for row in own),
            height=220,
            legend=False,
            about="99th percentile of the time the server took for one request. Dashed: the limit of the use-case file.",
        )
