"""Real and estimated performance of the windows on one axis, and how far to trust the estimate, in words."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.points import real_and_estimated
from dashboard.components.words import plain, span
from interlock.control.readmodel.ahead import Ahead, ahead, trust
from interlock.control.readmodel.compare import titled
from interlock.control.readmodel.windows import WindowView
from interlock.rules.findings import Finding

ABOUT = """Each answer counts as its calibrated probability, so the metric can be **estimated** before any outcome is known; the **real**
one needs outcomes. Where both are there, compare them: that is how good the estimate was; whiskers and band are 95 % intervals. Grey
below: the share of the answers whose outcome is known by now. An estimate cannot see that the same case now ends differently. A gap
means too few answers or outcomes, never zero."""


def real_beside_estimate(views: list[WindowView]) -> bool:
    """Draw the pair; False where the windows hold no estimate, so that the caller draws the real metric alone."""
    found = ahead(views)
    if found is None:
        return False
    title = titled(Finding(metric=found.metric, sample_size=0, value=0.0))
    unit = next((one.unit for one in [*found.real, *found.estimated] if one is not None and one.unit), "pure number")
    draw(
        real_and_estimated(found.starts, _ends(found.real), _ends(found.estimated), found.known),
        title=f"{title}, real and estimated",
        unit=unit,
        n=found.answers,
        window=span(found.starts[0], found.end),
        height=360,
        about=ABOUT,
    )
    _words(views, found)
    return True


def _words(views: list[WindowView], found: Ahead) -> None:
    share = f"{found.outcomes / found.answers:.0%}" if found.answers else "none"
    st.caption(f"Outcomes known for {found.outcomes:,} of {found.answers:,} answers ({share}).")
    if words := trust(list(views[-1].findings)):
        st.markdown(f"**How far to trust the estimate:** {plain(words)}")


def _ends(findings: tuple[Finding | None, ...]) -> list[tuple[float | None, ...]]:
    return [(None, None, None) if one is None else (one.value, one.low, one.high) for one in findings]
