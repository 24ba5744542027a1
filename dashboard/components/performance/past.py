"""How a candidate would have done at earlier moments, how well its intervals hold, and how good its estimates without labels are."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import curve, intervals, over_time
from dashboard.components.words import number, plain, span
from interlock.control.readmodel.ahead import trust
from interlock.control.readmodel.compare import titled, why_missing
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.weakness import Past, Trial, past_of, trial_of
from interlock.rules.findings import Finding

BACKTEST = """At each moment of the past a model was made with this version's own parameters from what was known then, and asked for what
came next. Levels lie a little below the version's own, because fewer rows and rounds were used: read the differences between moments.
Band: the 95 % interval of each moment."""


def past(chosen: Proof) -> None:
    """Backtest, intervals of quantiles, estimates on trial; each says why where it is not there."""
    found, trial = past_of(chosen), trial_of(chosen)
    if found is not None:
        _backtest(found)
    else:
        why = next(iter(chosen.by_metric("performance.backtest")), None)
        st.markdown(f"**No backtest.** {plain(why_missing(why))}")
    quantiles(chosen)
    if trial is not None:
        _trial(trial)


def _backtest(found: Past) -> None:
    draw(
        over_time(list(found.at), {"version": found.value, "naive rule": found.naive}, low=found.low, high=found.high),
        title="At earlier moments",
        unit=found.metric,
        n=found.sample_size,
        window=span(found.at[0], found.at[-1]),
        height=260,
        about=BACKTEST,
    )
    st.caption(plain(found.note))


def quantiles(chosen: Proof) -> None:
    """Share of outcomes within the predicted intervals beside the share that was promised; nothing for models without intervals."""
    for finding in chosen.by_metric("performance.interval_coverage"):
        if finding.value is None:
            st.markdown(f"**Predicted intervals:** {plain(why_missing(finding))}")
            continue
        wanted = finding.detail.get("wanted")
        draw(
            intervals(["inside"], [finding.value], [finding.low], [finding.high], reference=wanted),
            title="Do the predicted intervals hold?",
            unit="share of outcomes within",
            n=finding.sample_size,
            height=110,
            legend=False,
            about="The dot with its 95 % interval: outcomes that lay within the predicted interval. Dotted: the share that was promised. "
            "Below it the intervals are too narrow, above it too wide.",
        )
        st.caption(plain(f"{number(finding.value)} lay inside. {finding.note}"))


def _trial(found: Trial) -> None:
    title = titled(Finding(metric=f"performance.{found.metric}", value=0.0, sample_size=0))
    parts = list(range(1, len(found.rows) + 1))
    figure = curve(
        parts, found.estimated, x_title="part of the held-out rows", y_title=title, name="estimated", others={"true": found.true}
    )
    figure.update_yaxes(rangemode="normal")
    figure.update_xaxes(dtick=1)
    draw(
        figure,
        title="Estimates without labels, on trial",
        unit=title,
        n=sum(found.rows),
        height=260,
        about="The estimate was made from the older half of the held-out rows and tried on parts of the newer half, whose outcomes are "
        "known. Where the two lines part, an estimate in production would have misled.",
    )
    if found.verdict is not None:
        st.markdown(f"**How far to trust estimates of this version:** {plain(trust([found.verdict]))}")
