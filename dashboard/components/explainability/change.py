"""Whether the reasons changed: against the champion, feature by feature, and in the windows since."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.explainability.plots_change import dumbbells, share_map
from dashboard.components.plots import over_time
from dashboard.components.states import empty
from dashboard.components.words import number, plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.explanations import champion_importance, explained_rows, rank_changes, stability
from interlock.control.readmodel.figures import importance
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.reasons_over_time import METRIC, ReasonsPoint, moved_features, reasons_over_time
from interlock.control.readmodel.window_part import window_part
from interlock.rules.monitoring import signals_for

SHOWN = 15


def against_champion(chosen: Proof, champion: Proof | None) -> None:
    """Agreement in one sentence, then rank and weight of every feature in both."""
    _agreement(chosen)
    same_rows = champion_importance(chosen)
    changes = rank_changes(importance(chosen), same_rows or (importance(champion) if champion else {}))
    if not changes:
        st.markdown("There is no champion to compare the reasons with.")
        return
    name = f"champion, version {champion.version}" if champion else "champion"
    shown = sorted(changes[:SHOWN], key=lambda one: (-max(one.share, one.share_before), one.feature))
    figure = dumbbells([(one.feature, one.share_before, one.share) for one in shown], name, f"version {chosen.version}")
    draw(
        figure,
        title="Weight of each feature in both versions",
        unit="share of the mean absolute SHAP value",
        n=explained_rows(chosen),
        window="same held-out rows" if same_rows else "each on its own held-out rows",
        height=96 + 28 * len(shown),
        about="Hollow: the champion. Filled: this version. A long line means that the feature weighs more or less than before. Those "
        "that changed most are shown, the strongest on top.",
    )
    st.table(
        [
            {
                "feature": plain(one.feature),
                "rank": _rank(one.rank),
                "rank in the champion": _rank(one.rank_before),
                "weight": f"{one.share:.1%}",
                "in the champion": f"{one.share_before:.1%}",
                "change, points": f"{100 * one.change:+.1f}",
            }
            for one in changes[:SHOWN]
        ],
        border="horizontal",
        hide_index=True,
    )
    if len(changes) > SHOWN:
        st.caption(f"The {SHOWN} features whose weight changed most, of {len(changes)}.")


def _rank(rank: int | None) -> str:
    return "not in it" if rank is None else str(rank)


def _agreement(chosen: Proof) -> None:
    found = stability(chosen)
    if found is None:
        return
    if found.value is None:
        st.markdown(plain(f"Against the champion: {found.note or found.state.value}."))
        return
    ndcg = found.detail.get("ndcg")
    st.markdown(
        f"**Against the champion**, same rows: rank agreement **{number(found.value)}** (Spearman, 1 = same order)"
        + (f", nDCG **{number(ndcg)}**" if ndcg is not None else "")
        + plain(f". {found.note} n = {found.sample_size:,}")
    )


def attribution_drift(desk: Desk, entry: Entry) -> None:
    """1 - nDCG of every window against the evidence of the version that answered, and each feature's share."""
    points = reasons_over_time(desk.soon(window_part, entry.name, METRIC))
    if not points:
        empty(
            "No window was monitored with explanations yet.",
            "The monitor flow explains a sample of each window:",
            f"prefect deployment run monitor/monitor -p use_case={entry.name}",
        )
        return
    values = [point.value for point in points]
    if not any(value is not None for value in values):
        st.markdown(plain(f"Attribution drift in production: not measured ({points[-1].finding.note or points[-1].finding.state.value})."))
        return
    limits = {rule.metric: rule.limit for rule in signals_for(entry.spec)} if entry.spec else {}
    figure = over_time(
        [point.start for point in points],
        {"1 − nDCG": values},
        low=[point.finding.low for point in points],
        high=[point.finding.high for point in points],
        limit=limits.get(METRIC),
    )
    figure.update_yaxes(rangemode="nonnegative")
    draw(
        figure,
        title="Do requests still get their answers for the same reasons?",
        unit="1 − nDCG, 0 = same order of features",
        n=sum(point.finding.sample_size for point in points),
        window=span(points[0].start, points[-1].end),
        height=240,
        legend=False,
        about="Importance on a sample of each window's requests against the evidence, with a bootstrap interval. It moves before outcomes "
        "arrive, and it does not say that the model is wrong: customers may have changed. Dashed: the limit that warns. A gap: that "
        "window had too few requests.",
    )
    st.caption(plain(f"Newest window: {points[-1].finding.note}"))
    _shares(points)


def _shares(points: list[ReasonsPoint]) -> None:
    told = [point for point in points if point.shares]
    if not told:
        st.caption("Windows judged from now on also hold each feature's share; those shown here were judged before that.")
        return
    features = moved_features(told)
    cells = [
        [100 * (point.shares[name][1] - point.shares[name][0]) if name in point.shares else None for point in told] for name in features
    ]
    draw(
        share_map(features, [point.start for point in told], [point.version for point in told], cells),
        title="Which features weigh more or less than in the evidence",
        unit="percentage points of the share of mean |SHAP|",
        n=sum(point.finding.sample_size for point in told),
        window=span(told[0].start, told[-1].end),
        height=120 + 26 * len(features),
        legend=False,
        about="One column per window, one row per feature, those that moved most. Orange: it weighs more than when the version was "
        "validated; blue: less. Customers or data may have changed; the model itself has not.",
    )
