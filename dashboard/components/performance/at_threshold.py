"""Confusion and money at any threshold: a slider over what the evidence prepared, beside the threshold of now."""

from __future__ import annotations

import streamlit as st

from dashboard.components.address import number as number_field
from dashboard.components.chart import draw
from dashboard.components.frame import note
from dashboard.components.plots import curve
from dashboard.components.propose import propose
from dashboard.components.states import empty
from dashboard.components.words import interval, number, plain
from dashboard.desk import Desk
from dashboard.theme import palette
from interlock.control.readmodel.cuts import At, Cuts, Ends, cuts_of
from interlock.control.readmodel.proof import Proof

ABOUT = """Counts of the held-out rows, which the version never saw in training. **Caught**: positive cases answered with yes.
**False alarms**: negative cases answered with yes. **Missed**: positive cases answered with no. Intervals: 95 %, Wilson's for shares;
those of the value hold for each threshold by itself. A threshold picked here because its value is highest looks better than it is:
*Money* measures such a choice on rows that did not choose it."""


def at_threshold(desk: Desk, chosen: Proof) -> None:
    """The slider, both columns of figures, the curves with both thresholds marked, and the proposal."""
    found = cuts_of(chosen)
    if found is None:
        empty(
            "This evidence holds no counts by threshold.",
            "It was sealed before they were kept, or its task has no threshold. Evidence never changes; a new validation holds them:",
            f"prefect deployment run validate/validate -p use_case={chosen.use_case} -p candidate_id={chosen.candidate_id}",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.caption(f"n = {found.present.rows:,} held-out rows · version {chosen.version}")
        note(ABOUT, label="About")
    present = round(found.nearest(found.present.threshold).threshold, 2)
    wished = number_field("threshold", label="Threshold", default=present, low=0.0, high=1.0, step=0.01, kind="slider")
    at = found.present if wished == present else found.nearest(wished)
    _confusion(found, at)
    _figures(found, at)
    _curves(found, at)
    if at is not found.present and 0 < at.threshold < 1:
        propose(desk, chosen.use_case, "prediction", "threshold", at.threshold, why="It counts for versions that are trained after it.")


def _confusion(found: Cuts, at: At) -> None:
    for place, one, name in zip(st.columns(2), (found.present, at), ("Now", "On the slider"), strict=True):
        with place:
            st.markdown(f"**{name}: {one.threshold:g}**")
            st.table(
                [
                    {"outcome": "positive", "answered yes": one.true_positive, "answered no": one.false_negative},
                    {"outcome": "negative", "answered yes": one.false_positive, "answered no": one.true_negative},
                ],
                border="horizontal",
                hide_index=True,
            )


def _figures(found: Cuts, at: At) -> None:
    now = found.present
    rows = [
        ("answered with yes", _percent(now.selected), _percent(at.selected)),
        ("of the yes, right (precision)", _percent(now.precision), _percent(at.precision)),
        ("of the positive, caught (recall)", _percent(now.recall), _percent(at.recall)),
        ("of the negative, alarmed (false positive rate)", _percent(now.false_alarms), _percent(at.false_alarms)),
    ]
    if found.currency:
        rows.append((f"value of 1,000 cases, {found.currency}", _money(now), _money(at)))
    st.table(
        [{"what": plain(name), f"now, {now.threshold:g}": before, f"slider, {at.threshold:g}": after} for name, before, after in rows],
        border="horizontal",
        hide_index=True,
    )
    if not found.currency:
        st.caption("No value of decisions is known: a `[value]` section in the use-case file says what each outcome is worth.")


def _curves(found: Cuts, at: At) -> None:
    cuts = [one.threshold for one in found.at]
    valued = bool(found.currency) and all(one.value is not None for one in found.at)
    if valued:
        figure = curve(cuts, [one.value for one in found.at], x_title="threshold", y_title=found.currency, name="value")
        figure.update_yaxes(rangemode="normal")
    else:
        others = {"recall": [one.recall[0] for one in found.at], "answered yes": [one.selected[0] for one in found.at]}
        figure = curve(cuts, [one.precision[0] for one in found.at], x_title="threshold", y_title="share", name="precision", others=others)
    colours = palette()
    for one, colour, dash in ((found.present, colours.quiet, "dash"), (at, colours.second, "solid")):
        figure.add_vline(x=one.threshold, line_color=colour, line_dash=dash, line_width=1.5)
    draw(
        figure,
        title="Value by threshold" if valued else "Shares by threshold",
        unit=f"{found.currency} per 1,000 cases" if valued else "0 to 1",
        n=found.present.rows,
        height=280,
        legend=not valued,
        about="Dashed: the threshold of now. Solid: the one on the slider.",
        rows=[
            {
                "threshold": one.threshold,
                "true_positive": one.true_positive,
                "false_positive": one.false_positive,
                "false_negative": one.false_negative,
                "true_negative": one.true_negative,
                "value": one.value,
                "low": one.low,
                "high": one.high,
            }
            for one in found.at
        ],
    )


def _percent(ends: Ends) -> str:
    value, low, high = ends
    if value is None or low is None or high is None:
        return "nobody to count"
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _money(one: At) -> str:
    if one.value is None:
        return "not valued"
    ends = interval(one.low, one.high)
    return f"{number(one.value)} ({ends})" if ends else number(one.value)
