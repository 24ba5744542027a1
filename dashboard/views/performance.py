"""Performance: real and estimated over windows; figures, calibration, any threshold, money, weak spots and past of the evidence."""

from __future__ import annotations

import streamlit as st

from dashboard.components.address import chosen as chosen_part
from dashboard.components.chart import draw
from dashboard.components.evidence import pick_evidence
from dashboard.components.frame import use_case_page
from dashboard.components.measured import table_of
from dashboard.components.performance.abstained import abstained
from dashboard.components.performance.at_threshold import at_threshold
from dashboard.components.performance.by_outcome import classes, errors
from dashboard.components.performance.past import past
from dashboard.components.performance.production import production
from dashboard.components.performance.weakness import weakness
from dashboard.components.performance.worth import worth
from dashboard.components.plots import curve
from dashboard.components.points import with_bars
from dashboard.desk import Desk
from interlock.control.readmodel.compare import metrics
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.figures import Curve, curves
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.series import window_rows

ABOUT = """**In production**: the metric on requests whose true outcome is known by now; outcomes come late, so the newest windows often
rest on few, and an estimate stands beside them. **In the evidence**: the metric on held-out rows that the version never saw in training,
with 95 % intervals."""
FIGURES, CALIBRATION, MONEY, WEAK, PAST = "Figures", "Calibration", "Money", "Where it is weak", "Past and estimates"
BY_TASK = {"binary": "At a threshold", "multiclass": "Classes", "regression": "Errors"}


@use_case_page("Performance", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Production first, then the evidence of one version."""
    production(desk, entry)
    abstained(desk.soon(window_rows, entry.name), entry)
    chosen = pick_evidence(desk, entry.name)
    if chosen is not None:
        _evidence(desk, chosen, _task(chosen))


def _evidence(desk: Desk, chosen: Proof, task: str) -> None:
    part = chosen_part("part", [FIGURES, BY_TASK[task], CALIBRATION, MONEY, WEAK, PAST], label="Show", default=FIGURES, kind="segments")
    drawn = curves(chosen)
    if part == FIGURES:
        table_of(metrics(chosen))
        _side_by_side([one for one in drawn if not one.about_scores])
        if not drawn:
            st.markdown("This evidence holds no curves.")
    elif part == CALIBRATION:
        _calibration(chosen, [one for one in drawn if one.about_scores])
    elif part == MONEY:
        if not worth(chosen):
            st.markdown("No value of decisions is known: add a `[value]` section to the use-case file, with what each outcome is worth.")
    elif part == WEAK:
        weakness(chosen)
    elif part == PAST:
        past(chosen)
    else:
        {"binary": lambda: at_threshold(desk, chosen), "multiclass": lambda: classes(chosen), "regression": lambda: errors(chosen)}[task]()


def _task(chosen: Proof) -> str:
    """The kind of task that the evidence is about, whatever the file says by now."""
    figures = chosen.evidence.figures.get("performance") or {}
    if "errors" in figures or chosen.by_metric("performance.rmse"):
        return "regression"
    return "multiclass" if chosen.by_metric("performance.class_") or isinstance(figures.get("confusion"), list) else "binary"


def _calibration(chosen: Proof, drawn: list[Curve]) -> None:
    found = chosen.by_metric("calibration.")
    if not found and not drawn:
        st.markdown("This evidence holds no calibration: it is measured for models that answer with probabilities.")
        return
    _side_by_side(drawn)
    table_of(found)
    if any(finding.metric == "calibration.reliability" for finding in found):
        st.caption(
            "Brier score = reliability (how wrong the probabilities are, small is good) − resolution (how well they tell cases apart, "
            "large is good) + uncertainty (how uncertain the matter is by itself)."
        )


def _side_by_side(drawn: list[Curve]) -> None:
    places = st.columns(2) if len(drawn) > 1 else [st.container()]
    for n, one in enumerate(drawn):
        figure = curve(one.x, one.y, x_title=one.x_title, y_title=one.y_title, diagonal=one.diagonal, name=one.name, others=one.others)
        with places[n % len(places)]:
            draw(
                with_bars(figure, one.x, one.y, one.low, one.high) if one.low else figure,
                title=one.title,
                unit=one.unit,
                n=one.sample_size,
                about=one.about,
                height=300,
                legend=bool(one.others),
            )


show()
