"""Pairs of features that act together, and the shape of one feature's effect."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.chart import draw
from dashboard.components.explainability.plots_explain import dependence, grid_of_answers
from dashboard.components.plots import bars
from dashboard.components.words import number, plain
from interlock.control.readmodel.explanations import Answers, Dependence, Pairs, answers, coloured, dependences, pairs, shades
from interlock.control.readmodel.proof import Proof

DEPENDENCE = """Each dot is one held-out case: right is its value, up is what the value added to the answer (below 0: took away). Colour is
the place of another feature's value from low (blue) to high (orange): the one it acts with most, unless you choose another. Dots at one
value that spread, and spread by colour, are an interaction."""
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
    figure = bars([one.names for one in found.pairs], {"share": [one.share for one in found.pairs]}, hover="%{y}: %{x:.1%}")
    figure.update_xaxes(tickformat=".1%")
    draw(
        figure,
        title="Features that act together",
        unit="share of all effect",
        n=found.rows,
        window=f"a seeded sample of {found.rows_total:,} rows" if found.rows < found.rows_total else "",
        height=90 + 26 * len(found.pairs),
        legend=False,
        about=f"{found.share:.1%} of all effect comes from pairs; with 0 the effects would simply add up. XGBoost's Shapley "
        f"interaction values on {found.rows:,} of {found.rows_total:,} rows: a bounded sample, because they are costly.",
    )


def one_feature(chosen: Proof) -> None:
    """Dependence and partial dependence of the feature that the viewer picks."""
    shapes, grids, colours = dependences(chosen), answers(chosen), shades(chosen)
    names = list(dict.fromkeys([*shapes, *grids]))
    if not names:
        st.markdown("This evidence holds no shapes of single features: the model has several classes, or nothing was explained.")
        return
    with st.container(horizontal=True):
        name = address.chosen("feature", names, label="Feature", default=names[0], help="The strongest feature stands first.")
        found = shapes.get(name)
        if found is not None:
            found = _coloured(found, name, colours)
    left, right = st.columns(2)
    with left:
        if found is not None:
            _shape(found, name, total=len(next(iter(colours.values()), ())))
    with right:
        if name in grids:
            _grid(grids[name], name)


def _coloured(found: Dependence, name: str, colours: dict[str, tuple[float | None, ...]]) -> Dependence:
    """Coloured by the feature that it acts with most, or by the one that the viewer chose."""
    others = [one for one in colours if one != name]
    own = [found.partner] if found.partner else []
    choices = [*own, *[one for one in others if one != found.partner]]
    if not choices or not found.at:
        return found
    picked = address.chosen(
        "colour",
        choices,
        label="Coloured by",
        default=choices[0],
        words=lambda one: f"{one} (acts with it most)" if one == found.partner else one,
    )
    return found if picked == found.partner else coloured(found, picked, colours[picked])


def _shape(found: Dependence, name: str, *, total: int) -> None:
    draw(
        dependence(found, name),
        title=f"What {name} adds",
        unit="margin (log odds, or the unit of the target)",
        n=len(found.points),
        window=f"a seeded sample of {total:,} explained rows" if total > len(found.points) else "a seeded sample of the explained rows",
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
