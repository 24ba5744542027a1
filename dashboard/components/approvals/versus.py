"""Calibration, fairness and reasons of candidate and champion, side by side."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.measured import table_of
from dashboard.components.plots import bars, curve
from dashboard.components.points import with_bars
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.compare import measures_by_attribute, why_missing
from interlock.control.readmodel.explanations import figure
from interlock.control.readmodel.figures import Curve, curves
from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding

FEATURES_SHOWN = 10


def calibration_of_both(candidate: Proof, champion: Proof | None) -> None:
    """Reliability of both beside each other, each on the rows held out for it; then the figures."""
    pairs = [(f"candidate, version {candidate.version}", candidate)]
    pairs += [(f"champion, version {champion.version}", champion)] if champion else []
    drawn = [(name, one) for name, proof in pairs for one in curves(proof) if one.about_scores]
    if not drawn:
        st.markdown("This evidence holds no calibration: it is measured for models that answer with probabilities.")
        return
    for place, (name, one) in zip(st.columns(2) * len(drawn), drawn, strict=False):
        with place:
            _reliability(name, one)
    st.markdown(f"**Candidate, version {candidate.version}**")
    table_of(candidate.by_metric("calibration."))


def _reliability(name: str, one: Curve) -> None:
    figure = curve(one.x, one.y, x_title=one.x_title, y_title=one.y_title, diagonal=one.diagonal)
    draw(
        with_bars(figure, one.x, one.y, one.low, one.high) if one.low else figure,
        title=f"{one.title}: {name}",
        unit=one.unit,
        n=one.sample_size,
        about=f"{one.about} On the rows held out for this version.",
        height=260,
        legend=False,
        key=f"both {one.title} {name}",
    )


def fairness_of_both(candidate: Proof, champion: Proof | None) -> None:
    """One row per attribute and measure; a group that is too small says so."""
    theirs = dict(measures_by_attribute(champion)) if champion else {}
    rows = [
        {
            "attribute": plain(attribute),
            "measure": plain(title),
            f"candidate {candidate.version}": plain(_answer(own)),
            f"champion {champion.version}" if champion else "champion": plain(_answer(theirs.get(attribute, {}).get(title)))
            if champion
            else "no champion yet",
        }
        for attribute, measures in measures_by_attribute(candidate)
        for title, own in measures.items()
    ]
    if not rows:
        st.markdown("No sensitive attribute is declared for this use case, so no groups were compared.")
        return
    st.table(rows, border="horizontal", hide_index=True)
    st.caption(
        "A ratio of 1 or a difference of 0 means that the groups are treated alike; in brackets the 95 % interval. Each version on the "
        "rows held out for it. Groups, intersections and mitigation: Fairness page."
    )


def reasons_of_both(candidate: Proof) -> None:
    """Share of all SHAP weight per feature, candidate and champion on the same rows, the largest first."""
    own, theirs = figure(candidate, "importance"), figure(candidate, "champion_importance")
    if not own:
        st.markdown("This evidence holds no explanation.")
        return
    names = sorted({*own, *theirs}, key=lambda one: -max(own.get(one, 0.0), theirs.get(one, 0.0)))[:FEATURES_SHOWN]
    series = {"candidate": [own.get(one) for one in names]} | ({"champion": [theirs.get(one) for one in names]} if theirs else {})
    stability = next(iter(candidate.by_metric("explain.stability")), None)
    draw(
        bars(names, series, "%{y}: %{x:.1%}", shares=True),
        title="What carries the answers, candidate and champion",
        unit="share of all SHAP weight",
        n=stability.sample_size if stability and stability.sample_size else None,
        height=90 + (34 if theirs else 24) * len(names),
        legend=bool(theirs),
        about="Mean absolute SHAP value of each feature as a share of all, over the same held-out rows. A feature that only one version "
        f"has shows one bar. The {len(names)} largest of {len({*own, *theirs})}.",
    )
    if stability is not None:
        agreed = number(stability.value) if stability.value is not None else why_missing(stability)
        st.markdown(plain(f"Agreement of the two orders (1: the same): {agreed}. {stability.note}"))


def _answer(found: Finding | None) -> str:
    if found is None or found.value is None:
        return (found.note if found is not None else "") or why_missing(found)
    between = f" ({interval(found.low, found.high)})" if found.low is not None else ""
    return f"{number(found.value)}{between}, n = {found.sample_size:,}"
