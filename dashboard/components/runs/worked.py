"""Finished work and trained versions of a use case, with links into Prefect and MLflow."""

from __future__ import annotations

import streamlit as st

from dashboard.components.zone import table_time
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.work import finished, mlflow_link, prefect_link, tracked


def worked(desk: Desk, entry: Entry) -> None:
    """Finished work, newest first."""
    st.header("Finished", anchor=False)
    rows = desk.soon(finished, entry.name)
    if not rows:
        st.markdown("No work has finished for this use case yet.")
        return
    st.caption(f"n = {len(rows):,}, newest first; unit: seconds")
    st.dataframe(
        [
            {
                "finished": one.finished_at,
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
            "finished": table_time("finished", seconds=True),
            "wall s": st.column_config.NumberColumn(format="%.1f"),
            "CPU s": st.column_config.NumberColumn(format="%.1f"),
        },
        placeholder="–",
    )


def models(desk: Desk, entry: Entry) -> None:
    """Who trained which version, with a link into MLflow."""
    st.header("Trained versions", anchor=False)
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
                "trained": one.created_at,
                "MLflow": mlflow_link(desk.settings, one.mlflow_run_id),
            }
            for one in rows
        ],
        hide_index=True,
        column_config={"MLflow": st.column_config.LinkColumn(display_text="open in MLflow"), "trained": table_time("trained")},
        placeholder="–",
    )
