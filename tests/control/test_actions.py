"""Approve, reject, waive: who may, on what, how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from interlock.control.decisions import approving
from interlock.control.decisions.undecided import Waiting, undecided
from interlock.errors import DecisionRefused, EvidenceError
from interlock.records import candidates, ledger
from interlock.records.ids import new_id
from interlock.records.tables import Candidate, Decision, EvidenceRow, LedgerEntry, Outbox, Release
from interlock.rules.evidence import Evidence
from interlock.rules.gates import GateResult, Verdict

World = Any  # tests/control/conftest.py


def counts(world: World) -> dict[str, int]:
    with world.store.reading() as session:
        return {table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
                for table in (Decision, Release, Outbox, LedgerEntry)}


def failing(name: str, verdict: Verdict = Verdict.FAIL, *, waivable: bool = True) -> GateResult:
    return GateResult(gate=name, title=name, verdict=verdict, sentence=name, metric=f"m.{name}", threshold=0.5, direction="at_least",
                      waivable=waivable)


def passing(name: str) -> GateResult:
    return failing(name, Verdict.PASS)


def test_an_approval_writes_decision_release_intent_and_ledger_together(world: World) -> None:
    receipt = world.approve(world.candidate(1))
    # two entries: decision.approve and release.planned
    assert counts(world) == {"decisions": 1, "releases": 1, "outbox": 1, "ledger": 2}
    with world.store.reading() as session:
        intent = session.scalars(select(Outbox)).one()
        assert (intent.cause, intent.deployment, intent.state) == (receipt.decision_id, "deploy/deploy", "pending")
        assert intent.parameters == {"use_case": "small_loans", "release_id": receipt.release_id}
    assert world.release(receipt.release_id).state == "planned"
    assert ledger.verify(world.store).ok


def test_the_same_click_again_gets_the_same_receipt(world: World) -> None:
    evidence, nonce = world.candidate(1), new_id()
    first, second = world.approve(evidence, nonce=nonce), world.approve(evidence, nonce=nonce)
    assert second.replayed
    assert second.model_copy(update={"replayed": False}) == first
    assert counts(world)["outbox"] == 1


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_first_decision_on_evidence_wins(world: World, action: str) -> None:
    evidence = world.candidate(1)
    world.approve(evidence, actor="ben")
    second = {"approve": world.approve, "reject": world.reject}[action]
    with pytest.raises(DecisionRefused, match="already decided by ben at 2024-05-04T14:00:00"):
        second(evidence, actor="cas")
    assert counts(world)["decisions"] == 1


def test_a_rejected_candidate_cannot_be_approved_any_more(world: World) -> None:
    evidence = world.candidate(1)
    world.reject(evidence, actor="ben")
    with pytest.raises(DecisionRefused, match="already decided by ben"):
        world.approve(evidence, actor="cas")
    assert counts(world) == {"decisions": 1, "releases": 0, "outbox": 0, "ledger": 1}


@pytest.mark.parametrize(("changes", "says"), [
    ({"actor": "ada"}, "author of the use case"),
    ({"actor": "Ada"}, "author of the use case"),
    ({"actor": "ada@example.org"}, "author of the use case"),
    ({"expected_generation": 7}, "generation 0, not 7"),
    ({"reason": "  "}, "needs a reason"),
    ({"actor": "scheduler"}, "needs a person's name"),
    ({"actor": "interlock"}, "needs a person's name"),
    ({"nonce": "x"}, "needs a nonce"),
])
def test_an_approval_is_refused(world: World, changes: dict[str, Any], says: str) -> None:
    evidence = world.candidate(1)
    with pytest.raises(DecisionRefused, match=says):
        world.approve(evidence, **changes)
    assert counts(world) == {"decisions": 0, "releases": 0, "outbox": 0, "ledger": 0}


def test_whoever_started_the_training_may_not_approve(world: World) -> None:
    with pytest.raises(DecisionRefused, match="ben started the training"):
        world.approve(world.candidate(1, started_by="ben"), actor="ben")


def test_a_single_person_may_approve_their_own_work_and_the_ledger_says_so(make_world: Callable[..., World]) -> None:
    world = make_world(single_person=True)
    world.approve(world.candidate(1, started_by="ada"), actor="ada")
    with world.store.reading() as session:
        entry = ledger.entries(session, kinds=["decision.approve"])[0]
    assert ledger.body_of(entry)["detail"]["single_person"] is True


@pytest.mark.parametrize(("roles", "allowed"), [(["approver"], True), (["admin"], True), (["operator"], False), (["viewer"], False),
                                                ([], False)])
def test_only_some_roles_may_approve(make_world: Callable[..., World], roles: list[str], allowed: bool) -> None:
    world = make_world(people={"ben": roles})
    evidence = world.candidate(1)
    if allowed:
        assert world.approve(evidence).release_id
    else:
        with pytest.raises(DecisionRefused, match="ben may not approve"):
            world.approve(evidence)


def test_a_stranger_has_no_role_once_people_are_listed(make_world: Callable[..., World]) -> None:
    world = make_world(people={"ben": ["approver"]})
    with pytest.raises(DecisionRefused, match="eve may not approve"):
        world.approve(world.candidate(1), actor="eve")


def test_local_mode_is_said_in_the_ledger(world: World) -> None:
    world.approve(world.candidate(1))
    with world.store.reading() as session:
        entry = ledger.entries(session, kinds=["decision.approve"])[0]
    assert ledger.body_of(entry)["detail"]["roles_from"].startswith("local mode")


def test_altered_evidence_is_refused_from_the_row_itself(world: World) -> None:
    evidence = world.candidate(1, gates=[failing("auc")])
    with world.store.writing() as session:  # somebody edits the verdict in the database
        body = session.get_one(EvidenceRow, evidence).body
        gates = [body["gates"][0] | {"verdict": "pass"}]
        session.execute(update(EvidenceRow).values(body=body | {"gates": gates}, verdict="pass"))
    with pytest.raises(EvidenceError, match="changed after it was sealed"):
        world.approve(evidence)


def test_a_changed_policy_voids_the_evidence(world: World) -> None:
    evidence = world.candidate(1)
    path = world.settings.usecases_dir / "small_loans.toml"
    path.write_text(path.read_text().replace("probation_s = 120", "probation_s = 1"))
    with pytest.raises(DecisionRefused, match="use-case file changed"):
        world.approve(evidence)


def test_stale_evidence_is_refused(world: World) -> None:
    evidence = world.candidate(1)
    world.clock.forward(7 * 86_400 + 1)  # evidence_days_max = 7
    with pytest.raises(DecisionRefused, match="stale"):
        world.approve(evidence)


def test_a_changed_champion_voids_the_evidence(world: World) -> None:
    evidence = world.candidate(2)
    world.make_live(1)
    with pytest.raises(DecisionRefused, match="champion changed"):
        world.approve(evidence)


def test_one_release_at_a_time(world: World) -> None:
    world.approve(world.candidate(1))
    with pytest.raises(DecisionRefused, match="still on its way"):
        world.approve(world.candidate(2))


def test_a_failing_gate_needs_a_waiver_by_somebody_else(world: World) -> None:
    evidence = world.candidate(1, gates=[failing("auc"), failing("fairness", Verdict.UNKNOWN)])
    with pytest.raises(DecisionRefused, match=r"gate 'auc' says FAIL and can be waived"):
        world.approve(evidence, actor="ben")
    world.waive(evidence, ["auc"], actor="ben")
    with pytest.raises(DecisionRefused, match=r"gate 'fairness' says UNKNOWN"):
        world.approve(evidence, actor="cas")
    world.waive(evidence, ["fairness"], actor="ben")
    with pytest.raises(DecisionRefused, match=r"gate 'auc'"):
        world.approve(evidence, actor="ben")  # the second signature must be another person's
    assert world.approve(evidence, actor="cas").release_id


def test_an_expired_waiver_does_not_count(world: World) -> None:
    evidence = world.candidate(1, gates=[failing("auc")])
    world.waive(evidence, ["auc"], hours=1)
    world.clock.forward(3_601)
    with pytest.raises(DecisionRefused, match="gate 'auc' says FAIL"):
        world.approve(evidence, actor="cas")


@pytest.mark.parametrize("bad", [failing("auc", Verdict.UNKNOWN, waivable=False)])
def test_missing_or_broken_evidence_can_never_be_waived(world: World, bad: GateResult) -> None:
    evidence = world.candidate(1, gates=[bad])
    with pytest.raises(DecisionRefused, match="can never be waived"):
        world.waive(evidence, ["auc"])


def test_evidence_without_gates_is_never_approved(world: World) -> None:
    with pytest.raises(DecisionRefused, match="nothing was judged"):
        world.approve(world.candidate(1, gates=[]))


def judged_again(world: World, evidence: str, gates: list[GateResult]) -> str:
    """The same candidate validated a second later; the answer is the newer evidence's digest."""
    with world.store.writing() as session:
        body = session.get_one(EvidenceRow, evidence).body
        again = Evidence.model_validate(body).model_copy(update={"created_at": world.clock() + timedelta(seconds=1), "gates": gates})
        return str(candidates.add_evidence(session, again).digest)


