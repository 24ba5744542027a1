"""The case file of a candidate on one screen: what waits, gates, the numbers of both, what a yes starts, the way back, the signature."""

from __future__ import annotations

import streamlit as st

from dashboard.components.approvals.bound import bound, clock, void
from dashboard.components.approvals.changes import change_level
from dashboard.components.approvals.closer import closer
from dashboard.components.approvals.replays import replay_words
from dashboard.components.approvals.signing import sign
from dashboard.components.approvals.stakes import waiting_costs
from dashboard.components.live import live_of, one_line
from dashboard.components.sidebyside import telling
from dashboard.components.signal import mark, panel
from dashboard.components.words import moment, plain, short
from dashboard.desk import Desk
from interlock.control.readmodel.bound import Bound
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.endpoint import Live
from interlock.control.readmodel.proof import Proof, proof, proof_of_package
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.control.readmodel.signals import Signal, SignalState
from interlock.control.readmodel.waiting import plan

VERDICTS = {"pass": "every gate that can stop it passed", "fail": "a gate stops it"}


def case_file(desk: Desk, entry: Entry, evidence_digest: str, followed: ReleaseView | None) -> None:
    """Left what is known, right what a decision does; details below, where they are in nobody's way."""
    candidate: Proof | None = desk.sealed(proof, evidence_digest)
    if candidate is None:
        st.warning("There is no such evidence any more.")
        return
    now, live = bound(desk, evidence_digest), live_of(desk, entry.name)
    slot = live.answering or (live.route.champion if live.route else None)
    champion: Proof | None = desk.sealed(proof_of_package, entry.name, slot.digest) if slot else None
    _head(candidate, followed)
    known, decided = st.columns([7, 5], gap="medium")
    with known:
        if followed is None:
            one_line(live)
        _gates(candidate)
        telling(candidate, champion, entry.spec.fairness.metric if entry.spec else "")
        with st.container(gap="xsmall"):
            change_level(candidate)
            replay_words(candidate, told={gate.metric for gate in candidate.gates if gate.verdict.value != "pass"})
            waiting_costs(desk, candidate, champion)
        passed = [signal for signal in candidate.signals if signal.state is SignalState.PASS]
        if passed:
            with st.expander(_passing(candidate, len(passed))):
                panel(passed)
    with decided, st.container(border=True, gap="xsmall"):
        _decision(desk, entry, candidate, live, now)
    closer(desk, entry, candidate, champion)


def _head(candidate: Proof, followed: ReleaseView | None) -> None:
    with st.container(gap=None):
        st.header(f"Version {candidate.version} waits for a decision", anchor=False)
        st.markdown(
            f"{mark(SignalState(candidate.verdict))} {plain(VERDICTS.get(candidate.verdict, 'a gate has no answer'))} · trained "
            f"{moment(candidate.trained_at)}, started by {plain(candidate.started_by)} · package `{short(candidate.package_digest)}`"
        )
        st.link_button("Print view", f"paper?evidence={candidate.digest}", type="tertiary")
    if not candidate.sealed:
        st.error("The stored evidence is not what was sealed. Nothing can be approved on it: validate again.")
    if followed is not None and followed.undecided:
        st.info("Another release of this use case is on its way (above). Until it has ended, an approval is refused.")


def _passing(candidate: Proof, passed: int) -> str:
    """How many pass, and how many of these only observe: the line above counts the others."""
    watching = sum(gate.mode != "block" and gate.verdict.value == "pass" for gate in candidate.gates)
    return f"See what passes: {passed - watching} gates" + (f", and {watching} that only observe" if watching else "")


def _gates(candidate: Proof) -> None:
    """What fails, warns or has no answer in one sentence each; what passes is a tap away."""
    pairs = list(zip(candidate.signals, candidate.gates, strict=True))
    stopping = [signal for signal, gate in pairs if gate.mode == "block"]
    clear = sum(signal.state is SignalState.PASS for signal in stopping)
    watching = [signal for signal, gate in pairs if gate.mode != "block" and signal.state is not SignalState.PASS]
    stop = [signal for signal in stopping if signal.state is not SignalState.PASS]
    with st.container(gap="xsmall"):
        _sentences(clear, stopping, stop, watching)


def _sentences(clear: int, stopping: list[Signal], stop: list[Signal], watching: list[Signal]) -> None:
    st.markdown(f"**Gates: {clear} of {len(stopping)} pass**" + ("" if watching or stop else ", and none that only observes objects."))
    panel(stop)
    if watching:
        st.caption("Observed only; these stop nothing:")
        panel(watching)


def _decision(desk: Desk, entry: Entry, candidate: Proof, live: Live, now: Bound) -> None:
    slot = live.answering or (live.route.champion if live.route else None)
    steps = plan(entry.spec, slot.version if slot else None)
    st.header("What a yes starts", anchor=False)
    st.markdown(plain(steps.short))
    st.markdown(f"**The way back:** {plain(steps.way_back)}")
    if now.open:
        clock(candidate.digest, desk.person, now)
        sign(desk, entry, candidate, live, now)
    else:
        void(now, candidate.version, entry.name)
