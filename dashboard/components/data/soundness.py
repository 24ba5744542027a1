"""Quality and leakage of the rows behind the newest evidence, and how many requests come in."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import bars, over_time
from dashboard.components.signal import line, panel
from dashboard.components.words import plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.proof import proof, proofs
from interlock.control.readmodel.soundness import soundness
from interlock.control.readmodel.windows import series, window_signals, windows
from interlock.rules.findings import State

SHOWN = 20


def sound_rows(desk: Desk, entry: Entry) -> None:
    """What did not pass first, then what passed, columns named, and missing values; nothing before the first validation."""
    known = desk.soon(proofs, entry.name)
    newest = desk.sealed(proof, known[0][0]) if known else None
    if newest is None:
        return
    found = soundness(newest)
    if not (found.attention or found.clear):
        return
    st.header(f"Quality of the rows behind version {newest.version}", anchor=False)
    panel(list(found.attention))
    for said in found.named:
        st.markdown(f"- {plain(said)}")
    if found.clear:
        with st.expander(f"{len(found.clear)} checks passed"):
            panel(list(found.clear))
    names = list(found.missing)[:SHOWN]
    if names:
        draw(
            bars(names, {"missing": [found.missing[name] for name in names]}, hover="%{y}: %{x:.2%}", shares=True),
            title="Missing values",
            unit="share of rows",
            n=found.rows,
            height=80 + 24 * len(names),
            legend=False,
            about="Columns with at least one missing value, of the snapshot this version was made from. Whether that changed since the "
            "snapshot before is a check of its own above.",
        )


def requests(desk: Desk, entry: Entry) -> None:
    """Predictions per window, with the limit below which a window cannot be judged; nothing before the first window."""
    views = desk.soon(windows, entry.name)
    points = series(views, "volume.").get("volume.predictions", [])
    if not points:
        return
    st.header("Requests", anchor=False)
    for signal in window_signals(views[-1], entry.spec):
        if signal.name == "Traffic":
            line(signal)
    figure = over_time(
        [point.start for point in points],
        {"predictions": [point.finding.value if point.finding.state is State.OK else None for point in points]},
        limit=entry.spec.monitoring.rows_min if entry.spec else None,
    )
    figure.update_yaxes(rangemode="tozero")
    draw(
        figure,
        title="Predictions per window",
        unit="requests",
        n=sum(point.finding.sample_size for point in points),
        window=span(points[0].start, points[-1].end),
        height=220,
        legend=False,
        about="Captured requests of the live version. Dashed: fewer than this and a window says unknown.",
    )
