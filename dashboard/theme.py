"""One visual language: four signal states with shape, colour and word each, one Plotly template for light and dark.

Colours start from Okabe and Ito's palette (2008), moved until people with any full colour blindness (simulated after Machado and others,
2009) tell the four states and the series of a chart apart, on light and on dark; a test holds both. Shape and word carry the state without
colour. `.streamlit/config.toml` holds the same colours for text.
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
    fourth: str
    states: dict[SignalState, str]
    ramp: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """Colours of lines and bars in the order they are given out; grey is the reference that the others are held against."""
        return (self.accent, self.second, self.third, self.fourth, self.quiet)


LIGHT = Palette(
    text="#1c2733",
    quiet="#5a6673",
    grid="#e3e8ed",
    background="#ffffff",
    accent="#0072b2",
    second="#d95f02",
    third="#0d5c48",
    fourth="#b9839a",
    states={SignalState.PASS: "#0a9b7c", SignalState.WARN: "#b87000", SignalState.FAIL: "#9c2a10", SignalState.UNKNOWN: "#6b7785"},
    ramp=("#f1f5f8", "#cfe0ec", "#f2cf8b", "#e08a1e", "#b84a08", "#6e2200"),
)
DARK = Palette(
    text="#e6ebf0",
    quiet="#c2cbd3",
    grid="#2b3641",
    background="#12181f",
    accent="#4ba3dd",
    second="#f5893c",
    third="#128a61",
    fourth="#d4558c",
    states={SignalState.PASS: "#5fd6b4", SignalState.WARN: "#f2c14e", SignalState.FAIL: "#e05a33", SignalState.UNKNOWN: "#6b7b88"},
    ramp=("#1d2731", "#27455c", "#6a5320", "#b98324", "#f09a5c", "#ffd9bf"),
)


def palette() -> Palette:
    """Colours of the viewer's mode."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def styled(figure: Any, *, height: int = 320, legend: bool = True) -> Any:
    """The figure in the one template: quiet grid, no frame, legend above, room for nothing else."""
    figure.update_layout(template=template(palette()), height=height, showlegend=legend, margin_t=34 if legend else 8)
    return figure


def template(colours: Palette) -> Any:
    """The one Plotly template. The ground is the page's own colour, so that a saved picture can be read anywhere."""
    from plotly.graph_objects import Layout
    from plotly.graph_objs.layout import Template

    axis = {
        "gridcolor": colours.grid,
        "zerolinecolor": colours.grid,
        "linecolor": colours.grid,
        "tickcolor": colours.grid,
        "tickfont": {"color": colours.quiet},
        "title": {"font": {"color": colours.quiet, "size": 12}},
        "automargin": True,
        "fixedrange": True,
    }
    look = Layout(
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        paper_bgcolor=colours.background,
        plot_bgcolor=colours.background,
        font={"color": colours.text, "size": 12, "family": '"Source Sans", sans-serif'},
        colorway=colours.series,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)", "font": {"color": colours.text}},
        hoverlabel={"bgcolor": colours.background, "font": {"color": colours.text}, "bordercolor": colours.quiet, "align": "left"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": colours.quiet, "activecolor": colours.accent},
        xaxis=axis,
        yaxis=axis,
        dragmode=False,
    )
    return Template(layout=look)
