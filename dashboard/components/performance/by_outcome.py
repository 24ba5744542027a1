"""What stands in place of a threshold: classes against answers for several classes, the distribution of errors for numbers."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.drift_figures import shown
from dashboard.components.words import interval, number, plain
from dashboard.theme import palette
from interlock.control.readmodel.compare import why_missing
from interlock.control.readmodel.cuts import class_findings
from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding

CLASSES_SHOWN = 15
FIGURES = {"precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC"}


def classes(chosen: Proof) -> None:
    """Rows by true and answered class, and the figures of each class."""
    figures = chosen.evidence.figures.get("performance") or {}
    table, names = figures.get("confusion"), figures.get("classes")
    if isinstance(table, list) and isinstance(names, list) and 0 < len(names) <= CLASSES_SHOWN:
        _map(table, [str(name) for name in names])
    found = class_findings(chosen)
    if found:
        st.table(
            [
                {
                    "class": plain(name),
                    **{title: _cell(own.get(key)) for key, title in FIGURES.items()},
                    "n": f"{next((one.detail.get('rows', one.sample_size) for one in own.values()), 0):,}",
                }
                for name, own in found.items()
            ],
            border="horizontal",
            hide_index=True,
        )
    elif not isinstance(table, list):
        st.markdown("This evidence holds no figures by class. Validate the version again.")


def _map(table: list[list[int]], names: list[str]) -> None:
    totals = [sum(row) for row in table]
    shares = [[count / total if total else None for count in row] for row, total in zip(table, totals, strict=True)]
    ramp = palette().ramp
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=[shown(name) for name in names],
            y=[shown(name) for name in names],
            text=table,
            texttemplate="%{text:,}",
            colorscale=[[0, ramp[0]], [1, ramp[1]]],
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            showscale=False,
            hovertemplate="%{y} answered %{x}: %{text:,} (%{z:.0%} of the class)<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category", title_text="true class")
    figure.update_xaxes(type="category", title_text="answered")
    draw(
        figure,
        title="Answers by true class",
        unit="rows",
        n=sum(totals),
        height=120 + 34 * len(names),
        legend=False,
        about="Each row of the map is a true class, each column what was answered (the most probable class); the diagonal is right. The "
        "darker, the larger the share of that class.",
    )


def errors(chosen: Proof) -> None:
    """Histogram of prediction minus outcome, and in words how far the middle of them lies."""
    figures = chosen.evidence.figures.get("performance") or {}
    table, levels = figures.get("errors"), figures.get("error_quantiles")
    if not isinstance(table, dict) or not table.get("rows"):
        st.markdown("This evidence holds no distribution of errors. Validate the version again.")
        return
    edges, rows = table["edges"], table["rows"]
    middles = [(low + high) / 2 for low, high in zip(edges, edges[1:], strict=False)]
    colours = palette()
    figure = go.Figure(
        go.Bar(
            x=middles,
            y=rows,
            width=[high - low for low, high in zip(edges, edges[1:], strict=False)],
            marker_color=colours.accent,
            hovertemplate="about %{x:.3g}: %{y:,} rows<extra></extra>",
        )
    )
    figure.add_vline(x=0, line_color=colours.text, line_width=1)
    figure.update_xaxes(title_text="prediction minus outcome")
    draw(
        figure,
        title="Errors",
        unit="rows",
        n=sum(rows),
        height=280,
        legend=False,
        about="Left of the line the prediction was too low, right of it too high. A long tail on one side weighs more in RMSE than in MAE.",
    )
    if isinstance(levels, dict) and levels.get("error"):
        low, first, middle, third, high = (number(one) for one in levels["error"])
        st.markdown(
            plain(
                f"Half of the errors lie between {first} and {third}, 90 % between {low} and {high}; the middle one is {middle}, "
                "in the unit of the target."
            )
        )
    else:
        st.caption("Quantiles of the errors are kept since later: validate the version again to see them.")


def _cell(one: Finding | None) -> str:
    if one is None or one.value is None:
        return plain(why_missing(one))
    ends = interval(one.low, one.high)
    return f"{number(one.value)} ({ends})" if ends else number(one.value)
