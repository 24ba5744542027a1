"""The case file of a candidate: verdict, gates, champion beside it, what a yes starts, the signature; then a closer look."""

from __future__ import annotations

import streamlit as st

from dashboard.components.changes import change_level, what_changed
from dashboard.components.decide import signed
from dashboard.components.embed import attachments
from dashboard.components.live import live_of, live_strip
from dashboard.components.replays import drops, replay, replay_words
from dashboard.components.sidebyside import side_by_side
from dashboard.components.signal import mark, panel
from dashboard.components.waive import exceptions_of, explain_exceptions, may_waive, waive_form
from dashboard.components.words import moment, plain, short
from dashboard.desk import Desk
from interlock.control import actions
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.endpoint import Live
from interlock.control.readmodel.proof import Proof, proof, proof_of_package
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.control.readmodel.signals import SignalState
from interlock.control.readmodel.waiting import Waiting, duties, expiry, plan


def case_file(desk: Desk, entry: Entry, chosen: Waiting, followed: ReleaseView | None) -> None:
    """Gates first, then the comparison, what a yes starts and the signature; detail below."""
    candidate = desk.sealed(proof, chosen.evidence_digest)
    if candidate is None:
        return
    live = live_of(desk, entry.name)
    champion_slot = live.answering or (live.route.champion if live.route else None)
    champion = desk.sealed(proof_of_package, entry.name, champion_slot.digest) if champion_slot else None
    st.subheader(f"Version {candidate.version} waits for a decision", anchor=False)
    verdict = {"pass": "every gate that can stop it passed", "fail": "a gate stops it"}.get(candidate.verdict, "a gate has no answer")
    st.markdown(
        f"{mark(SignalState(candidate.verdict))} {plain(verdict)} · trained {moment(candidate.trained_at)}, "
        f"started by {plain(candidate.started_by)} · package `{short(candidate.package_digest)}` · evidence `{short(candidate.digest)}`"
    )
    if not candidate.sealed:
        st.error("The stored evidence is not what was sealed. Nothing can be approved on it: validate again.")
    if followed is not None and followed.undecided:
        st.info("Another release of this use case is on its way (above). Until it has ended, an approval is refused.")
    if followed is None:
        live_strip(live)
    _gates(candidate)
    side_by_side(candidate, champion, entry.spec.fairness.metric if entry.spec else "")
    change_level(candidate)
    replay_words(candidate)
    _plan(entry, champion_slot.version if champion_slot else None)
    _sign(desk, entry, candidate, live)
    _closer(desk, candidate)


def _closer(desk: Desk, candidate: Proof) -> None:
    """Detail below the signature, so that it is in nobody's way."""
    st.subheader("A closer look", anchor=False)
    changes, replayed, features, files = st.tabs(["What changed", "Decision replay", "Features that could go", "Model card and reports"])
    with changes:
        what_changed(candidate)
    with replayed:
        replay(candidate)
    with features:
        drops(candidate)
    with files:
        attachments(desk.settings, candidate.digest, candidate.evidence.attachments)
        if not candidate.evidence.attachments:
            st.markdown("No file is attached to this evidence.")


def _gates(candidate: Proof) -> None:
    stopping = [signal for signal, gate in zip(candidate.signals, candidate.gates, strict=True) if gate.mode == "block"]
    watching = [signal for signal, gate in zip(candidate.signals, candidate.gates, strict=True) if gate.mode != "block"]
    clear = sum(signal.state is SignalState.PASS for signal in stopping)
    st.subheader(f"Gates: {clear} of {len(stopping)} pass", anchor=False)
    panel(stopping)
    calm = [signal for signal in watching if signal.state is SignalState.PASS]
    if len(watching) > len(calm):
        st.caption("Observed only; these stop nothing:")
        panel([signal for signal in watching if signal.state is not SignalState.PASS])
    if calm:
        with st.expander(f"{len(calm)} observed gates pass; they could stop nothing"):
            panel(calm)


def _plan(entry: Entry, champion_version: int | None) -> None:
    steps = plan(entry.spec, champion_version)
    st.subheader("What a yes starts", anchor=False)
    st.markdown("\n".join(f"{n}. {plain(step)}" for n, step in enumerate(steps.steps, 1)))
    if steps.rules:
        st.markdown(plain(f"It is taken off by itself when {'; or '.join(steps.rules)}."))
    st.markdown(f"**The way back:** {plain(steps.way_back)}")


def _sign(desk: Desk, entry: Entry, candidate: Proof, live: Live) -> None:
    st.subheader("Your decision", anchor=False)
    objection = duties(desk.settings, entry.spec, candidate, desk.actor)
    if objection:
        (st.info if desk.settings.single_person else st.warning)(plain(objection))
    open_gates = exceptions_of(desk, candidate)
    explain_exceptions(open_gates)
    if until := expiry(entry.spec, candidate):
        st.caption(f"The evidence counts until {moment(until)}. It is void as soon as evidence, champion or use-case file change.")
    arguments = {"evidence_digest": candidate.digest, "expected_generation": live.route.generation if live.route else 0}
    yes, no, *more = st.tabs(["Approve", "Reject", *(["Waive"] if may_waive(open_gates) else [])])
    for place in more:
        with place:
            waive_form(desk, entry, candidate, open_gates)
    with yes:
        signed(
            desk,
            key=f"approve {candidate.digest}",
            button=f"Approve version {candidate.version}",
            word=entry.name,
            act=actions.approve,
            arguments=arguments,
            hint="Why this version should answer customers",
        )
    with no:
        signed(
            desk,
            key=f"reject {candidate.digest}",
            button=f"Reject version {candidate.version}",
            word=entry.name,
            act=actions.reject,
            arguments=arguments,
            hint="Why it should not",
            main=False,
        )
