"""Runs: what was asked of Prefect, what finished, links into Prefect and MLflow, whether the other servers answer."""

from __future__ import annotations

import streamlit as st

from dashboard.components.frame import use_case_page
from dashboard.components.notices import told
from dashboard.components.states import empty
from dashboard.components.words import plain
from dashboard.desk import Desk
from dashboard.theme import LOOKS
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.signals import SignalState
from interlock.control.readmodel.work import alerts, asked, finished, mlflow_link, parts, prefect_link, tracked

ABOUT = """Decisions and breaches **ask** for a run; the keeper starts it in Prefect, also later when Prefect was away. What **finished**
shows CPU and wall time in seconds. Prefect keeps the logs of each run, MLflow the parameters and metrics of each training."""


@use_case_page("Runs", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """Servers, intents, finished work, models, alerts."""
    _servers(desk)
    _asked(desk, entry)
    _finished(desk, entry)
    _models(desk, entry)
    told(desk.soon(alerts, entry.name))


def _servers(desk: Desk) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for part in desk.live(parts):
            look = LOOKS[SignalState.PASS if part.answers else SignalState.UNKNOWN]
            told = f":{look.colour}-badge[{look.shape} {part.name} {'answers' if part.answers else 'does not answer'}]"
            st.markdown(told, width="content", help=plain(f"{part.address} {part.problem}".strip()))
            if part.answers and (link := {"Prefect": prefect_link(desk.settings), "MLflow": desk.settings.mlflow_url}.get(part.name)):
                st.link_button(f"Open {part.name}", link, type="tertiary")
    for part in (one for one in desk.live(parts) if not one.answers):
        st.caption(plain(f"{part.name} does not answer at {part.address}. Start everything with: make up"))


def _asked(desk: Desk, entry: Entry) -> None:
    st.markdown("**Asked for**")
    rows = desk.soon(asked, entry.name)
    if not rows:
        empty("No run was asked for yet.", "Approving a candidate asks for a deploy run; a breach in production asks for a training.")
        return
    st.caption(f"n = {len(rows):,}, newest first")
    st.dataframe(
        [
            {
                "asked (UTC)": f"{one.created_at:%Y-%m-%d %H:%M:%S}",
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
        column_config={"run": st.column_config.LinkColumn(display_text="open in Prefect")},
        placeholder="",
    )


def _finished(desk: Desk, entry: Entry) -> None:
    st.markdown("**Finished**")
    rows = desk.soon(finished, entry.name)
    if not rows:
        st.markdown("No work has finished for this use case yet.")
        return
    st.caption(f"n = {len(rows):,}, newest first; unit: seconds")
    st.dataframe(
        [
            {
                "finished (UTC)": f"{one.finished_at:%Y-%m-%d %H:%M:%S}",
                "stage": one.stage,
                "wall s": one.wall_seconds or None,
                "CPU s": one.cpu_seconds,
                "run": prefect_link(desk.settings, one.flow_run_id) if one.flow_run_id else None,
            }
            for one in rows
        ],
        hide_index=True,
        column_config={
            "run": st.column_config.LinkColumn(display_text="open in Prefect"),
            "wall s": st.column_config.NumberColumn(format="%.1f"),
            "CPU s": st.column_config.NumberColumn(format="%.1f"),
        },
        placeholder="–",
    )


def _models(desk: Desk, entry: Entry) -> None:
    st.markdown("**Trained versions**")
    rows = desk.soon(tracked, entry.name)
    if not rows:
        st.markdown("No version was trained yet.")
        return
    st.dataframe(
        [
            {
                "version": one.version,
                "author": one.author,
                "started by": one.started_by,
                "trained (UTC)": f"{one.created_at:%Y-%m-%d %H:%M}",
                "MLflow": mlflow_link(desk.settings, one.mlflow_run_id),
            }
            for one in rows
        ],
        hide_index=True,
        column_config={"MLflow": st.column_config.LinkColumn(display_text="open in MLflow")},
        placeholder="–",
    )


show()
