"""Snapshots, and for a chosen one where its rows came from and what was made of them."""

from __future__ import annotations

import re

import streamlit as st

from dashboard.components.address import chosen
from dashboard.components.words import moment, plain, short
from dashboard.components.zone import table_time
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.intake import Intake
from interlock.control.readmodel.lineage import Lineage, lineage

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\.\d+Z")


def snapshots(taken: Intake) -> None:
    """Newest first."""
    st.header("Snapshots", anchor=False)
    st.caption(f"n = {len(taken.snapshots):,}, newest first; unit: rows")
    st.dataframe(
        [
            {
                "digest": short(one.digest),
                "rows": one.rows,
                "refused": one.quarantined,
                "from": one.time_from,
                "to": one.time_to,
                "made": one.created_at,
                "versions trained on it": ", ".join(map(str, one.versions)) or "none",
            }
            for one in taken.snapshots
        ],
        hide_index=True,
        placeholder="–",
        column_config={
            "rows": st.column_config.NumberColumn(format="localized"),
            "refused": st.column_config.NumberColumn(format="localized"),
            **{name: table_time(name) for name in ("from", "to", "made")},
        },
    )


def origin(desk: Desk, entry: Entry, taken: Intake) -> None:
    """From source to customer, for one snapshot."""
    if not taken.snapshots:
        return
    st.header("From source to model", anchor=False)
    by_digest = {one.digest: one for one in taken.snapshots}
    digest = chosen(
        "snapshot",
        list(by_digest),
        label="Snapshot",
        default=taken.snapshots[0].digest,
        words=lambda one: f"{short(one)}, {by_digest[one].rows:,} rows, made {moment(by_digest[one].created_at)}",
    )
    found = desk.soon(lineage, entry.name, digest)
    _came_from(found)
    _used_for(found)
    st.caption(plain(f"Snapshot {digest}"))


def _came_from(found: Lineage) -> None:
    st.markdown("**Came from**")
    st.dataframe(
        [
            {"source": one.name, "part": part(one.offset), "rows": one.rows, "refused": one.quarantined, "taken in": one.taken_at}
            for one in found.sources
        ],
        hide_index=True,
        column_config={"rows": st.column_config.NumberColumn(format="localized"), "taken in": table_time("taken in")},
    )


def _used_for(found: Lineage) -> None:
    st.markdown("**Was used for**")
    if not found.made:
        st.markdown("No version was trained on it.")
        return
    st.dataframe(
        [
            {
                "version": one.version,
                "gates": one.verdict or "not validated",
                "release": (one.release or "never released").replace("_", " "),
                "answers now": "yes" if one.live else "no",
                "package": short(one.package_digest),
                "trained": one.trained_at,
            }
            for one in found.made
        ],
        hide_index=True,
        column_config={"trained": table_time("trained")},
    )


def part(offset: str) -> str:
    """Which part of the source: `before 2013-04-01 00:00 UTC`, `2013-04-01 00:00 to 2013-07-08 00:00 UTC`, or as the source counts."""
    first, parted, last = offset.partition("..")
    if not parted:
        return offset
    ends = [_STAMP.sub(r"\1 \2", end) for end in (first, last)]
    zone = " UTC" if _STAMP.search(offset) else ""
    return f"before {ends[1]}{zone}" if first == "start" else f"{ends[0]} to {ends[1]}{zone}"
