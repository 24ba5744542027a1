"""Every distance of every column in one window, against the training rows and against the window before."""

from __future__ import annotations

import streamlit as st

from dashboard.components.frame import note
from dashboard.components.words import plain, span
from interlock.control.readmodel.drifting import MEASURES, distances, why_no_previous
from interlock.control.readmodel.windows import WindowView

FORMATS = {"missing_change": "percent", "unseen": "percent", "p_value": "%.2g"}
ABOUT = """All compare how the rows spread over the same groups. **PSI** and **JS** (Jensen-Shannon distance): 0 is equal, PSI above 0.25
counts as moved. **TV** (total variation): share of rows that would have to change group. **KS**: largest gap between the two
"share of rows up to x" curves. **Wasserstein**: how far values moved, in standard deviations of the training rows. **p** (chi-
square): chance of so large a difference if nothing had changed; with many rows everything is small, so it informs and decides
nothing. **Missing**, **unseen**: change of the share of missing values, and of values that training did not list. A dash
was not measured, or means nothing for this kind of column."""


def every_distance(view: WindowView, columns: list[str]) -> None:
    """One table, two rows per column; the last column says why a figure is not there, or which values are new."""
    rows = distances(view, columns)
    short = any(row.needed for row in rows)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Every distance**", width="content")
        note(ABOUT, label="About")
    st.caption(plain(f"n = {view.rows:,} rows · {span(view.start, view.end)}"))
    st.dataframe(
        [
            {
                "column": row.column,
                "against": row.against,
                **{title: row.values[name] for name, title in MEASURES.items()},
                "n": row.sample_size,
                **({"needed": row.needed} if short else {}),
                "note": row.note,
            }
            for row in rows
        ],
        hide_index=True,
        placeholder="–",
        column_config={title: st.column_config.NumberColumn(format=FORMATS.get(name, "%.3f")) for name, title in MEASURES.items()}
        | {"n": st.column_config.NumberColumn(format="localized"), "column": st.column_config.Column(pinned=True)},
    )
    if why := why_no_previous(view):
        st.caption(plain(f"Against the window before: {why}"))
