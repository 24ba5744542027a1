"""A chart with everything a reader needs: title, unit, n, window, an explanation a tap away, its values and its picture to take along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, tzinfo
from typing import Any

import streamlit as st

from dashboard.components.frame import CHOSEN, note
from dashboard.components.takeaway import csv_later, file_name
from dashboard.components.words import plain
from dashboard.components.zone import viewer
from dashboard.theme import styled

PICTURE_SCALE = 2  # pixels per pixel of the screen: sharp on paper


def draw(
    figure: Any,
    *,
    title: str,
    about: str,
    unit: str = "",
    n: int | None = None,
    window: str = "",
    height: int = 320,
    legend: bool = True,
    key: str = "",
    rows: Sequence[Mapping[str, object]] | None = None,
    picked: Callable[[], None] | None = None,
) -> None:
    """Draw the figure under its title; the facts that make it readable stand between the two.

    `rows`: what the CSV file holds, one mapping per line; without it, the values of the figure's own traces. `picked`: called when a
    point was clicked; the selection stands in the session under `key` (or `title`).
    """
    name = file_name(title, str(st.session_state.get(CHOSEN, "")), window)
    with st.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(f"**{plain(title)}**")
            note(about, label="About")
            st.download_button(
                "CSV",
                csv_later(figure, rows),
                f"{name}.csv",
                "text/csv",
                key=f"csv {key or title}",
                on_click="ignore",
                type="tertiary",
                help="The values of this chart as a table.",
            )
        _facts(unit, n, window)
    drawn = styled(in_viewers_zone(figure), height=height, legend=legend)
    st.plotly_chart(
        drawn, config=_config(name), theme=None, key=key or title, alt=title, on_select=picked or "ignore", selection_mode="points"
    )


def _facts(unit: str, n: int | None, window: str) -> None:
    facts = [f"unit: {unit}" if unit else "", f"n = {n:,}" if n is not None else "", window]
    if any(facts):
        st.caption(plain(" · ".join(filter(None, facts))))


def in_viewers_zone(figure: Any) -> Any:
    """The figure with the times of its points and lines as the viewer's clock shows them; the figure given keeps UTC.

    Plotly drops the zone of a time, so what it is to draw must already be the viewer's.
    """
    zone = viewer()
    if zone is UTC:
        return figure
    drawn = deepcopy(figure)
    for trace in drawn.data:
        if "x" in trace and any(isinstance(one, datetime) for one in (trace.x if trace.x is not None else ())):
            trace.x = [_there(one, zone) for one in trace.x]
    for shape in drawn.layout.shapes:
        shape.x0, shape.x1 = _there(shape.x0, zone), _there(shape.x1, zone)
    return drawn


def _there(at: Any, zone: tzinfo) -> Any:
    return at.astimezone(zone).replace(tzinfo=None) if isinstance(at, datetime) and at.tzinfo else at


def _config(name: str) -> dict[str, Any]:
    """Plotly's bar with the one button that makes a picture; it is a real button, so the keyboard reaches it."""
    picture = {"format": "png", "filename": name, "scale": PICTURE_SCALE}
    return {"displaylogo": False, "modeBarButtons": [["toImage"]], "responsive": True, "toImageButtonOptions": picture}
