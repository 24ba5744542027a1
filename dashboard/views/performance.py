"""Performance: the real metric over windows, and ROC, calibration and threshold curves from the evidence."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.evidence import pick_evidence
from dashboard.components.frame import use_case_page
from dashboard.components.plots import curve
from dashboard.components.production import production
from dashboard.components.words import interval, number, plain
from dashboard.desk import Desk
from interlock.control.readmodel.compare import titled, why_missing
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.figures import curves
from interlock.control.readmodel.proof import Proof

ABOUT = """**In production**: the metric on requests whose true outcome is known by now; outcomes come late, so the newest windows often
rest on few. **In the evidence**: the metric on held-out rows that the version never saw in training, with 95 % intervals."""


@use_case_page("Performance", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Production first, then the evidence of one version."""
    production(desk, entry)
    chosen = pick_evidence(desk, entry.name)
    if chosen is not None:
        _evidence(chosen)


def _evidence(chosen: Proof) -> None:
    found = chosen.by_metric("performance.") + chosen.by_metric("calibration.")
    if found:
        st.table(
            [
                {
                    "metric": plain(titled(one)),
                    "value": plain(number(one.value, one.unit) if one.value is not None else why_missing(one)),
                    "interval": interval(one.low, one.high),
                    "n": f"{one.sample_size:,}",
                }
                for one in found
            ],
            border="horizontal",
            hide_index=True,
        )
    drawn = curves(chosen)
    if not drawn:
        st.markdown("This evidence holds no curves.")
        return
    places = st.columns(2)
    for n, one in enumerate(drawn):
        with places[n % 2]:
            draw(
                curve(one.x, one.y, x_title=one.x_title, y_title=one.y_title, diagonal=one.diagonal, name=one.name, others=one.others),
                title=one.title,
                unit=one.unit,
                n=one.sample_size,
                about=one.about,
                height=300,
                legend=bool(one.others),
            )


show()
