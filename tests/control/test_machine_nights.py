"""The state machine at night: standing approvals, monitored breaches, any version to go back to, retirement, power cuts at any write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from sqlalchemy import event

from interlock.control.decisions import actions, standing
from interlock.control.releases import archiving, known_good, probation, rollbacks
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.standing import standings
from interlock.records.tables import Candidate, Decision, EvidenceRow, LedgerEntry, Release, Window
from interlock.rules.approval import identities
from tests.control.conftest import USE_CASE, gate
from tests.control.test_machine import DIES, NAME, Killed, Releases
from tests.control.test_standing import CONFIG, DATA

World = Any  # tests/control/conftest.py
DAY = timedelta(days=1)
MOST = 2  # automatic rollbacks within a day
KEYS = f'probation_s = 120\nrollbacks_max = {MOST}\nprobation_rollback_on = ["operational", "labels"]'
TEXT = USE_CASE.replace("probation_s = 120", KEYS) + '\n[monitoring]\nwindow_hours = 1\nbreaches = 1\nrollback_on = ["latency.p99_ms"]\n'
WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


class Nights(Releases):
    """The machine of `test_machine` with everything that may happen while nobody looks."""

    cut = -1  # the write from now at which the store loses power; -1: never

    def plug_in(self) -> None:
        """From now on the store's writes are counted."""
        def count(statement: str) -> None:
            if statement.lstrip()[:6].upper() in WRITES:
                self.cut -= 1
                if self.cut == 0:
                    self.seen.update(["power cut"])
                    raise Killed

        engine = self.world.store.engine
        event.listen(engine, "before_cursor_execute", lambda connection, cursor, statement, *rest: count(statement))
        event.listen(engine, "commit", lambda connection: count("COMMIT"))
        self.plugged = engine

    @rule(write=st.integers(1, 12), version=st.integers(1, 4), what=st.sampled_from([
        "goes far", "runs", "advances", "reconciles", "rolls back", "goes back", "retires", "grants", "uses", "revokes"]))
    def power_is_cut(self, write: int, version: int, what: str) -> None:
        """At some write of something."""
        if getattr(self, "plugged", None) is not self.world.store.engine:
            self.plug_in()
        acts: dict[str, Callable[[], object]] = {
            "goes far": lambda: self.one_goes_far(4), "runs": lambda: self.deploy_runs(0), "reconciles": lambda: self.keeper_reconciles(0),
            "advances": lambda: self.keeper_advances(*self._good(), 0), "rolls back": lambda: self.person_rolls_back(0),
            "goes back": lambda: self._back(version), "retires": lambda: self._retire(version), "revokes": self.person_revokes,
            "grants": lambda: self.person_grants(1.0, 2, "ben"), "uses": self.keeper_uses_standing_approvals}
        if what == "advances":
            self.world.clock.forward(121)
        self.cut = write
        acts[what]()
        self.cut = -1

    def quiet(self) -> None:
        """The harness writes now."""
        self.cut = -1

    @rule(passes=st.booleans())
    def validate(self, passes: bool) -> None:
        self.quiet()
        super().validate(passes)

    @rule(figures=st.sampled_from([DATA, DATA, CONFIG, {}]), passes=st.sampled_from([True, True, False]),
          starter=st.sampled_from(["", "ben"]))
    def retrains(self, figures: dict[str, Any], passes: bool, starter: str) -> None:
        self.quiet()
        self.number += 1
        gates = None if passes else [gate("auc"), gate("odd", gate().verdict.UNKNOWN).model_copy(update={"mode": "observe"})]
        self.waiting.append(self.world.candidate(self.number, figures=figures, gates=gates, started_by=starter or "scheduler"))

    @rule(days=st.sampled_from([0.01, 1.0, 30.0]), uses=st.integers(1, 3), actor=st.sampled_from(["ben", "cas"]))
    def person_grants(self, days: float, uses: int, actor: str) -> None:
        with self.attempt():
            actions.grant(self.world.settings, self.world.store, actor=actor, use_case=NAME, reason="nights", nonce=new_id(), days=days,
                          uses_max=uses, per_week=uses, clock=self.world.clock)
            self.seen.update(["granted"])

    @rule()
    def person_revokes(self) -> None:
        with self.world.store.reading() as session:
            known = standings(session, NAME)
        for one in known[:1]:
            with self.attempt():
                actions.revoke(self.world.settings, self.world.store, actor="cas", standing_id=one.id, reason="enough", nonce=new_id(),
                               clock=self.world.clock)

    @rule()
    def keeper_uses_standing_approvals(self) -> None:
        with self.attempt():
            if standing.use_all(self.world.settings, self.world.store, clock=self.world.clock):
                self.seen.update(["used"])

    @rule(extra=st.integers(1, 5))
    def a_night_of_retraining(self, extra: int) -> None:
        """The shortest way into deep states without a person: a data-only retraining, approved by standing approval, on its way."""
        self.retrains(DATA, passes=True, starter="")
        self.person_grants(30.0, 3, "ben")
        self.keeper_uses_standing_approvals()
        self.deploy_runs(0)
        for _ in range(extra):
            self.time_passes(61)
            self.keeper_advances(*self._good(), 0)
            self.deploy_runs(0)

    @precondition(lambda self: self.number > 0)
    @rule(data=st.data(), dies=DIES, served=st.booleans())
    def person_goes_back_to_a_version(self, data: st.DataObject, dies: int, served: bool) -> None:
        known = [one.slot.version for one in known_good.choices(self.world.settings, self.world.store, NAME)] if served else []
        self._back(data.draw(st.sampled_from(known or list(range(1, self.number + 1)))), dies)

    @precondition(lambda self: self.number > 0)
    @rule(data=st.data(), dies=DIES)
    def person_retires(self, data: st.DataObject, dies: int) -> None:
        self._retire(data.draw(st.integers(1, self.number)), dies)

    def _back(self, version: int, dies: int = 0) -> None:
        self.dies_at = dies
        with self.attempt():
            self.world.roll_back(to_version=version)
            self.seen.update(["went back"])

    def _retire(self, version: int, dies: int = 0) -> None:
        self.dies_at = dies
        with self.attempt():
            actions.retire(self.world.settings, self.world.store, actor="cas", use_case=NAME, version=version, reason="old", nonce=new_id(),
                           endpoint=self.world.endpoint, clock=self.world.clock)
            self.seen.update(["retired"])

    @rule()
    def keeper_finishes_retirements(self) -> None:
        with self.attempt():
            archiving.follow_up(self.world.settings, self.world.store, NAME, endpoint=self.world.endpoint)

    @rule(bad=st.booleans(), metric=st.sampled_from(["performance.drop", "latency.p99_ms"]))
    def a_window_is_judged(self, bad: bool, metric: str) -> None:
        """An hour passes, and what answered in it is judged."""
        self.quiet()
        champion, clock = self.world.route.champion, self.world.clock
        if champion is None:
            return
        clock.forward(3_600)
        fall = {"metric": "performance.drop", "value": 0.2, "low": 0.1, "sample_size": 300}
        with self.world.store.writing() as session:
            session.add(Window(use_case=NAME, start=clock() - timedelta(hours=1), end=clock(), package_digest=champion.digest,
                               version=champion.version, rows=300, labelled=300, state="breach" if bad else "ok", revision=1,
                               findings=[fall] if bad and metric == "performance.drop" else [], created_at=clock(),
                               reports={"judgement": {"breached": [metric] if bad else []}}))

    @rule(metric=st.sampled_from(["performance.drop", "latency.p99_ms"]))
    def monitoring_finds_a_breach(self, metric: str) -> None:
        """And the keeper sees it."""
        self.a_window_is_judged(True, metric)
        self.keeper_advances(*self._good(), 0)

    def _good(self) -> tuple[Any, Any]:
        from tests.control.test_machine import GOOD

        return GOOD, GOOD

    def teardown(self) -> None:
        self.quiet()
        self.standing_approvals_were_kept()
        self.retired_versions_are_gone()
        self.rollbacks_lead_where_somebody_answered()
        self.machines_do_not_flap()
        super().teardown()

    def standing_approvals_were_kept(self) -> None:
        """Each use: in time, before its end, within its number, by somebody who did not start it, on data alone, all gates passed."""
        with self.world.store.reading() as session:
            known = {one.id: one for one in standings(session, NAME, limit=1_000)}
            order = {row.id: row.detail["ledger_seq"] for row in session.query(Decision)}
            ends: dict[str, int] = {}
            for row in session.query(Decision).filter(Decision.kind.in_(("revoke", "suspend"))):
                standing_id = row.detail["standing_approval"]
                ends[standing_id] = min(order[row.id], ends.get(standing_id, order[row.id]))
            for row in session.query(Decision).filter_by(kind="approve"):
                one = known.get(row.detail.get("standing_approval", ""))
                if one is None:
                    continue
                evidence, candidate = session.get(EvidenceRow, row.evidence_digest), session.get(Candidate, row.candidate_id)
                assert row.actor == one.grantor
                assert one.granted_at <= row.created_at < one.expires_at
                assert order[one.id] < order[row.id] < ends.get(one.id, 10**9)
                assert evidence.body["figures"]["changes"]["data_only"] is True
                assert {result["verdict"] for result in evidence.body["gates"]} == {"pass"}
                assert not identities(candidate.started_by) & identities(one.grantor)
            assert all(len(one.used) <= one.uses_max for one in known.values())

    def retired_versions_are_gone(self) -> None:
        with self.world.store.reading() as session:
            gone = {row.candidate_id: row.detail["ledger_seq"] for row in session.query(Decision).filter_by(kind="retire")}
            digests = {row.package_digest for row in session.query(Candidate) if row.id in gone}
            assert {row.state for row in session.query(Release) if row.candidate_id in gone} <= {"retired"}
            for row in session.query(Decision).filter_by(kind="approve"):
                assert row.candidate_id not in gone or row.detail["ledger_seq"] < gone[row.candidate_id]
        held = [self.world.route, *self.world.endpoint.routes.values()]
        assert not {slot.digest for route in held for slot in route.slots()} & digests

    def rollbacks_lead_where_somebody_answered(self) -> None:
        """No champion of any route ever came from nowhere: it was approved before, and a rollback leads to one that had been champion."""
        approved: set[str] = set()
        served: set[str] = set()
        back: set[str] = set()
        with self.world.store.reading() as session:
            for entry in session.query(LedgerEntry).order_by(LedgerEntry.seq):
                body = ledger.body_of(entry)
                if entry.kind == "decision.approve":
                    approved.add(body["package_digest"])
                if entry.kind == "decision.rollback":
                    back.add(body["decision_id"])
                if entry.kind == "route.changed" and body["after"]["champion"] is not None:
                    digest = body["after"]["champion"]["digest"]
                    assert digest in approved
                    assert digest in served or body["decision_id"] not in back
                    served.add(digest)

    def machines_do_not_flap(self) -> None:
        """Never more than `MOST` automatic rollbacks of the live version within any day."""
        with self.world.store.reading() as session:
            rows = session.query(Decision).filter_by(kind="rollback", actor="interlock")
            moments = sorted(row.created_at for row in rows if row.detail.get("from") != row.detail.get("to"))
        for one in moments:
            assert sum(one - DAY < other <= one for other in moments) <= MOST
        self.seen.update(["automatic"] * len(moments))


