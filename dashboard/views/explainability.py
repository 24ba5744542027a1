"""Explainability: which features carry the answers, how, for whom, whether that changed, and why one answer was given."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.components import address
from dashboard.components.evidence import champion_beside, pick_evidence
from dashboard.components.explainability.change import against_champion, attribution_drift
from dashboard.components.explainability.features import all_features
from dashboard.components.explainability.files import shap_plots
from dashboard.components.explainability.groups import compare_cohorts, drivers_of_loss
from dashboard.components.explainability.one import one_answer
from dashboard.components.explainability.shapes import one_feature
from dashboard.components.frame import use_case_page
from dashboard.components.signal import panel
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.explanations import failures, method
from interlock.control.readmodel.figures import importance
from interlock.control.readmodel.proof import Proof

ABOUT = """**SHAP values** split one answer into what each feature added to it or took away, measured from the average answer; they
always add up to the answer. They describe what the model does, not what causes the outcome. *Path-dependent* values follow the training
rows; *interventional* ones replace a feature by values of other rows and give nothing to a feature that the model does not read."""
SEALED: dict[str, tuple[str, Callable[[Desk, Proof], None]]] = {
    "features": ("Features", all_features),
    "feature": ("One feature", lambda desk, chosen: one_feature(chosen)),
    "groups": ("Groups", lambda desk, chosen: compare_cohorts(chosen)),
    "champion": ("Against the champion", lambda desk, chosen: against_champion(chosen, champion_beside(desk, chosen))),
    "mistakes": ("Mistakes", lambda desk, chosen: drivers_of_loss(chosen)),
    "plots": ("SHAP's plots", lambda desk, chosen: shap_plots(desk, chosen)),
}
LIVE: dict[str, tuple[str, Callable[[Desk, Entry], None]]] = {
    "production": ("In production", attribution_drift),
    "answer": ("One answer", one_answer),
}


@use_case_page("Explainability", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """One part at a time, so that what nobody looks at is not drawn."""
    titles = {name: title for name, (title, _) in (SEALED | LIVE).items()}  # type: ignore[operator]
    part = address.chosen(
        "part",
        list(titles),
        label="Show",
        default="features",
        words=titles.__getitem__,
        kind="segments",
        help="The first six are about the evidence of one version, the last two about what was answered in production.",
    )
    if part in LIVE:
        LIVE[part][1](desk, entry)
        return
    chosen = pick_evidence(desk, entry.name)
    if chosen is not None:
        _evidence(desk, chosen, part)


def _evidence(desk: Desk, chosen: Proof, part: str) -> None:
    made = method(chosen)
    if made is not None:
        st.caption(plain(f"{made.sentence} {made.note}"))
    for said in failures(chosen):
        st.warning(plain(f"A part failed: {said}"))
    own = [signal for signal, gate in zip(chosen.signals, chosen.gates, strict=True) if gate.metric.startswith("explain.")]
    if own and part == "features":
        panel(own)
    if not importance(chosen):
        st.markdown("This evidence holds no explanations. Validate the version again; the gate on explanations says why they are missing:")
        st.code(f"prefect deployment run validate/validate -p use_case={chosen.use_case}", language=None)
        return
    SEALED[part][1](desk, chosen)


show()
