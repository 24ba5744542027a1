"""Different people, different reasons? And what drives the mistakes."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.chart import draw
from dashboard.components.plots import bars, intervals
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.explanations import Cohort, Mistakes, cohorts, mistakes
from interlock.control.readmodel.proof import Proof

SHOWN = 10


def compare_cohorts(chosen: Proof) -> None:
    """Two groups side by side, and how far every group's order lies from that of all rows."""
    found = cohorts(chosen)
    if not found:
        st.markdown("This evidence compares no groups: the task has several classes, or no sensitive attribute is declared.")
        return
    known = {one.name: one for one in found if one.needed is None}
    if len(known) >= 2:
        names = list(known)
        with st.container(horizontal=True):
            first = address.chosen("group", names, label="Group or segment", default=names[0])
            others = [name for name in names if name != first]
            second = address.chosen("beside", others, label="Beside", default=others[0])
        _pair(known[first], known[second])
    else:
        st.markdown("Fewer than two groups have enough rows to be compared.")
    st.table(
        [
            {
                "group": plain(one.name),
                "n": f"{one.rows:,}",
                "same order as all rows (nDCG)": number(one.ndcg)
                if one.needed is None
                else f"not enough evidence: n = {one.rows:,}, at least {one.needed:,} needed",
                "strongest": plain(", ".join(sorted(one.importance, key=lambda name: -one.importance[name])[:3]) or "–"),
            }
            for one in found
        ],
        border="horizontal",
        hide_index=True,
    )


def _pair(first: Cohort, second: Cohort) -> None:
    names, told = list(first.importance), f"{first.name}: n = {first.rows:,} · {second.name}: n = {second.rows:,}"
    strength = bool(first.mean_abs and second.mean_abs)
    sizes = {one.name: [(one.mean_abs if strength else one.importance).get(name) for name in names] for one in (first, second)}
    means = {one.name: [one.mean.get(name) for name in names] for one in (first, second)}
    left, right = st.columns(2)
    with left:
        draw(
            bars(names, sizes) if strength else bars(names, sizes, "%{y}: %{x:.1%}", shares=True),
            title="What carries the answers of each group",
            unit="mean absolute SHAP value, margin" if strength else "share of the mean absolute SHAP value within the group",
            window=told,
            height=100 + 34 * len(names),
            about="How far each feature moves the answers of a group, whichever way. Bars of different length mean that the two groups are "
            "answered for different reasons. That is a question to ask, not yet unfairness: groups differ in their values too.",
        )
    with right:
        draw(
            bars(names, means, hover="%{y}: %{x:+.3g}"),
            title="Which way it moves them",
            unit="mean SHAP value, margin",
            window=told,
            height=100 + 34 * len(names),
            about="The mean with its sign: right of 0 the feature raises the answers of a group on average, left of it lowers "
            "them. Bars on different sides mean that it speaks for one group and against the other.",
        )


def drivers_of_loss(chosen: Proof) -> None:
    """Features by what they add to the loss; the weakest slices with their intervals."""
    found = mistakes(chosen)
    if found is None:
        st.markdown("This evidence does not say what drives the mistakes.")
        return
    if found.note:
        st.markdown(plain(f"What drives the mistakes was {found.note}."))
    _drivers(found)
    if not found.slices:
        return
    names = [one.name for one in found.slices]
    draw(
        intervals(names, [one.excess for one in found.slices], [one.low for one in found.slices], [one.high for one in found.slices], 0.0),
        title="Slices with the most mistakes",
        unit=f"{found.kind} above that of all other rows",
        n=sum(one.rows for one in found.slices),
        height=80 + 34 * len(names),
        legend=False,
        about="Mean loss inside minus outside, with an interval widened for how many slices were looked at. A slice that is found is a "
        "question where to look for better data, not a verdict.",
    )
    st.table(
        [
            {
                "slice": plain(one.name),
                "n": f"{one.rows:,}",
                "excess": f"{number(one.excess)} ({interval(one.low, one.high)})",
                "part of it from another base rate": number(one.base),
                "driven by": plain(one.drivers or "no feature"),
            }
            for one in found.slices
        ],
        border="horizontal",
        hide_index=True,
    )


def _drivers(found: Mistakes) -> None:
    names = list(found.drivers)[:SHOWN]
    if not names:
        return
    draw(
        bars(names, {"loss": [found.drivers[name] for name in names]}),
        title="What each feature does to the mistakes",
        unit=f"mean part of the {found.kind}" + (f", of {found.mean:.3g} in all" if found.mean is not None else ""),
        height=80 + 26 * len(names),
        legend=False,
        about="Left of 0 a feature makes answers better on average, right of it worse. The loss of every row is shared out among the "
        "features; the parts and that of the average answer add up to it.",
    )
