"""One visual language: four signal states with shape, colour and word each, one Plotly template for light and dark.

Colours start from Okabe and Ito's palette (2008), which people with any common colour blindness can tell apart; shape and word carry the
state without colour. `.streamlit/config.toml` holds the same colours for text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from interlock.control.readmodel.signals import SignalState


@dataclass(frozen=True)
class Look:
    """How one state looks everywhere. `colour` is the name of a Streamlit colour."""

    shape: str
    word: str
    colour: str


LOOKS = {
    SignalState.PASS: Look("●", "pass", "green"),
    SignalState.WARN: Look("▲", "warn", "orange"),
    SignalState.FAIL: Look("■", "fail", "red"),
    SignalState.UNKNOWN: Look("◇", "unknown", "gray"),
}


@dataclass(frozen=True)
class Palette:
    """Colours of charts in one mode."""

    text: str
    quiet: str
    grid: str
    background: str
    accent: str
    second: str
    third: str
    states: dict[SignalState, str]
    ramp: tuple[str, ...]


LIGHT = Palette(
    text="#1c2733",
    quiet="#5a6673",
    grid="#e3e8ed",
    background="#ffffff",
    accent="#0072b2",
    second="#d55e00",
    third="#009e73",
    states={SignalState.PASS: "#009e73", SignalState.WARN: "#e69f00", SignalState.FAIL: "#d55e00", SignalState.UNKNOWN: "#8b96a2"},
    ramp=("#f1f5f8", "#cfe0ec", "#f6d9a0", "#e69f00", "#d55e00", "#8a2f00"),
)
DARK = Palette(
    text="#e6ebf0",
    quiet="#a3afbb",
    grid="#2b3641",
    background="#12181f",
    accent="#56b4e9",
    second="#f0803c",
    third="#2fbf96",
    states={SignalState.PASS: "#2fbf96", SignalState.WARN: "#e6a93a", SignalState.FAIL: "#f0803c", SignalState.UNKNOWN: "#7b8894"},
    ramp=("#1d2731", "#27455c", "#6a5320", "#b98324", "#e0702c", "#ffb38a"),
)


def palette() -> Palette:
    """Colours of the viewer's mode."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def styled(figure: Any, *, height: int = 320, legend: bool = True) -> Any:
    """The figure in the one template: quiet grid, no frame, legend above, room for nothing else."""
    colours = palette()
    axis = {
        "gridcolor": colours.grid,
        "zerolinecolor": colours.grid,
        "linecolor": colours.grid,
        "tickfont": {"color": colours.quiet},
        "title": {"font": {"color": colours.quiet, "size": 12}},
        "automargin": True,
        "fixedrange": True,
    }
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 8, "t": 34 if legend else 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": colours.text, "size": 12, "family": '"Source Sans", sans-serif'},
        colorway=[colours.accent, colours.second, colours.third, colours.states[SignalState.WARN], colours.quiet],
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
        hoverlabel={"bgcolor": colours.background, "font": {"color": colours.text}, "bordercolor": colours.grid},
        dragmode=False,
    )
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure
