"""All features at once: what carries the answers, every case as a dot, and pairs that act together."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.evidence import champion_beside
from dashboard.components.explainability.plots_swarm import beeswarm
from dashboard.components.explainability.shapes import together_pairs
from dashboard.components.plots import bars
from dashboard.desk import Desk
from interlock.control.readmodel.explanations import champion_importance, explained_rows, method
from interlock.control.readmodel.figures import importance, swarm
from interlock.control.readmodel.proof import Proof

SHOWN = 15


def all_features(desk: Desk, chosen: Proof) -> None:
    """Bars, cloud, pairs."""
    _bars(chosen, champion_beside(desk, chosen))
    _swarm(chosen)
    together_pairs(chosen)


def _bars(chosen: Proof, champion: Proof | None) -> None:
    found, made = importance(chosen), method(chosen)
    names = sorted(found, key=lambda name: (-found[name], name))[:SHOWN]
    series: dict[str, list[float | None]] = {f"version {chosen.version}": [found[name] for name in names]}
    other = champion_importance(chosen) or (importance(champion) if champion else {})
    if other:
        series[f"champion, version {champion.version}" if champion else "champion"] = [other.get(name) for name in names]
    if made is not None and made.other:
        series["interventional"] = [made.other.get(name) for name in names]
    figure = bars(names, series, hover="%{y}: %{x:.1%}")
    figure.update_xaxes(tickformat=".0%")
    draw(
        figure,
        title="What carries the answers",
        unit="share of the mean absolute SHAP value",
        n=explained_rows(chosen),
        height=96 + (10 + 13 * len(series)) * len(names),
        legend=len(series) > 1,
        about="How far a feature moves an answer on average, whichever way. The longest bars carry most of the answer. "
        "Beside the champion: a bar that grew or shrank a lot means that the new version decides differently. "
        "Interventional beside path-dependent: where the two differ much, features depend on each other, and neither is the only order.",
    )
    if len(found) > SHOWN:
        st.caption(f"The {SHOWN} features that matter most, of {len(found)}.")


def _swarm(chosen: Proof) -> None:
    cloud = swarm(chosen)
    if not cloud.points:
        return
    dots, rows = max(len(point.shap) for point in cloud.points), explained_rows(chosen)
    draw(
        beeswarm([(point.name, point.shap, point.values) for point in cloud.points]),
        title="Every case, feature by feature",
        unit="margin (log odds, or the unit of the target)",
        n=dots,
        window=f"a seeded sample of {rows:,} explained rows" if rows is not None and rows > dots else "every explained row",
        height=110 + 42 * len(cloud.points),
        legend=False,
        about="Each dot is one held-out case. Right of the line the feature raised the answer, left of it lowered it. Dots that would "
        "lie on each other are moved up and down, so a thick place holds many cases. Colour is the feature's own value from low "
        "(blue) to high (orange), grey where it is missing; categories take their order in the file. Read: if all orange dots lie "
        "right, high values raise the answer.",
    )
