"""Fairness: groups with size and intervals, over time, at any threshold, proxies, and what mitigation would cost."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.components import address
from dashboard.components.evidence import pick_evidence
from dashboard.components.fairness.groups import crossed_groups, groups_alone
from dashboard.components.fairness.in_time import groups_in_production
from dashboard.components.fairness.threshold_explorer import explore
from dashboard.components.fairness.trade import mitigation, proxies
from dashboard.components.frame import use_case_page
from dashboard.components.signal import line
from dashboard.components.states import empty
from dashboard.components.words import plain
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.proof import Proof

ABOUT = """Groups come from the sensitive attributes of the use-case file; these are measured and kept out of the model unless the file
says otherwise. A difference between groups calls for a look at its cause. This page assesses; it proves neither fairness nor
its absence. A group that is too small gets no figure: it says how many rows it has and how many it would need."""
SEALED: dict[str, tuple[str, Callable[[Desk, Entry, Proof], None]]] = {
    "groups": ("Groups", lambda desk, entry, chosen: groups_alone(chosen)),
    "crossed": ("Two attributes at once", lambda desk, entry, chosen: crossed_groups(chosen)),
    "threshold": ("Thresholds", lambda desk, entry, chosen: explore(desk, entry, chosen)),
    "mitigation": ("Mitigation", lambda desk, entry, chosen: mitigation(chosen, entry.name)),
    "proxies": ("Proxies", lambda desk, entry, chosen: proxies(chosen)),
}
LIVE = "production"


@use_case_page("Fairness", ABOUT)
def show(desk: Desk, entry: Entry) -> None:
    """One part at a time, so that what nobody looks at is not drawn."""
    if entry.spec is not None and not entry.spec.sensitive_columns:
        empty("No sensitive attribute is declared.", 'Give a column of the use-case file role = "sensitive" to compare its groups.')
        return
    titles = {name: title for name, (title, _) in SEALED.items()} | {LIVE: "In production"}
    part = address.chosen(
        "part",
        list(titles),
        label="Show",
        default="groups",
        words=titles.__getitem__,
        kind="segments",
        help="All but the last are about the evidence of one version, the last about what people were answered in production.",
    )
    if part == LIVE:
        groups_in_production(desk, entry)
        return
    chosen = pick_evidence(desk, entry.name)
    if chosen is not None:
        _gates(chosen, entry)
        SEALED[part][1](desk, entry, chosen)


def _gates(chosen: Proof, entry: Entry) -> None:
    """What the gates said, and whose limit it is."""
    for signal, gate in zip(chosen.signals, chosen.gates, strict=True):
        if gate.metric.startswith("fairness."):
            line(signal)
    if entry.spec is not None:
        rules = [f"{rule.name}: {rule.basis}{f' ({rule.scope})' if rule.scope else ''}" for rule in entry.spec.fairness.rules]
        st.caption(plain(f"Basis: {'; '.join(rules) or entry.spec.fairness.spoken_basis}"))


show()