@pytest.fixture
def nights(copies_of: Callable[[str], Callable[[Path], World]], monkeypatch: pytest.MonkeyPatch) -> type[Nights]:
    """The machine over copies of one migrated, empty store; packages have tests of their own."""
    monkeypatch.setattr(rollbacks, "prove", lambda settings, slot: None)
    return type("OneNight", (Nights,), {"make": staticmethod(copies_of(TEXT)), "seen": Counter()})


def go(machine: type[Nights], examples: int) -> None:
    run_state_machine_as_test(machine, settings=settings(
        max_examples=examples, stateful_step_count=15, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False))


def test_nothing_goes_wrong_at_night(nights: type[Nights]) -> None:
    go(nights, 30)
    assert {"power cut", "used", "went back", "retired", "automatic", "granted"} <= set(nights.seen), nights.seen


def forgets_retirements(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (known_good, rollbacks):
        monkeypatch.setattr(module, "retired", lambda session, use_case: {})
    monkeypatch.setattr(archiving, "archive", lambda settings, digest, back=False: [])


def forgets_what_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any version on disk counts as one that answered."""
    from interlock.records import candidates
    from interlock.rules.routes import Slot

    def anything(settings: Any, session: Any, use_case: str, version: int, route: Any) -> Any:
        found = candidates.numbered(session, use_case, version)
        return Slot(version=version, digest=found.package_digest) if found else route.previous

    monkeypatch.setattr(rollbacks, "target_of", anything)


def any_change(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(standing, "evidence_objections", lambda *given, **more: [])


def after_its_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(standing, "standing_objections", lambda *given, **more: [])
    patch.setattr(standing, "active", lambda session, now: standings(session, NAME))


def flapping(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(probation, "guard_objection", lambda *given, **more: "")


def granted_then(night: Nights, days: float, seconds: int, figures: dict[str, Any]) -> None:
    night.person_grants(days, 2, "ben")
    night.time_passes(seconds)
    night.retrains(figures, passes=True, starter="")
    night.keeper_uses_standing_approvals()


def breaches_again_and_again(night: Nights) -> None:
    for _ in range(MOST + 1):
        night.one_goes_far(8)
        night.monitoring_finds_a_breach("latency.p99_ms")
        night.time_passes(3_700)  # over the cooldown


def retires_and_goes_back(night: Nights) -> None:
    night._retire(1)
    night._back(1)


def goes_back_to_a_candidate(night: Nights) -> None:
    night.validate(True)
    night._back(night.number)


STORIES: list[tuple[Callable[[Nights], None], Callable[[pytest.MonkeyPatch], None]]] = [
    (lambda night: granted_then(night, 30.0, 1, CONFIG), any_change),
    (lambda night: granted_then(night, 0.01, 90_000, DATA), after_its_end),
    (breaches_again_and_again, flapping), (retires_and_goes_back, forgets_retirements), (goes_back_to_a_candidate, forgets_what_answered)]
NAMES = ["any change", "after its end", "flapping", "retired", "never answered"]


def told(nights: type[Nights], story: Callable[[Nights], None]) -> None:
    """The story after three versions came and went; then every invariant, as after any run of the machine."""
    night = nights()
    night.begin(live=3)
    story(night)
    night.one_champion_and_one_on_its_way()
    night.teardown()


@pytest.mark.parametrize("story", [story for story, _ in STORIES], ids=NAMES)
def test_a_temptation_is_resisted(nights: type[Nights], story: Callable[[Nights], None]) -> None:
    told(nights, story)


@pytest.mark.parametrize(("story", "breaks"), STORIES, ids=NAMES)
def test_without_its_guard_the_invariants_catch_it(nights: type[Nights], monkeypatch: pytest.MonkeyPatch, story: Callable[[Nights], None],
                                                   breaks: Callable[[pytest.MonkeyPatch], None]) -> None:
    breaks(monkeypatch)
    with pytest.raises(AssertionError):
        told(nights, story)
