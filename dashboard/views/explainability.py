"""Explainability: which features carry the answers, how, and whether that changed since the champion."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.evidence import champion_beside, pick_evidence
from dashboard.components.explain_groups import compare_cohorts, drivers_of_loss
from dashboard.components.explain_one import one_answer
from dashboard.components.explain_shapes import one_feature, together_pairs
from dashboard.components.explain_time import against_champion, attribution_drift
from dashboard.components.frame import use_case_page
from dashboard.components.plots import bars, beeswarm
from dashboard.components.signal import panel
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.explanations import champion_importance, failures, method
from interlock.control.readmodel.figures import importance, swarm
from interlock.control.readmodel.proof import Proof

ABOUT = """**SHAP values** split one answer into what each feature added to it or took away, measured from the average answer; they
always add up to the answer. They describe what the model does, not what causes the outcome. *Path-dependent* values follow the training
rows; *interventional* ones replace a feature by values of other rows and give nothing to a feature that the model does not read."""
SHOWN = 15


@use_case_page("Explainability", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Global bars beside the champion's, the beeswarm, the gates about explanations."""
    chosen = pick_evidence(desk, entry.name)
    if chosen is not None:
        _evidence(desk, chosen)
        st.subheader("In production", anchor=False)
        attribution_drift(desk, entry)
        one_answer(desk, entry)


def _evidence(desk: Desk, chosen: Proof) -> None:
    found, made = importance(chosen), method(chosen)
    if not found:
        st.markdown("This evidence holds no explanations. Validate the version again; the gate on explanations says why they are missing.")
    if made is not None:
        st.caption(plain(f"{made.sentence} {made.note}"))
    for said in failures(chosen):
        st.warning(plain(f"A part failed: {said}"))
    own = [signal for signal, gate in zip(chosen.signals, chosen.gates, strict=True) if gate.metric.startswith("explain.")]
    if own:
        st.markdown("**Gates on explanations**")
        panel(own)
    against_champion(chosen)
    if not found:
        return
    features, shapes, groups, loss = st.tabs(["Features", "One feature", "Groups", "Mistakes"])
    with features:
        _bars(chosen, champion_beside(desk, chosen), found, made.other if made else {})
        _swarm(chosen)
        together_pairs(chosen)
    with shapes:
        one_feature(chosen)
    with groups:
        compare_cohorts(chosen)
    with loss:
        drivers_of_loss(chosen)


def _bars(chosen: Proof, champion: Proof | None, found: dict[str, float], interventional: dict[str, float]) -> None:
    names = sorted(found, key=lambda name: (-found[name], name))[:SHOWN]
    series: dict[str, list[float | None]] = {f"version {chosen.version}": [found[name] for name in names]}
    other = champion_importance(chosen) or (importance(champion) if champion else {})
    if other:
        series[f"champion, version {champion.version}" if champion else "champion"] = [other.get(name) for name in names]
    if interventional:
        series["interventional"] = [interventional.get(name) for name in names]
    draw(
        bars(names, series),
        title="What carries the answers",
        unit="share of the mean absolute SHAP value",
        n=swarm(chosen).sample_size,
        height=110 + 26 * len(names) * len(series),
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
    draw(
        beeswarm([(point.name, point.shap, point.values) for point in cloud.points]),
        title="Every case, feature by feature",
        unit="log odds (or the unit of the target)",
        n=cloud.sample_size,
        height=140 + 38 * len(cloud.points),
        legend=False,
        about="Each dot is one held-out case. Right of the line the feature raised the answer, left of it lowered it. Colour "
        "is the feature's own "
        "value from low (blue) to high (orange); categories take their order in the file. Read: if all orange dots lie right, high "
        "values raise "
        "the answer.",
    )


show()
