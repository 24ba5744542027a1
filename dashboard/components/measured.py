"""Findings as a table: value with unit, interval and n, or in words why there is none."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.compare import titled, why_missing
from interlock.rules.findings import Finding


def table_of(findings: Sequence[Finding], *, first: str = "metric") -> None:
    """One row per finding; nothing where there is none."""
    if not findings:
        return
    st.table(
        [
            {
                first: plain(titled(one)),
                "value": plain(number(one.value, one.unit) if one.value is not None else why_missing(one)),
                "interval": interval(one.low, one.high),
                "n": f"{one.sample_size:,}",
            }
            for one in findings
        ],
        border="horizontal",
        hide_index=True,
    )
