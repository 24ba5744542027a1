"""Where a candidate is weakest, and what drives its mistakes."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import bars
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.weakness import Drivers, Slice, drivers_of, segments_of, slices_of

SHOWN = 10


def weakness(chosen: Proof) -> None:
    """Slices, declared segments, drivers; or the sentence that says why there are none."""
    found, segments, drivers = slices_of(chosen), segments_of(chosen), drivers_of(chosen)
    for finding in chosen.by_metric("performance.weakest_slice"):
        if finding.value is None:
            st.markdown(f"**No slice was searched.** {plain(finding.note)}")
    if found:
        _slices(found[:SHOWN], "slice")
        if found[SHOWN:]:
            with st.expander(f"{len(found) - SHOWN} more suspected slices"):
                _slices(found[SHOWN:], "slice")
        st.caption(
            "Suspected on one half of the held-out rows, tested once on the other half with Holm's correction; the intervals hold together "
            "at 95 %. Confirmed: the loss there is larger beyond doubt. A larger loss is not yet an injustice: cases near fifty-fifty "
            "are harder for everybody."
        )
    if segments:
        st.markdown("**Segments that the use case names**")
        _slices(segments, "segment")
    if drivers is not None:
        _drivers(drivers)
    if not found and not segments and drivers is None and not chosen.by_metric("performance.weakest_slice"):
        st.markdown("This evidence does not say where the version is weak. Validate it again.")


def _slices(found: list[Slice], name: str) -> None:
    st.table(
        [
            {
                name: plain(one.name),
                "n": f"{one.sample_size:,}",
                f"mean loss ({one.unit or 'pure number'})": number(one.loss),
                "elsewhere": number(one.rest),
                "difference": f"{number(one.difference)} ({interval(one.low, one.high) or 'no interval'})",
                **({} if one.confirmed is None else {"confirmed": "yes" if one.confirmed else "no"}),
            }
            for one in found
        ],
        border="horizontal",
        hide_index=True,
    )


def _drivers(found: Drivers) -> None:
    if found.features:
        draw(
            bars(list(found.features), {"share of the loss": list(found.features.values())}),
            title="What drives the mistakes",
            unit=f"{found.loss}, mean over rows",
            n=found.sample_size,
            legend=False,
            height=90 + 26 * len(found.features),
            about="How much each feature adds to the loss (right) or takes away from it (left), on average: the Shapley values of the "
            "answers, passed on to the loss. A feature that matters much and lies on the right hurts more than it helps.",
        )
        if found.mean is not None:
            st.caption(plain(f"Mean {found.loss} of these rows: {number(found.mean)}."))
    for finding in found.slices:
        st.markdown(f"**{plain(finding.segment)}** (n = {finding.sample_size:,}): {plain(finding.note)}")
