"""A signal on the screen: shape, colour and word, always all three."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from dashboard.components.words import plain
from dashboard.theme import LOOKS
from interlock.control.readmodel.signals import Signal, SignalState


def mark(state: SignalState, label: str = "") -> str:
    """Markdown of a badge: shape and word, with a label before the word if given."""
    look = LOOKS[state]
    text = f"{plain(label)} {look.word}" if label else look.word
    return f":{look.colour}-badge[{look.shape} {text}]"


def badges(signals: Iterable[Signal]) -> None:
    """All signals in one row that wraps; the sentence of each shows on hover and below on the pages that explain it."""
    with st.container(horizontal=True, gap="small"):
        for signal in signals:
            look = LOOKS[signal.state]
            st.badge(f"{look.shape} {signal.name} {look.word}", color=look.colour, help=plain(signal.sentence))


def line(signal: Signal) -> None:
    """One signal with its sentence."""
    st.markdown(f"{mark(signal.state)} **{plain(signal.name)}**: {plain(signal.sentence)}")


def panel(signals: list[Signal]) -> None:
    """Signals under each other, close together: state, name, sentence."""
    with st.container(gap=None):
        for signal in signals:
            line(signal)


def legend() -> None:
    """The four states, for whoever sees them for the first time."""
    words = {
        SignalState.PASS: "measured and within its limit",
        SignalState.WARN: "look at it; it stops nothing",
        SignalState.FAIL: "measured and beyond its limit",
        SignalState.UNKNOWN: "not measured, too few rows, too old, or failed",
    }
    for state, meaning in words.items():
        st.markdown(f"{mark(state)} {meaning}")
