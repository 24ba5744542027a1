"""SHAP's own plots, as validation drew them: to look at and to take along."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.components.embed import sealed_file
from dashboard.components.states import empty
from dashboard.components.words import plain, size
from dashboard.desk import Desk
from interlock.control.readmodel.proof import Proof

TITLES = {
    "shap-beeswarm": "Beeswarm: every case as a dot",
    "shap-bar": "Bar: mean absolute SHAP value",
    "shap-heatmap": "Heat map: cases side by side, alike ones together",
    "shap-scatter": "Scatter: the strongest feature, coloured by the one it acts with",
}
KINDS = (("png", "image/png"), ("svg", "image/svg+xml"))


def shap_plots(desk: Desk, chosen: Proof) -> None:
    """Each picture with its two files; where the evidence has none, why and how they come about."""
    told = next(iter(chosen.by_metric("report.shap_plots")), None)
    names = [name for name in TITLES if f"{name}.png" in chosen.evidence.attachments]
    if not names:
        empty(
            "This evidence holds no plots of SHAP's own.",
            told.note if told is not None and told.note else "Validation draws them in a process of its own; validate the version again:",
            f"prefect deployment run validate/validate -p use_case={chosen.use_case}",
        )
        return
    rows = f" n = {told.sample_size:,} held-out rows, a seeded sample." if told is not None else ""
    st.caption(plain(f"Drawn by the package shap when the evidence was made, and sealed with it.{rows} They keep shap's own colours."))
    folder = desk.settings.home.resolve() / "evidence" / chosen.digest.removeprefix("sha256:")
    columns = st.columns(2)
    for place, name in enumerate(names):
        with columns[place % 2]:
            _picture(folder, chosen, name)


def _picture(folder: Path, chosen: Proof, name: str) -> None:
    st.markdown(f"**{TITLES[name]}**")
    files = {kind: sealed_file(folder / f"{name}.{kind}", chosen.evidence.attachments.get(f"{name}.{kind}", "")) for kind, _ in KINDS}
    if files["png"] is None:
        st.markdown("The file is not there, or is not the one that was sealed. It is not shown.")
    else:
        st.image(files["png"], width="stretch")
    with st.container(horizontal=True):
        for kind, mime in KINDS:
            data = files[kind]
            if data is not None:
                st.download_button(
                    f"{kind.upper()}, {size(len(data))}",
                    data,
                    file_name=f"{chosen.use_case}-version-{chosen.version}-{name}.{kind}",
                    mime=mime,
                    on_click="ignore",
                    key=f"shap {chosen.digest} {name} {kind}",
                    type="tertiary",
                )
