"""What decisions are worth in money, by threshold, and whether using the model is worth it at all."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.measured import table_of
from dashboard.components.plots import curve
from dashboard.components.points import value_by_threshold
from dashboard.components.words import number, plain
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.worth import Worth, money_findings, net_benefit_of, worth_of

ABOUT = """What 1,000 cases bring if everyone with a score at or above the threshold is answered yes, by the amounts of the use-case file.
Diamond: the threshold now. Star: the one worth most on one half of the rows; what it gains is measured on the other half, so the choice
cannot flatter itself. It is a proposal: `[prediction] threshold` changes when a person changes it."""
NET = """For somebody who is indifferent between yes and no at this probability: true positives minus the false alarms they would
accept for each, per case. Using the model is worth it where its line lies above both zero (always no) and 'always yes'
(Vickers and Elkin 2006). It needs no amounts."""


def worth(chosen: Proof) -> bool:
    """Table, value curve and decision curve; False where the evidence holds no money."""
    found, drawn, net = money_findings(chosen), worth_of(chosen), net_benefit_of(chosen)
    if not found and drawn is None:
        return False
    table_of(found)
    for finding in found:
        if finding.metric == "performance.value_per_1000" and finding.note:
            st.caption(plain(finding.note))
    if drawn is not None:
        _curve(drawn)
    if net is not None:
        others = {"always yes": net.always_yes} | ({"champion": net.champion} if net.champion else {})
        figure = curve(net.threshold, net.model, x_title="threshold probability", y_title="net benefit", others=others)
        figure.update_yaxes(range=[min(0.0, *net.model) - 0.02, max(*net.model, *net.always_yes) + 0.02], rangemode="normal")
        draw(figure, title="Is using it worth it?", unit="net benefit per case", n=net.sample_size, height=280, about=NET)
    return True


def _curve(drawn: Worth) -> None:
    marks = {"now": drawn.present} | ({"proposed": drawn.proposed} if drawn.proposed is not None else {})
    draw(
        value_by_threshold(drawn.threshold, drawn.value, drawn.champion, marks, drawn.currency),
        title="What 1,000 decisions are worth",
        unit=f"{drawn.currency} per 1,000 cases",
        n=drawn.sample_size,
        about=ABOUT,
    )
    st.caption(
        plain(
            f"Without a model: always yes {number(drawn.always_yes, drawn.currency)}, always no {number(drawn.always_no, drawn.currency)} "
            "per 1,000 cases."
        )
    )
