"""Parts of the installation that are down or in trouble, and what that means for whoever decides now."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.status import parts

MEANS = {
    "prediction server": "Nobody is answered, or this page cannot ask.",
    "Prefect": "Decisions are accepted, and wait: nothing is trained or released until it is back. A rollback does not need it.",
    "MLflow": "Models are served, released and rolled back without it; new trainings wait.",
    "keeper": "Decisions are accepted, and wait until it runs: interlock keeper, or make up.",
}


def parts_in_trouble(desk: Desk) -> None:
    """One line for each part that is not simply up, in one box; nothing where all are."""
    found = [plain(f"{name[0].upper()}{name[1:]}: {state}. {MEANS[name]}") for name, state in desk.live(parts).items() if state != "up"]
    if found:
        st.warning("  \n".join(found))