def newer_evidence_counts(world: World) -> None:
    """A page that is still open on the older evidence must not approve what the newer one stops."""
    world.make_live(1)
    older = world.candidate(2)
    judged_again(world, older, [failing("auc")])
    with pytest.raises(DecisionRefused, match="newer evidence about this version exists"):
        world.approve(older)


def test_newer_evidence_about_the_version_counts_whatever_the_older_said(world: World) -> None:
    newer_evidence_counts(world)


def test_an_approval_of_older_evidence_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approving, "superseded", lambda *_: False)
    with pytest.raises(pytest.fail.Exception):
        newer_evidence_counts(world)


def test_the_newest_evidence_can_always_be_approved(world: World) -> None:
    """Also where it was put on record later than it was made, and whatever the older one said."""
    newest = judged_again(world, world.candidate(1, gates=[failing("auc")]), [passing("auc")])
    with world.store.writing() as session:
        row = session.get_one(EvidenceRow, newest)
        row.created_at += timedelta(seconds=5)
    assert [one.evidence_digest for one in waiting(world)] == [newest]
    assert world.approve(newest).release_id


def waiting(world: World) -> list[Waiting]:
    with world.store.reading() as session:
        return undecided(world.settings, session, "small_loans")


def test_a_version_whose_package_is_gone_is_not_approved(world: World) -> None:
    evidence = world.candidate(1)
    with world.store.reading() as session:
        package = session.query(Candidate).one().package_digest
    (world.settings.folder("packages") / package.removeprefix("sha256:")).rmdir()
    with pytest.raises(DecisionRefused, match="its package is not on disk any more"):
        world.approve(evidence)
