"""The story: train, approve, deploy, serve, drift, retrain, canary, promote; a bad candidate taken off; a person's rollback."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.progress import Progress

from demo.journal import Journal
from demo.stage import RUN_TIMEOUT_S, Stage, edit_use_case, gate_results, utc
from demo.traffic import Customers
from interlock.control.decisions import actions
from interlock.control.deployments import COSTS, LIFECYCLE, MONITOR
from interlock.errors import InterlockError
from interlock.records.ids import new_id
from interlock.records.routes import read_route
from interlock.records.tables import Decision, Release
from interlock.rules.releases import ReleaseState
from interlock.rules.routes import Observed, agrees
from interlock.serving.client import ServingClient

USE_CASE = "flight_delays"
ML_TEAM, APPROVER, ON_CALL = "Mira (ML team, demo)", "Dana (approver, demo)", "Omar (on-call, demo)"
FIRST_TRAINING, LATER_TRAINING, REPLAY_END = utc("2013-04-01"), utc("2013-07-22"), utc("2013-07-29")
TRAFFIC_STEP, TRAFFIC_PAUSE_S = timedelta(hours=4), 0.2
WEEK, LABELS_LATE = timedelta(days=7), timedelta(days=1)
LOOK_AFTER_WEEKS = 7  # one look judges all windows since the last one: the start of a flow run takes longer than they do
FLIGHT, IGNORED = '[columns.flight]\ntype = "integer"\n', 'role = "ignore"'


@dataclass
class Scenario:
    """One telling of the story; every act leaves a step in the journal."""

    stage: Stage
    journal: Journal
    customers: Customers
    client: ServingClient
    progress: Progress

    def tell(self) -> None:
        clock = self.first_model()
        second = self.second_use_case()
        clock = self.replay_until_drift(clock)
        self.stage.finished(second)
        clock = self.retrained_model(clock)
        self.bad_candidate(max(clock, LATER_TRAINING))
        self.persons_rollback()
        self.one_waiting()

    def first_model(self) -> datetime:
        """January to March: the first candidate, a person's yes, live on probation."""
        self._train("First candidate from January to March", FIRST_TRAINING)
        decision = self._approve("the first model: every gate passed, no way back is needed yet")
        self._until_state(decision, ReleaseState.PROBATION, ReleaseState.LIVE)
        self._deployed("First model answers customers")
        return FIRST_TRAINING

    def second_use_case(self) -> str:
        """Another team's use case, trained while the flights are replayed."""
        return self.stage.start(LIFECYCLE, use_case="loan_approvals", started_by=ML_TEAM)

    def replay_until_drift(self, clock: datetime) -> datetime:
        """From April on, week by week: predictions now, outcomes a day later; monitoring asks for a retraining when it must."""
        bar = self.progress.add_task("flights answered", total=self.customers.count(clock, REPLAY_END))
        weeks = 0
        while clock < REPLAY_END:
            self._send(clock, clock + WEEK, bar)
            self.customers.tell(clock - LABELS_LATE, clock + WEEK - LABELS_LATE)
            clock, weeks = clock + WEEK, weeks + 1
            if weeks % LOOK_AFTER_WEEKS == 0:
                self.stage.run(MONITOR, use_case=USE_CASE, as_of=clock.isoformat())
                if self.stage.retraining(USE_CASE) is not None:
                    self.progress.remove_task(bar)
                    self.journal.step("Real drift: enough windows breached, retraining asked for", "monitoring.breach",
                                      as_of=clock.isoformat(), answered=self.customers.sent)
                    return clock
        raise InterlockError("no drift was found in the replayed months", value=f"{weeks} weeks", next_step="interlock status")

    def retrained_model(self, clock: datetime) -> datetime:
        """The retraining that monitoring asked for: gates, a person's yes, canary under real traffic, promoted."""
        asked = self.stage.retraining(USE_CASE)
        if asked is None:
            raise InterlockError("no retraining was asked for")
        self.stage.finished(asked.cause)
        self._validated("Retrained candidate passed its gates")
        decision = self._approve("retrained after drift; better than the champion on the same flights")
        clock = self._canary(decision, clock, {ReleaseState.PROBATION, ReleaseState.ROLLED_BACK}, ReleaseState.PROBATION)
        self._deployed("Retrained model promoted through the canary")
        return clock

    def bad_candidate(self, clock: datetime) -> None:
        """A change that passes every offline gate truthfully and breaks on live traffic, where its new field is written another way."""
        path = self.stage.settings.usecases_dir / f"{USE_CASE}.toml"
        before = edit_use_case(path, FLIGHT + IGNORED, FLIGHT + "#")
        self._train("Candidate that also reads the flight number passed its gates", LATER_TRAINING)
        decision = self._approve("the flight number makes it a little better on the same flights")
        ends = {ReleaseState.ROLLED_BACK, ReleaseState.PROBATION}
        self._canary(decision, clock, ends, ReleaseState.ROLLED_BACK, spoil=_airline_code_in_front)
        candidate, _ = self.stage.candidate(USE_CASE)
        self.journal.step("Canary breached on live traffic: rolled back automatically", "decision.rollback", version=candidate.number,
                          candidate_id=candidate.id, reason=self.stage.release(decision.id).reason, answers=self._live())
        path.write_text(before, encoding="utf-8")

    def persons_rollback(self) -> None:
        """At 03:00 a person goes back one model: the swap comes first, the flow after it."""
        live = self.client.observed(USE_CASE)
        if live is None or live.previous is None:
            raise InterlockError("the endpoint names no way back", value=live, next_step="interlock status")
        receipt = actions.rollback(self.stage.settings, self.stage.store, actor=ON_CALL, use_case=USE_CASE, nonce=new_id(),
                                   reason="complaints from the airport: back to the previous model", expected_generation=live.generation)
        now = self.client.observed(USE_CASE)
        if now is None or now.champion != live.previous:
            raise InterlockError("the rollback did not change the answer", value=now)
        self.journal.step("A person rolled back: the previous model answers", "decision.rollback", actor=ON_CALL,
                          decision_id=receipt.decision_id, **self._answering())

    def one_waiting(self) -> None:
        """A candidate for the person at the keyboard, and what all of it cost."""
        self._train("Candidate waiting for your own decision", LATER_TRAINING)
        self.stage.run(COSTS, use_case=USE_CASE)

    def _train(self, title: str, as_of: datetime) -> None:
        self.stage.run(LIFECYCLE, use_case=USE_CASE, as_of=as_of.isoformat(), started_by=ML_TEAM)
        self._validated(title)

    def _validated(self, title: str) -> None:
        candidate, evidence = self.stage.candidate(USE_CASE)
        self.journal.step(title, "evidence.sealed", version=candidate.number, digest=candidate.package_digest, evidence=evidence.digest,
                          verdict=evidence.verdict, gates=gate_results(evidence))

    def _approve(self, reason: str) -> Decision:
        candidate, evidence = self.stage.candidate(USE_CASE)
        with self.stage.store.reading() as session:
            generation = read_route(session, USE_CASE).generation
        receipt = actions.approve(self.stage.settings, self.stage.store, actor=APPROVER, evidence_digest=evidence.digest, reason=reason,
                                  nonce=new_id(), expected_generation=generation)
        self.journal.step(f"Version {candidate.number} approved by {APPROVER}", "decision.approve", actor=APPROVER,
                          version=candidate.number, digest=candidate.package_digest, decision_id=receipt.decision_id)
        with self.stage.store.reading() as session:
            return session.get_one(Decision, receipt.decision_id)

    def _canary(self, decision: Decision, clock: datetime, ends: set[ReleaseState], wanted: ReleaseState, *, spoil: Any = None) -> datetime:
        """Real traffic at a steady pace while the keeper judges the steps, until the release ends."""
        self._until_state(decision, ReleaseState.CANARY, *ends)
        bar, deadline = self.progress.add_task("flights answered during the canary", total=None), time.monotonic() + RUN_TIMEOUT_S
        while True:
            release = self.stage.release(decision.id)
            state = ReleaseState(release.state)
            if state in ends:
                break
            if state in {ReleaseState.FAILED, ReleaseState.PAUSED} or time.monotonic() > deadline:
                raise InterlockError(f"the release is {state}, not {wanted}", value=release.reason or release.analysis)
            self._send(clock, clock + TRAFFIC_STEP, bar, spoil=spoil)
            clock += TRAFFIC_STEP
            time.sleep(TRAFFIC_PAUSE_S)
        self.progress.remove_task(bar)
        if state is not wanted:
            raise InterlockError(f"the release ended as {state}, not {wanted}", value=release.reason)
        return clock

    def _send(self, start: datetime, end: datetime, bar: Any, *, spoil: Any = None) -> None:
        for rows in self.customers.ask(start, end, spoil=spoil):
            self.progress.advance(bar, rows)

    def _until_state(self, decision: Decision, *states: ReleaseState) -> Release:
        def look() -> Release | None:
            release = self.stage.release(decision.id)
            if release.state == ReleaseState.FAILED:
                raise InterlockError("the release failed", value=release.reason)
            return release if release.state in states else None

        return self.stage.until(look, f"a release that is {' or '.join(states)}")  # type: ignore[no-any-return]

    def _deployed(self, title: str) -> None:
        self.journal.step(title, "route.changed", **self._answering())

    def _answering(self) -> dict[str, Any]:
        """Facts of a step after which the endpoint answers with the step's own version."""
        live = self._live()
        return {"version": live["version"], "digest": live["digest"], "answers": live}

    def _live(self) -> dict[str, Any]:
        """What the endpoint itself says, once it does what the route asks."""
        with self.stage.store.reading() as session:
            route = read_route(session, USE_CASE)

        def look() -> Observed | None:
            seen = self.client.observed(USE_CASE)
            return seen if seen is not None and agrees(route, seen) else None

        seen = self.stage.until(look, f"an answer of the endpoint with generation {route.generation}")
        return {"version": seen.champion.version, "digest": seen.champion.digest, "generation": seen.generation}


def _airline_code_in_front(record: dict[str, Any]) -> dict[str, Any]:
    """The planted fault: a booking system writes UA1545 where the data had 1545, which the candidate must refuse."""
    return {**record, "flight": f"{record['carrier']}{record['flight']}"}
