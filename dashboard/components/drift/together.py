"""Answers, outcomes and all columns together, window by window; the domain classifier of each validated version."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import intervals, over_time
from dashboard.components.words import interval, number, plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.proof import proof, proofs
from interlock.control.readmodel.series import WindowRow
from interlock.rules.findings import Finding, State
from interlock.rules.monitoring import signals_for

VERSIONS = 6
OVER = {
    "drift.share": ("Share of columns that moved", "share of columns, 0 to 1", "Columns whose PSI is over the limit, of all columns."),
    "drift.score": ("Answers (prediction drift)", "PSI", "Answers of the window against those on the held-out rows."),
    "drift.target": ("Outcomes (target drift)", "PSI", "Outcomes known so far against the labels learned from; waits for outcomes."),
    "drift.reconstruction": (
        "Do columns still belong together?",
        "standard deviations",
        "How much worse a plane through the training rows describes this window: 0 as when made, above 0 worse. It sees changed "
        "correlations although each column looks as before. The band is the 95 % interval.",
    ),
    "drift.impact": ("Drift that matters", "PSI × SHAP weight", "PSI of the average column, weighted by how much the model leans on it."),
    "drift.previous_share": ("Jump: columns that moved since the window before", "share of columns", "Against the window before it."),
    "drift.previous_score": ("Jump: answers since the window before", "PSI", "Answers against those of the window before it."),
}
DOMAIN = {"drift.holdout_domain_auc": "held-out rows", "drift.serving_domain_auc": "captured requests"}


def together(desk: Desk, entry: Entry, rows: list[WindowRow]) -> None:
    """Seven series in two columns, then the classifier."""
    limits = {rule.metric: rule.limit for rule in signals_for(entry.spec)} if entry.spec else {}
    st.caption(plain(f"{len(rows)} windows · {span(rows[0].start, rows[-1].end)}"))
    places = st.columns(2)
    for n, metric in enumerate(metric for metric in OVER if any(metric in row.metrics for row in rows)):
        with places[n % 2]:
            _over(metric, [row for row in rows if metric in row.metrics], limits.get(metric))
    _domain(desk, entry)


def _over(metric: str, rows: list[WindowRow], limit: float | None) -> None:
    title, unit, about = OVER[metric]
    points = [row.metrics[metric] for row in rows]
    values = [one.value for one in points]
    if all(value is None for value in values):
        st.markdown(f"**{plain(title)}**")
        st.caption(plain(f"Not measured: {points[-1].why}"))
        return
    lows, highs = [one.low for one in points], [one.high for one in points]
    figure = over_time([row.start for row in rows], {title: values}, low=lows, high=highs, limit=limit)
    if metric != "drift.reconstruction":
        figure.update_yaxes(rangemode="tozero")
    draw(
        figure,
        title=title,
        unit=unit,
        n=sum(one.n for one in points),
        height=210,
        legend=False,
        about=f"{about} A gap was not measured; it is not zero." + (" Dashed: the limit." if limit is not None else ""),
    )


def _domain(desk: Desk, entry: Entry) -> None:
    """AUC of telling today's rows from training rows, from the newest evidence of each version."""
    rows: list[tuple[str, Finding]] = []
    for digest, version, _, _ in desk.soon(proofs, entry.name)[:VERSIONS]:
        chosen = desk.sealed(proof, digest)
        rows += [(f"version {version}, {DOMAIN[one.metric]}", one) for one in (chosen.findings if chosen else []) if one.metric in DOMAIN]
    st.markdown("**Can a model tell the rows apart?**")
    known = [(name, one) for name, one in rows if one.state is State.OK and one.value is not None]
    if not known:
        st.caption("No evidence holds a domain classifier. It is measured in validation: a window does not read training rows again.")
        return
    draw(
        intervals(
            [name for name, _ in known], [one.value for _, one in known], [one.low for _, one in known], [one.high for _, one in known], 0.5
        ),
        title="Domain classifier",
        unit="AUC: 0.5 cannot tell them apart, 1 always can",
        window="n stands with each below",
        height=80 + 34 * len(known),
        legend=False,
        about="A small model learns to tell rows of today from training rows; the dot is how well it does on rows it has not seen, with "
        "the 95 % interval of DeLong. It finds what no single column shows. Measured in validation, at most 2,000 rows of each side.",
    )
    st.caption("  \n".join(plain(f"{name}: {number(one.value)} ({interval(one.low, one.high)}). {one.note}") for name, one in known))
