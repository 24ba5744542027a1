"""One column in one window: what its PSI means here, three distributions, when it began, segments."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.drift_figures import distributions
from dashboard.components.plots import over_time
from dashboard.components.words import moment, number, plain, span
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.drift_meaning import History, history_of, meaning, parts_of
from interlock.control.readmodel.drifting import Ranked
from interlock.control.readmodel.series import WindowRow
from interlock.control.readmodel.windows import WindowView, shape
from interlock.rules.findings import Finding

ABOUT = """Grey: the rows the model learned from. Hatched: the window before. Filled: this window. The groups were fixed when the model was
made, those of numbers each holding about a tenth of the training rows, so bars of one height mean that nothing moved. Grey and hatched
apart, hatched and filled alike: it moved some time ago. Grey and hatched alike, filled apart: it has just begun."""
LIMIT = 0.25


def one_column(
    rows: Sequence[WindowRow],
    row: WindowRow,
    column: str,
    entry: Entry,
    views: tuple[WindowView, WindowView | None],
    ranked: Ranked | None,
    loss: str,
) -> None:
    """The column's own page; `views`: the chosen window and the one before it (None: no earlier one of this version)."""
    view, before = views
    found = _psi(view, column)
    if found is None:
        st.markdown(f"**{plain(column)}** was not measured in the chosen window.")
    else:
        limit = entry.spec.monitoring.drift_psi_max if entry.spec else LIMIT
        first, *rest = meaning(found, limit, shape(found), view, ranked, loss)
        st.markdown(f"**{plain(column)}: {plain(first)}** {plain(' '.join(rest))}")
        _distributions(column, found, view, before)
        _history(rows, row, column, limit)
    _segments(view, column)


def _psi(view: WindowView, column: str) -> Finding | None:
    return next((one for one in view.by_metric("drift.psi") if one.segment == f"column={column}"), None)


def _distributions(column: str, found: Finding, view: WindowView, before: WindowView | None) -> None:
    now = shape(found)
    if now is None:
        st.markdown("This measurement carries no distributions.")
        return
    earlier = _psi(before, column) if before is not None else None
    then = shape(earlier) if earlier is not None else None
    sides = {f"when trained (n = {now.rows_baseline:,})": now.baseline}
    if then is not None and then.labels == now.labels:
        sides[f"window before (n = {then.rows_current:,})"] = then.current
    draw(
        distributions(now.labels, sides | {f"this window (n = {now.rows_current:,})": now.current}),
        title=f"Distribution of {column}",
        unit="share of rows",
        n=now.rows_current,
        window=span(view.start, view.end),
        height=300,
        about=ABOUT,
    )
    if len(sides) == 1:
        st.caption("No earlier window of this version was measured in the same groups, so that there is no window before to show.")


def _history(rows: Sequence[WindowRow], row: WindowRow, column: str, limit: float) -> None:
    found = history_of(rows, column, row, limit)
    own = [one for one in rows if one.digest == row.digest and column in one.columns]
    figure = over_time([one.start for one in own], {column: [one.columns[column].value for one in own]}, limit=limit)
    figure.update_yaxes(rangemode="tozero")
    figure.add_vline(x=row.start, line_width=6, opacity=0.15)
    draw(
        figure,
        title=f"PSI of {column} over time, version {row.version}",
        unit="PSI",
        n=sum(one.columns[column].n for one in own),
        window=span(own[0].start, own[-1].end),
        height=200,
        legend=False,
        about="One point per window of this version; dashed: the limit of the use-case file; the bar marks the chosen window. A gap was "
        "not measured; it is not zero.",
    )
    st.markdown(plain(_told(found, limit)))


def _told(found: History, limit: float) -> str:
    if found.first is None:
        said = [f"In none of {found.measured} windows was it over {limit:g}."]
    else:
        said = [f"First over {limit:g} in the window from {moment(found.first.start)}."]
        said.append(f"Over it in {found.beyond} of {found.measured} windows.")
    if found.since is not None:
        said.append(f"It has been over it without a break since {moment(found.since.start)}.")
    if found.after is not None and found.before is not None:
        said.append(f"Largest jump from one window to the next: up {number(found.rise)} in the window from {moment(found.after.start)}.")
    elif found.measured < 3:
        said.append("Fewer than three windows: too few to say where it jumped.")
    return " ".join(said)


def _segments(view: WindowView, column: str) -> None:
    parts = parts_of(view, column)
    if not parts:
        st.caption("No segment was compared in this window: `[monitoring] segments` in the use-case file names columns to split by.")
        return
    st.markdown(f"**{plain(column)} within segments**")
    st.table(
        [
            {
                "segment": plain(one.segment),
                "PSI": number(one.psi) if one.psi is not None else "not judged",
                "n": f"{one.n:,}",
                "note": plain(one.note),
            }
            for one in parts
        ],
        border="horizontal",
        hide_index=True,
    )
