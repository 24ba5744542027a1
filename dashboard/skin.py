"""What the whole control room wears: name and mark, the constant style sheet. No value from data or people enters either."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.theme import palette

HERE = Path(__file__).parent
MARK, SHEET = HERE / "mark.svg", HERE / "skin.css"
NAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 148 32" width="148" height="32">{mark}<text x="42" y="23" font-size="20"
font-family="Source Sans, Helvetica Neue, Arial, sans-serif"
font-weight="600" letter-spacing="0.2" fill="{colour}">Interlock</text></svg>"""


def wear() -> None:
    """Draw name and mark over the navigation, and put on the style sheet."""
    drawn = MARK.read_text(encoding="utf-8")
    inner = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]
    st.logo(NAME.format(mark=inner, colour=palette().text).replace("\n", " "), icon_image=str(MARK), size="large")
    st.html(SHEET)


def tab_title(page: str, use_case: str = "") -> str:
    """`Drift · Flight delays · Interlock`: what the browser's tab and its history say."""
    return " · ".join(filter(None, (page, use_case, "Interlock")))
