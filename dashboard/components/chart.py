"""A chart with everything a reader needs: title, unit, n, window, and an explanation a tap away."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.frame import note
from dashboard.components.words import plain
from dashboard.theme import styled

CONFIG = {"displaylogo": False, "modeBarButtons": [["toImage"]], "responsive": True}


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
) -> None:
    """Draw the figure under its title; the facts that make it readable stand between the two."""
    with st.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{plain(title)}**", width="content")
            note(about, label="About")
        facts = [f"unit: {unit}" if unit else "", f"n = {n:,}" if n is not None else "", window]
        if any(facts):
            st.caption(plain(" · ".join(filter(None, facts))))
    st.plotly_chart(styled(figure, height=height, legend=legend), config=CONFIG, theme=None, key=key or title, alt=title)
