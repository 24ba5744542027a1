"""Runs: what was asked of Prefect, what finished, links into Prefect and MLflow, whether the other servers answer."""

from __future__ import annotations

import streamlit as st

from dashboard.components.frame import use_case_page
from dashboard.components.runs.durations import durations, failures
from dashboard.components.runs.notices import told
from dashboard.components.runs.worked import models, worked
from dashboard.components.states import empty
from dashboard.components.words import plain
from dashboard.components.zone import table_time
from dashboard.desk import Desk
from dashboard.theme import LOOKS
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.signals import SignalState
from interlock.control.readmodel.work import alerts, asked, parts, prefect_link

ABOUT = """Decisions and breaches **ask** for a run; the keeper starts it in Prefect, also later when Prefect was away. What **finished**
shows CPU and wall time in seconds. Prefect keeps the logs of each run, MLflow the parameters and metrics of each training."""


@use_case_page("Runs", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Servers, intents, finished work, models, alerts."""
    _servers(desk)
    failures(desk, entry)
    durations(desk, entry)
    _asked(desk, entry)
    worked(desk, entry)
    models(desk, entry)
    told(desk.soon(alerts, entry.name))


def _servers(desk: Desk) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for part in desk.live(parts):
            look = LOOKS[SignalState.PASS if part.answers else SignalState.UNKNOWN]
            told = f":{look.colour}-badge[{look.shape} {part.name} {'answers' if part.answers else 'does not answer'}]"
            st.markdown(told, width="content", help=plain(f"{part.address} {part.problem}".strip()))
            if part.answers and (link := {"Prefect": prefect_link(desk.settings), "MLflow": desk.settings.mlflow_url}.get(part.name)):
                st.link_button(f"Open {part.name}", link, type="tertiary")
    silent = [f"{part.name} at {part.address}" for part in desk.live(parts) if not part.answers]
    if silent:
        st.caption(plain(f"No answer from {', '.join(silent)}. Start everything with: make up"))


def _asked(desk: Desk, entry: Entry) -> None:
    st.header("Asked for", anchor=False)
    rows = desk.soon(asked, entry.name)
    if not rows:
        empty("No run was asked for yet.", "Approving a candidate asks for a deploy run; a breach in production asks for a training.")
        return
    st.caption(f"n = {len(rows):,}, newest first")
    st.dataframe(
        [
            {
                "asked": one.created_at,
                "deployment": one.deployment,
                "state": one.state,
                "attempt": one.attempt,
                "run": prefect_link(desk.settings, one.flow_run_id) if one.flow_run_id else None,
                "last error": one.last_error,
                "because of": one.cause,
            }
            for one in rows
        ],
        hide_index=True,
        column_config={"run": st.column_config.LinkColumn(display_text="open in Prefect"), "asked": table_time("asked", seconds=True)},
        placeholder="",
    )


show()
