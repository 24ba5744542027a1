"""Pairs of features that act together, and the shape of one feature's effect."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import bars
from dashboard.components.plots_explain import dependence, grid_of_answers
from dashboard.components.words import number, plain
from interlock.control.readmodel.explanations import Answers, Dependence, Pairs, answers, dependences, pairs
from interlock.control.readmodel.proof import Proof

DEPENDENCE = """Each dot is one held-out case: right is its value, up is what the value added to the answer (below 0: took away). Colour is
the place of the other feature's value from low (blue) to high (orange), the one it acts with most. Dots at one value that spread, and
spread by colour, are an interaction."""
ANSWERS = """What the model would say if this feature had each of these values and everything else stayed: the mean over a sample (line
with dots), and single rows (thin lines). Lines that cross act with something else. Hollow dots: fewer than 0.5 % of the rows
are near, so the model was asked about rows that hardly occur; do not read them. Where features depend on each other, other
points can be such rows too."""


def together_pairs(chosen: Proof) -> None:
    """The strongest pairs."""
    found: Pairs | None = pairs(chosen)
    if found is None:
        return
    if not found.pairs:
        st.markdown(plain(f"No two features act together: their effects add up. n = {found.rows:,} of {found.rows_total:,} rows."))
        return
    draw(
        bars([one.names for one in found.pairs], {"share": [one.share for one in found.pairs]}, hover="%{y}: %{x:.1%}"),
        title="Features that act together",
        unit="share of all effect, 0 to 1",
        n=found.rows,
        height=90 + 26 * len(found.pairs),
        legend=False,
        about=f"{found.share:.1%} of all effect comes from pairs; with 0 the effects would simply add up. XGBoost's Shapley "
        f"interaction values on {found.rows:,} of {found.rows_total:,} rows: a bounded sample, because they are costly.",
    )


def one_feature(chosen: Proof) -> None:
    """Dependence and partial dependence of the feature that the viewer picks."""
    shapes, grids = dependences(chosen), answers(chosen)
    names = list(dict.fromkeys([*shapes, *grids]))
    if not names:
        return
    name = st.selectbox("Feature", names, key=f"feature {chosen.digest}", help="The strongest feature stands first.")
    left, right = st.columns(2)
    with left:
        if name in shapes:
            _shape(shapes[name], name)
    with right:
        if name in grids:
            _grid(grids[name], name)


def _shape(found: Dependence, name: str) -> None:
    draw(
        dependence(found, name),
        title=f"What {name} adds",
        unit="margin (log odds, or the unit of the target)",
        n=len(found.points),
        height=340,
        legend=False,
        about=DEPENDENCE,
    )
    if found.missing and found.missing_mean is not None:
        st.caption(plain(f"{found.missing:,} explained rows have no value here; that adds {number(found.missing_mean)} on average."))


def _grid(found: Answers, name: str) -> None:
    draw(
        grid_of_answers(found, name),
        title=f"The answer over {name}",
        unit=found.answer,
        n=found.rows,
        height=340,
        about=ANSWERS,
    )
    if found.missing is not None:
        st.caption(plain(f"Where the value is missing ({found.missing_rows:,} rows) the mean answer is {number(found.missing)}."))
