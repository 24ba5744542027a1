"""Which columns stand in for a sensitive attribute, and what lessening a difference would cost."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots import bars
from dashboard.components.points import trade_off
from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.trade import WAYS, Frontier, Proxies, frontier_of, proxies_of

PROXY = """A column that tells the attribute (Cramér's V, 0: nothing, 1: everything) and carries much of the answers (share of SHAP values)
brings back in what was left out. Risk is the product of the two: a proxy that the model does not use does no harm. AUC: of telling the
named group from the others by this column alone, 0.5: not at all. Proxies inform; dropping a column is a decision about the whole model."""
CHOOSE = """How to choose: of the filled points take the one whose price you accept and whose whole interval lies on the good side of the
dashed limit. Then name its way in the section `[mitigation]` of the use-case file (`method`, `attribute`, `constraint`, `strength`, and
the `reason` why the attribute may be used: that can itself be unlawful, above all with thresholds by group). It is then trained in full
and judged by every gate."""


def proxies(chosen: Proof) -> None:
    """One ranking per attribute."""
    found = proxies_of(chosen)
    if not found:
        few = [finding.note for finding in chosen.by_metric("fairness.proxy_joint") if finding.value is None]
        st.markdown(plain(few[0]) if few else "This evidence holds no proxies. Validate the version again.")
    for one in found:
        _ranking(one)


def _ranking(one: Proxies) -> None:
    draw(
        bars([feature.feature for feature in one.features], {"risk": [feature.risk for feature in one.features]}),
        title=f"Columns that stand in for {one.attribute}",
        unit="risk, 0 to 1",
        n=one.sample_size,
        legend=False,
        height=90 + 26 * len(one.features),
        about=PROXY,
    )
    st.table(
        [
            {
                "rank": str(rank),
                "column": plain(feature.feature),
                "risk": number(feature.risk),
                "Cramér's V": number(feature.association),
                "share of reasons": f"{feature.share:.0%}",
                "tells": plain(f"{feature.told}, AUC {number(feature.auc)} ({interval(feature.auc_low, feature.auc_high)})"),
            }
            for rank, feature in enumerate(one.features, 1)
        ],
        border="horizontal",
        hide_index=True,
    )
    if one.joint:
        st.caption(plain(one.joint))


def mitigation(chosen: Proof, use_case: str) -> None:
    """The frontier with its points as a table; where there is none, when there would be one."""
    found = frontier_of(chosen)
    if found is None:
        st.markdown("This evidence holds no frontier: it is made where a fairness gate fails. At any time:")
        st.code(f"interlock frontier {use_case}", language=None)
        return
    name = found.measure.replace("_", " ")
    draw(
        trade_off(found),
        title=f"What it costs to lessen the difference by {found.attribute}",
        unit=f"right decisions (share) against {name}",
        n=found.sample_size,
        height=380,
        about="Each point is a small model like this one, made in another way and asked on the held-out rows; bars are 95 % intervals. "
        "Filled: no other is at least as good in both and better in one. Dashed: the limit of the gate. The diamond is a small model "
        "made as this version was.",
    )
    if found.sentence:
        st.markdown(plain(found.sentence))
    st.caption(CHOOSE)
    _ways(found, name)


def _ways(found: Frontier, name: str) -> None:
    side = "at least" if found.measure.endswith("_ratio") else "at most"
    st.table(
        [
            {
                "way": plain(way.title),
                "right decisions": plain(f"{way.accuracy:.1%}{_percent(way.accuracy_low, way.accuracy_high)}"),
                name: plain(
                    f"{number(way.fairness)} ({interval(way.fairness_low, way.fairness_high)})" if way.fairness is not None else way.note
                ),
                f"{side} {found.limit:g}": "yes" if way.clears else "no",
                "beaten by another": "no" if way.pareto else "yes" if way.fairness is not None else "not compared",
            }
            for way in found.ways
        ],
        border="horizontal",
        hide_index=True,
    )
    for note in sorted({way.note for way in found.ways if way.note and way.fairness is not None}):
        titles = ", ".join(dict.fromkeys(WAYS.get(way.name, way.name) for way in found.ways if way.note == note))
        st.caption(plain(f"{titles.capitalize()}: {note}."))


def _percent(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.1%} to {high:.1%})"
