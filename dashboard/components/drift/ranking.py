"""Where to look first: columns of one window ranked by what their drift costs."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import bars
from dashboard.components.words import number, plain, span
from interlock.control.readmodel.drifting import Ranking
from interlock.control.readmodel.windows import WindowView

SHOWN = 12
ABOUT = """How far a column moved (PSI) times how much the model leans on it (its share of the SHAP weight), and that share of the loss of
performance: measured on known outcomes, or else estimated without them. A column that moved far but that the model hardly uses
stands low. It shares a loss out in proportion; it does not prove a cause."""
LOSSES = {"performance.drop": "measured", "performance.estimated_drop": "estimated"}


def drift_ranking(found: Ranking | None, view: WindowView) -> None:
    """The sentence, bars, and the figures behind them."""
    if found is None:
        st.markdown("This window was judged before columns were ranked by what they cost; they stand in the order of their PSI.")
        return
    rows = [row for row in found.rows if row.weighted > 0][:SHOWN]
    if not rows:
        return
    costly = found.loss is not None and found.loss > 0
    draw(
        bars([row.column for row in rows], {"cost": [row.cost if costly else row.weighted for row in rows]}),
        title="Columns by what their drift costs" if costly else "Columns by PSI × SHAP weight",
        unit=f"part of the {LOSSES.get(found.loss_metric, '')} loss of performance" if costly else "PSI × share of the SHAP weight",
        n=found.sample_size,
        window=span(view.start, view.end),
        height=70 + 26 * len(rows),
        legend=False,
        about=ABOUT,
    )
    with st.expander("The figures behind the order"):
        st.table(
            [
                {
                    "column": plain(row.column),
                    "PSI": number(row.effect),
                    "share of SHAP weight": f"{row.importance:.1%}",
                    "PSI × weight": number(row.weighted),
                    "share of all": f"{row.share:.0%}",
                    "part of the loss": number(row.cost) if row.cost is not None else "not known",
                }
                for row in found.rows
            ],
            border="horizontal",
            hide_index=True,
        )
