"""The threshold explorer: what one threshold on the score does to every group, to the gates and to the value of decisions."""

from __future__ import annotations

import streamlit as st

from dashboard.components import address
from dashboard.components.chart import draw
from dashboard.components.deciding.rights import offered
from dashboard.components.fairness.plots_groups import rates_by_threshold
from dashboard.components.signal import mark
from dashboard.components.states import trouble
from dashboard.components.words import interval, number, plain
from dashboard.desk import Desk
from interlock.control.proposed_edit import proposed_diff
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.signals import SignalState
from interlock.control.readmodel.thresholds import RATES, Explorer, GateAt, Rate, explorer_of, nearest
from interlock.errors import InterlockError
from interlock.rules.gates import Verdict
from interlock.spec.load import find_use_case

TITLES = {
    "selection_rate": "favourable answers",
    "true_positive_rate": "favourable, of the deserving",
    "false_positive_rate": "favourable, of the others",
}
ABOUT = """What would happen on the held-out rows if everybody were decided by this one threshold: each line is a group, from the threshold
at the left (nearly everybody gets a yes) to the right (nobody). The upright line is your threshold, the dotted one that of the version.
Where a line ends, the rate rests on too few rows."""
STATES = {Verdict.PASS: SignalState.PASS, Verdict.FAIL: SignalState.FAIL, Verdict.UNKNOWN: SignalState.UNKNOWN}
GROUPS_MAX = 6


def explore(desk: Desk, entry: Entry, chosen: Proof) -> None:
    """The slider, what it does to groups, gates and value, and the change as a diff."""
    found = explorer_of(chosen)
    if found is None:
        st.markdown("This evidence holds no table of thresholds: it is older, or the task has no threshold. Validate the version again:")
        st.code(f"prefect deployment run validate/validate -p use_case={entry.name}", language=None)
        return
    served = found.thresholds[nearest(found.thresholds, found.served)]
    with st.container(horizontal=True):
        attribute = address.chosen("attribute", list(found.attributes), label="Attribute", default=next(iter(found.attributes)))
        wanted = address.number("threshold", label="Threshold on the score", default=served, low=0.0, high=1.0, step=0.01, kind="slider")
    place = nearest(found.thresholds, wanted)
    cut = found.thresholds[place]
    _sentence(found, cut)
    for gate in found.gates_at(place):
        st.markdown(_gate(gate, cut == served and not found.by_group))
    _worth(found, cut, served)
    _table(found, attribute, place)
    _lines(found, attribute, cut)
    if cut != served:
        _proposal(desk, entry, cut)


def _sentence(found: Explorer, cut: float) -> None:
    side = "at or above" if found.favourable == "positive" else "below"
    own = f"This version decides by {found.served:g}"
    own += "; the people of some groups by thresholds of their own, which are not shown here" if found.by_group else ""
    st.caption(plain(f"The favourable answer goes to scores {side} {cut:g}. {own}."))


def _gate(gate: GateAt, served: bool) -> str:
    sign = "≥" if gate.direction == "at_least" else "≤"
    told = f"{number(gate.value)}, {sign} {gate.limit:g} needed" if gate.value is not None else "not enough evidence in one or more groups"
    when = "says" if served else "would say"
    seen = " (observed, stops nothing)" if gate.mode == "observe" else ""
    return f"{mark(STATES[gate.verdict])} **{plain(gate.title)}** {when}: {plain(told)}{seen}."


def _worth(found: Explorer, cut: float, served: float) -> None:
    if found.value is None:
        st.caption(
            "The use-case file does not say what decisions are worth ([value]), so no threshold has a price here.".replace("[", "\\[")
        )
        return
    currency, worth = found.value
    now, then = worth.get(served), worth.get(cut)
    if now is None or then is None:
        return
    more = f", {number(then - now)} against {served:g}" if cut != served else ""
    st.markdown(plain(f"Value of 1,000 decisions at {cut:g}: {number(then)} {currency}{more}."))


def _table(found: Explorer, attribute: str, place: int) -> None:
    groups = found.groups_at(attribute, place)
    st.table(
        [
            {"group": plain(one.name), "n": f"{one.rows:,}", **{TITLES[rate]: plain(_cell(one.rates[rate])) for rate in RATES}}
            for one in groups
        ],
        border="horizontal",
        hide_index=True,
    )
    more = found.attributes[attribute].get("more", 0)
    st.caption(plain(f"Held-out rows, 95 % Wilson intervals.{f' {more:,} smaller groups are not shown.' if more else ''}"))


def _cell(rate: Rate) -> str:
    return rate.why if rate.value is None else f"{rate.value:.1%} ({interval(rate.low, rate.high)}), n = {rate.n:,}"


def _lines(found: Explorer, attribute: str, cut: float) -> None:
    columns = st.columns(3)
    for rate, column in zip(RATES, columns, strict=True):
        curves = dict(list(found.curves(attribute, rate).items())[:GROUPS_MAX])
        with column:
            if not any(value is not None for own in curves.values() for value in own):
                st.markdown(f"**{TITLES[rate].capitalize()}**")
                st.markdown("◇ not enough evidence in any group; the table says how many rows it would take.")
                continue
            draw(
                rates_by_threshold(found.thresholds, curves, cut, found.served),
                title=TITLES[rate].capitalize(),
                unit="share of rows, by threshold",
                n=sum(row["rows"] for row in found.attributes[attribute]["groups"][:GROUPS_MAX]),
                height=280,
                about=ABOUT,
                key=f"thresholds {attribute} {rate}",
            )


def _proposal(desk: Desk, entry: Entry, cut: float) -> None:
    """The use-case file with this threshold, as a diff; only for who may propose, and never written here."""
    if not offered(desk, "propose", "propose this threshold"):
        return
    if not 0 < cut < 1:
        st.caption("A threshold of 0 or 1 gives everybody the same answer: it cannot be proposed.")
        return
    try:
        diff = proposed_diff(find_use_case(desk.settings, entry.name)[0], ("prediction", "threshold"), cut)
    except InterlockError as error:
        trouble(error)
        return
    if diff:
        st.markdown("**Propose this threshold**")
        st.caption(
            "The file in version control stays the truth: take the diff to a review. A new training then uses it, and every gate judges."
        )
        st.code(diff, language="diff")
        st.download_button("Download the diff", diff, f"{entry.name}-threshold-{cut:g}.diff", "text/x-diff", on_click="ignore")
