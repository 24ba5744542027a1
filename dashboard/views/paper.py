"""Evidence and model card as one long page for paper: everything open, nothing to press."""

from __future__ import annotations

import streamlit as st

from dashboard.components.frame import page
from dashboard.components.measured import table_of
from dashboard.components.signal import mark, panel
from dashboard.components.states import empty, trouble
from dashboard.components.words import moment, plain
from dashboard.desk import Desk
from dashboard.skin import tab_title
from interlock.control.readmodel.directory import Entry, entry
from interlock.control.readmodel.paper import decisions_on, printed
from interlock.control.readmodel.proof import Proof, proof
from interlock.control.readmodel.signals import SignalState
from interlock.errors import InterlockError
from reports.model_card import Part

EVIDENCE = "evidence"  # in the address
ABOUT = """One sealed evidence with the decisions on it, and the model card of its version, for paper or a PDF file: print it with the
browser. Navigation and buttons stay off the paper; colours are those of the light page. The digest names the evidence: the same digest is
the same evidence, here and in the ledger."""


@page("Evidence", ABOUT)
def show(desk: Desk) -> None:
    digest = st.query_params.get(EVIDENCE, "")
    found: Proof | None = desk.sealed(proof, digest)
    if found is None:
        empty(
            "There is no evidence with this digest.",
            "Open a candidate under Approvals, or the live model under Performance, and choose Print view.",
        )
        return
    known = entry(desk.settings, desk.store, found.use_case)
    title = known.title if known else found.use_case
    st.set_page_config(page_title=tab_title(f"Evidence of version {found.version}", title))
    _sheet(desk, found, title)
    st.header("Model card", anchor=False)
    try:
        _card(desk, known, found)
    except InterlockError as error:
        trouble(error)


def _card(desk: Desk, known: Entry | None, found: Proof) -> None:
    """The sections as they were sealed; of older evidence as they can be made now."""
    card = printed(desk.settings, desk.store, known.spec if known else None, found)
    if card is None:
        st.markdown("The use-case file is not there any more, and no card was sealed with this evidence.")
        return
    if card.built_now:
        again = f"interlock validate {found.use_case} --version {found.version}"
        st.caption(plain(f"No card was sealed with this evidence, so it was made for this view. `{again}` seals one."))
    for part in card.parts:
        _part(part)


def _sheet(desk: Desk, found: Proof, title: str) -> None:
    st.header(plain(f"{title}, version {found.version}"), anchor=False)
    st.markdown(mark(SignalState(found.verdict)))
    facts = {
        "evidence": found.digest,
        "package": found.package_digest,
        "use-case file": found.evidence.policy_digest,
        "snapshots": ", ".join(found.evidence.snapshots),
        "trained": f"{moment(found.trained_at)}, started by {found.started_by}",
        "sealed": moment(found.created_at) + ("" if found.sealed else "; the stored evidence is NOT what was sealed"),
    }
    st.table([{"what": name, "value": plain(value)} for name, value in facts.items()], border="horizontal", hide_index=True)
    st.header("Gates", anchor=False)
    panel(found.signals)
    st.header("Measured", anchor=False)
    table_of(found.findings)
    st.header("Decisions", anchor=False)
    decisions = decisions_on(desk.store, found.digest)
    for one in decisions:
        st.markdown(plain(f"{one['at']}: {one['kind']} by {one['actor']}: {one['reason']}"))
    if not decisions:
        st.markdown("Nobody has decided on this evidence.")


def _part(part: Part) -> None:
    st.subheader(plain(part.title), anchor=False)
    for text in filter(None, part.paragraphs):
        st.markdown(plain(text))
    if part.bullets:
        st.markdown("\n".join(f"- {plain(text)}" for text in part.bullets))
    for table in part.tables:
        names = [plain(name) or ("what", "value")[place % 2] for place, name in enumerate(table.titles)]  # two may be without a title
        rows = [dict(zip(names, map(plain, row), strict=True)) for row in table.rows]
        if rows:
            st.table(rows, border="horizontal", hide_index=True)
        else:
            st.caption("Nothing was measured.")


show()
