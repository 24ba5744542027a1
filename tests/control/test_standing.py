"""Standing approvals: what they let through, what they never do, and that they end at once. Each guard with a broken variant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interlock.control.decisions import actions, standing
from interlock.control.decisions.undecided import undecided
from interlock.control.keeping.keeper import Keeper
from interlock.errors import DecisionRefused, EvidenceError
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.standing import find, standings
from interlock.records.tables import Alert, Decision, EvidenceRow
from interlock.rules.gates import Verdict
from tests.control.conftest import NAME, USE_CASE, gate

World = Any  # tests/control/conftest.py
DATA = {"changes": {"level": "patch", "data_only": True, "rows": [{"what": "snapshot", "level": "patch"}]}}
CONFIG = {"changes": {"level": "minor", "data_only": False, "rows": [{"what": "learning_rate", "level": "minor"}]}}
DAY = 86_400


def granted(world: World, actor: str = "ben", **changes: Any) -> str:
    wanted = {"days": 20, "uses_max": 3, "per_week": 2} | changes
    receipt = actions.grant(world.settings, world.store, actor=actor, use_case=NAME, reason="nights", nonce=new_id(), clock=world.clock,
                            **wanted)
    return str(receipt.decision_id)


def revoke(world: World, standing_id: str, actor: str = "cas") -> Any:
    return actions.revoke(world.settings, world.store, actor=actor, standing_id=standing_id, reason="enough", nonce=new_id(),
                          clock=world.clock)


def used(world: World) -> list[str]:
    return standing.use_all(world.settings, world.store, clock=world.clock)


def approvals(world: World) -> list[Decision]:
    with world.store.reading() as session:
        return [row for row in session.query(Decision).filter_by(kind="approve") if "standing_approval" in row.detail]


def finish(world: World) -> None:
    """The release that is on its way becomes live."""
    from tests.control.conftest import GOOD

    release = approvals(world)[-1].detail["release_id"]
    world.run(release)
    for _ in range(2):
        world.endpoint.arms = (GOOD, GOOD)
        world.clock.forward(61)
        world.keep(release)
        world.run(release)
    world.clock.forward(121)
    world.keep(release)
    assert world.release(release).state == "live"


def retraining(world: World, number: int = 2, **changes: Any) -> str:
    return str(world.candidate(number, **({"figures": DATA} | changes)))


def test_a_data_only_retraining_is_approved_in_the_name_of_the_person(world: World) -> None:
    world.make_live(1)
    one = granted(world)
    evidence = retraining(world)
    assert used(world) == [f"version 2 of {NAME} approved by standing approval {one} (decision {approvals(world)[0].id})"]
    assert used(world) == []  # law 2: one decision per evidence
    decision = approvals(world)[0]
    assert (decision.actor, decision.evidence_digest, decision.detail["standing_approval"]) == ("ben", evidence, one)
    assert decision.reason == f"by standing approval {one}: nights"
    assert world.release(decision.detail["release_id"]).state == "planned"
    with world.store.reading() as session:
        kinds = [entry.kind for entry in ledger.entries(session, use_case=NAME)]
        assert [kinds.count(kind) for kind in ("decision.grant", "standing.used", "decision.approve")] == [1, 1, 2]
        assert session.query(Alert).filter_by(severity="info").count() == 1
    assert ledger.verify(world.store).ok


def refused(world: World, **changes: Any) -> None:
    """Nothing is approved, and a person still may."""
    world.make_live(1)
    granted(world)
    evidence = retraining(world, **changes)
    assert (used(world), approvals(world)) == ([], [])
    with world.store.reading() as session:
        assert session.query(Decision).filter_by(evidence_digest=evidence).count() == 0


@pytest.mark.parametrize("changes", [
    {"gates": [gate(), gate("calibration", Verdict.FAIL, waivable=True)]}, {"gates": [gate("auc", Verdict.UNKNOWN)]},
    {"gates": [gate(), gate("odd", Verdict.UNKNOWN).model_copy(update={"mode": "observe"})]}, {"gates": []},
    {"figures": CONFIG}, {"figures": {}}, {"figures": {"changes": {"data_only": True}}}, {"figures": {"changes": "?"}},
    {"started_by": "ben"}, {"author": "Ben <ben@example.org>"}])
def test_what_goes_beyond_it_waits_for_a_person(world: World, changes: dict[str, Any]) -> None:
    refused(world, **changes)


@pytest.mark.parametrize(("broken", "changes"), [
    ("evidence_objections", {"gates": [gate(), gate("odd", Verdict.UNKNOWN).model_copy(update={"mode": "observe"})]}),
    ("evidence_objections", {"figures": CONFIG})])
def test_a_standing_approval_without_its_own_rules_is_caught(world: World, monkeypatch: pytest.MonkeyPatch, broken: str,
                                                             changes: dict[str, Any]) -> None:
    monkeypatch.setattr(standing, broken, lambda *given, **more: [])
    with pytest.raises(AssertionError):
        refused(world, **changes)


def test_a_failed_gate_stops_even_a_standing_approval_that_looks_at_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "evidence_objections", lambda *given, **more: [])
    refused(world, gates=[gate("auc", Verdict.FAIL)])  # every approval asks the verdict again


def test_a_waiver_does_not_help(world: World) -> None:
    world.make_live(1)
    granted(world)
    evidence = retraining(world, gates=[gate("auc", Verdict.FAIL, waivable=True)])
    world.waive(evidence, ["auc"], actor="cas")
    assert used(world) == []


def test_the_first_model_needs_a_person(world: World) -> None:
    granted(world)
    retraining(world, 1)
    assert used(world) == []


def expired(world: World) -> None:
    world.make_live(1)
    granted(world, days=3)
    retraining(world)
    world.clock.forward(3 * DAY)
    assert used(world) == []


def test_it_expires(world: World) -> None:
    expired(world)


def test_a_use_after_the_expiry_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from interlock.rules.standing import Standing

    monkeypatch.setattr(Standing, "state", lambda self, now: "active")
    monkeypatch.setattr(standing, "active", lambda session, now: standings(session, NAME))
    with pytest.raises(AssertionError):
        expired(world)


def test_uses_are_counted_in_all_and_per_week(world: World) -> None:
    world.make_live(1)
    one = granted(world, uses_max=3, per_week=2)
    for number in (2, 3):
        retraining(world, number)
        assert len(used(world)) == 1
        finish(world)
    retraining(world, 4)
    assert used(world) == []  # two in this week
    world.clock.forward(7 * DAY - 400)  # the first use was at 121 s, the second at 364 s, and it is 607 s + 7 days - 400 s now
    evidence = retraining(world, 5)
    assert len(used(world)) == 1  # the newest candidate goes first, the other one waits while it is on its way
    assert approvals(world)[-1].evidence_digest == evidence
    finish(world)
    world.clock.forward(8 * DAY)
    retraining(world, 6)
    assert used(world) == []  # three in all
    with world.store.reading() as session:
        assert find(session, one).state(world.clock()) == "used up"


def revoked_in_between(world: World) -> None:
    """The keeper has looked, then a person revokes, then the keeper decides: the revocation counts."""
    world.make_live(1)
    one = granted(world)
    retraining(world)
    with world.store.reading() as session:
        waiting = undecided(world.settings, session, NAME)[0]
    revoke(world, one)
    assert standing.use(world.settings, world.store, one, waiting, clock=world.clock) == ""
    assert approvals(world) == []


def test_a_revocation_between_look_and_decision_counts(world: World) -> None:
    revoked_in_between(world)


def test_a_standing_approval_read_before_the_transaction_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def remembered(session: Any, standing_id: str) -> Any:
        return seen.setdefault(standing_id, sound(session, standing_id))

    sound = find

    def grant_and_look(*given: Any, **more: Any) -> Any:
        receipt = sound_grant(*given, **more)
        with world.store.reading() as session:
            remembered(session, str(receipt.decision_id))
        return receipt

    sound_grant = actions.grant
    monkeypatch.setattr(actions, "grant", grant_and_look)
    monkeypatch.setattr(standing, "find", remembered)
    with pytest.raises(AssertionError):
        revoked_in_between(world)


def test_what_it_let_through_and_has_not_answered_yet_is_void_with_it(world: World) -> None:
    world.make_live(1)
    one = granted(world)
    retraining(world)
    used(world)
    release = approvals(world)[0].detail["release_id"]
    revoke(world, one)
    world.keep(release)
    assert world.release(release).state == "failed"
    assert "the standing approval under it was ended by cas: enough" in world.release(release).reason


def test_anybody_who_may_approve_revokes_and_the_grantor_may_always(make_world: Callable[..., World]) -> None:
    people = {"ben": ["approver"], "cas": ["approver"], "ops": ["operator"]}
    world = make_world(people=people)
    one = granted(world)
    with pytest.raises(DecisionRefused, match="ops may not revoke"):
        revoke(world, one, "ops")
    assert revoke(world, one, "cas").kind == "revoke"
    two = granted(world)
    world.settings = world.settings.model_copy(update={"people": people | {"ben": ["viewer"]}})
    assert revoke(world, two, "ben").sentence == f"the standing approval of ben for '{NAME}' ends now"
    with pytest.raises(DecisionRefused, match="already decided by ben"):
        revoke(world, two, "cas")


def test_it_counts_only_while_the_grantor_may_approve(make_world: Callable[..., World]) -> None:
    world = make_world(people={"ben": ["approver"], "ada": ["approver"]})
    world.make_live(1)
    granted(world)
    retraining(world)
    demoted = world.settings.model_copy(update={"people": {"ben": ["viewer"]}})
    assert standing.use_all(demoted, world.store, clock=world.clock) == []
    assert len(used(world)) == 1


def config_changed(world: World) -> None:
    world.make_live(1)
    granted(world)
    path = world.settings.usecases_dir / f"{NAME}.toml"
    path.write_text(path.read_text().replace("percent = 10", "percent = 90").replace("percent = 50", "percent = 95"))
    retraining(world)  # evidence on the new file; its list says "data only"
    assert used(world) == []


def test_another_use_case_file_voids_it(world: World) -> None:
    config_changed(world)


def test_a_standing_approval_that_outlives_its_file_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "standing_objections", lambda *given, **more: [])
    with pytest.raises(AssertionError):
        config_changed(world)


def test_a_rollback_of_what_it_approved_suspends_it(world: World) -> None:
    from interlock.rules.arms import ArmStats
    from tests.control.conftest import GOOD

    world.make_live(1)
    one = granted(world)
    retraining(world)
    used(world)
    release = approvals(world)[0].detail["release_id"]
    world.run(release)
    world.endpoint.arms = (GOOD, ArmStats(requests=400, errors=80, latency_p99_ms=2.0, histogram=(40,) * 10))
    world.keep(release)
    assert world.release(release).state == "rolled_back"
    with world.store.reading() as session:
        found = find(session, one)
        assert found.state(world.clock()) == "suspended"
        assert session.query(Alert).filter_by(identity=f"suspend:{one}").count() == 1
    retraining(world, 3)
    assert used(world) == []
    assert granted(world) != one  # a person may grant another one


def test_a_rollback_of_something_else_does_not(world: World) -> None:
    world.make_live(1)
    one = granted(world)
    world.make_live(2)
    world.roll_back()
    with world.store.reading() as session:
        assert find(session, one).state(world.clock()) == "active"


@pytest.mark.parametrize(("limits", "told"), [({"days": 0}, "within 90 days"), ({"days": 91}, "within 90 days"),
                                              ({"uses_max": 0}, "1 to 1,000"), ({"per_week": 9}, "uses per week"),
                                              ({"uses_max": 2_000}, "1 to 1,000")])
def test_it_has_limits(world: World, limits: dict[str, Any], told: str) -> None:
    with pytest.raises(DecisionRefused, match=told):
        granted(world, **limits)


def test_the_author_cannot_grant_one_nor_anybody_without_a_canary(make_world: Callable[..., World]) -> None:
    with pytest.raises(DecisionRefused, match="is the author"):
        granted(make_world(USE_CASE.replace("[approval]", '[approval]\nauthor = "ben"')))
    at_once = "\n".join("steps = []" if line.startswith("steps") else line for line in USE_CASE.splitlines())
    with pytest.raises(DecisionRefused, match="no canary step"):
        granted(make_world(at_once))


def test_one_at_a_time_and_a_repeated_click_is_the_same_one(world: World) -> None:
    wanted = {"actor": "ben", "use_case": NAME, "reason": "nights", "nonce": new_id(), "clock": world.clock}
    first = actions.grant(world.settings, world.store, **wanted)
    assert actions.grant(world.settings, world.store, **wanted).replayed
    with pytest.raises(DecisionRefused, match="active already"):
        granted(world, "cas")
    revoke(world, str(first.decision_id))
    assert granted(world, "cas")


def test_the_keeper_asks_anew_which_roles_people_have(make_world: Callable[..., World]) -> None:
    world = make_world(people={"ben": ["approver"], "ada": ["approver"]})
    world.make_live(1)
    granted(world)
    retraining(world)
    now = {"people": {"ben": ["viewer"], "ada": ["approver"]}}
    keeper = Keeper(world.settings, world.store, world.endpoint, world.clock, compact=lambda: None,
                    reread=lambda: world.settings.model_copy(update=now))
    keeper._use_standing()  # he lost the role while the keeper ran
    assert approvals(world) == []
    now["people"] = world.settings.people
    keeper._use_standing()
    assert len(approvals(world)) == 1


def one_spoiled_evidence_and_a_good_one(world: World) -> None:
    """The evidence of the newest candidate was altered: it is told, and the older one is approved all the same."""
    world.make_live(1)
    granted(world)
    retraining(world, 2)
    spoiled = retraining(world, 3)
    with world.store.writing() as session:
        row = session.get(EvidenceRow, spoiled)
        row.body = row.body | {"findings": "?"}
    keeper = Keeper(world.settings, world.store, world.endpoint, world.clock, compact=lambda: None)
    keeper._use_standing()
    assert len(approvals(world)) == 1
    with world.store.reading() as session:
        titles = [alert.title for alert in session.query(Alert).filter_by(severity="critical")]
    assert titles == [f"the keeper cannot use the standing approval of {NAME} for version 3"]


def test_one_spoiled_evidence_stops_no_other(world: World) -> None:
    one_spoiled_evidence_and_a_good_one(world)


def test_without_a_guard_around_each_it_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = standing.use_all
    monkeypatch.setattr(standing, "use_all", lambda settings, store, *, clock, guard: whole(settings, store, clock=clock))
    with pytest.raises(EvidenceError):
        one_spoiled_evidence_and_a_good_one(world)
