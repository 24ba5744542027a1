"""Drift within segments, and Evidently's full report on demand."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.embed import BYTES_MAX, attachments, sandboxed
from dashboard.components.plots import bars
from dashboard.components.words import moment, number, plain, size, span
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.drifting import how_cut, segments
from interlock.control.readmodel.proof import proof, proofs
from interlock.control.readmodel.series import WindowRow
from interlock.control.readmodel.window_reports import WindowReport, reported
from interlock.control.readmodel.windows import WindowView


def parts(view: WindowView, entry: Entry) -> None:
    """How rows were cut, and the share of columns that moved in each part."""
    st.caption(plain(how_cut(view, entry.spec)))
    found = segments(view)
    if not found:
        st.markdown("No segment was compared in this window.")
        return
    known = [one for one in found if one.share is not None]
    if known:
        draw(
            bars([one.name for one in known], {"share": [one.share for one in known]}, hover="%{y}: %{x:.0%}"),
            title="Share of columns that moved, by segment",
            unit="share of columns, 0 to 1",
            n=sum(one.sample_size for one in known),
            window=span(view.start, view.end),
            height=80 + 28 * len(known),
            legend=False,
            about="Each segment is compared with the same part of the training rows. A segment can move while the whole looks calm. "
            "A row can be in several segments, so the rows add up to more than the window holds.",
        )
    st.table(
        [
            {
                "segment": plain(one.name),
                "moved": number(one.share) if one.share is not None else "not judged",
                "columns that moved": plain(", ".join(one.moved) or ("none" if one.share is not None else "–")),
                "n": f"{one.sample_size:,}",
                "note": plain(one.note),
            }
            for one in found
        ],
        border="horizontal",
        hide_index=True,
    )


def evidently(desk: Desk, entry: Entry, rows: list[WindowRow]) -> None:
    """The reports that `monitor` left beside windows, then the one attached to the newest evidence."""
    st.caption("Evidently's own measures on a seeded sample. It informs and decides nothing: the limits read our own profiles.")
    found = reported(desk.settings, entry.name, rows)
    if not found:
        setting = entry.spec.monitoring.evidently if entry.spec else "unknown"
        st.markdown(
            f"No window has a report. `[monitoring] evidently` is `{plain(setting)}`: "
            "it is made for one window of a run at most, the newest that breached or the newest judged."
        )
    else:
        chosen = st.selectbox(
            "Report about the window from", range(len(found)), format_func=lambda n: moment(found[n].start), key=f"evidently {entry.name}"
        )
        _window(found[chosen], entry)
    known = desk.soon(proofs, entry.name)
    newest = desk.sealed(proof, known[0][0]) if known else None
    if newest is None:
        return
    files = {name: digest for name, digest in newest.evidence.attachments.items() if name == "evidently-drift.html"}
    if files:
        st.markdown(f"**Attached to the evidence of version {newest.version}**")
        for one in newest.by_metric("report.evidently"):
            st.caption(plain(f"{one.note} n = {one.sample_size:,}"))
        attachments(desk.settings, newest.digest, files)


def _window(report: WindowReport, entry: Entry) -> None:
    st.caption(plain(report.sentence))
    if report.html is None:
        return
    bytes_there = report.html.stat().st_size
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download",
            report.html.read_bytes,
            file_name=f"evidently-{entry.name}-{report.start:%Y%m%d}.html",
            mime="application/octet-stream",
            on_click="ignore",
            key=f"download window {report.html.parent.name}",
        )
        st.caption(size(bytes_there))
        look = bytes_there <= BYTES_MAX and st.toggle("Show here", key=f"show window {report.html.parent.name}")
    if look:
        st.caption("Shown in a frame without network and without access to this app.")
        text = report.html.read_text(encoding="utf-8", errors="replace")
        st.iframe(sandboxed(text), height=700, alt="Evidently's report about the window")
