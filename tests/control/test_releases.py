"""The way of a release: canary steps, probation, live; breaches, pauses, expiries; nothing waits inside a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interlock.control.decisions import actions
from interlock.errors import StaleState, Unavailable
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.outbox import due
from interlock.records.tables import Alert
from interlock.rules.arms import ArmStats
from interlock.rules.gates import GateResult, Verdict

World = Any  # tests/control/conftest.py
GOOD = ArmStats(requests=400, errors=0, refusals=0, latency_p99_ms=2.0, histogram=(40,) * 10, latency=(0,) * 17 + (400,) + (0,) * 52)
FAILING = ArmStats(requests=400, errors=40, refusals=0, latency_p99_ms=2.0, histogram=(40,) * 10, latency=(0,) * 17 + (400,) + (0,) * 52)


def intents(world: World) -> list[str]:
    with world.store.reading() as session:
        return [row.cause for row in due(session, world.clock())]


def canary(world: World) -> str:
    """Version 1 is live, version 2 answers 10 %."""
    world.make_live(1)
    receipt = world.approve(world.candidate(2))
    world.run(receipt.release_id)
    return str(receipt.release_id)


def test_the_first_release_ever_goes_live_on_probation_and_says_why(world: World) -> None:
    receipt = world.approve(world.candidate(1))
    outcome = world.run(receipt.release_id)
    assert (outcome.state, outcome.route.generation, outcome.route.champion.version, outcome.route.previous) == ("probation", 1, 1, None)
    assert "first one ever" in outcome.sentence
    assert outcome.observed.champion.version == 1
    world.endpoint.arms = (GOOD, ArmStats())
    assert world.keep(receipt.release_id) == ""  # still within its 120 s of probation
    world.clock.forward(120)
    assert world.keep(receipt.release_id) == "live, confirmed"


def test_a_second_release_takes_its_canary_steps_one_run_each(world: World) -> None:
    release = canary(world)
    assert (world.route.champion.version, world.route.candidate.version, world.route.candidate_percent) == (1, 2, 10)
    assert world.run(release).changed is False  # a run that comes again, before the keeper's judgement, changes nothing
    world.endpoint.arms = (GOOD, GOOD)
    world.clock.forward(59)
    assert world.keep(release) == ""            # bakes for 60 s
    world.clock.forward(1)
    assert world.keep(release).startswith("step 1 passed")
    assert f"release:{release}:step:1" in intents(world)
    assert world.keep(release) == ""            # one judgement, one effect
    world.run(release)
    assert (world.release(release).step, world.route.candidate_percent) == (2, 50)
    world.clock.forward(60)
    world.keep(release)
    outcome = world.run(release)
    assert (outcome.state, world.route.champion.version, world.route.previous.version, world.route.candidate) == ("probation", 2, 1, None)
    world.endpoint.arms = (GOOD, ArmStats())
    world.clock.forward(120)
    world.keep(release)
    assert world.release(release).state == "live"


def test_the_older_release_is_superseded(world: World) -> None:
    first = world.make_live(1)
    world.make_live(2)
    assert world.release(first).state == "superseded"


def test_a_breach_in_canary_rolls_back_by_itself_with_the_reason(world: World) -> None:
    release = canary(world)
    world.endpoint.arms = (GOOD, FAILING)  # 40 of 400 fail, 1 % allowed: certain before the step ends
    assert world.keep(release).startswith("rolled back: errors: 10.00% of 400 answers")
    assert world.release(release).state == "rolled_back"
    assert (world.route.champion.version, world.route.candidate) == (1, None)
    assert world.endpoint.observed("small_loans").candidate is None
    with world.store.reading() as session:
        entry = ledger.entries(session, kinds=["decision.rollback"])[0]
    body = ledger.body_of(entry)
    assert (body["actor"], body["detail"]["breach"]) == ("interlock", f"release:{release}:step:1")
    assert body["detail"]["judgement"]["arms"]["candidate"]["errors"] == 40


def test_stats_of_another_generation_are_not_judged(world: World) -> None:
    release = canary(world)
    world.endpoint.routes["small_loans"] = world.route.model_copy(update={"generation": 1})
    world.endpoint.arms = (GOOD, FAILING)
    assert world.keep(release) == ""


def test_too_little_traffic_for_too_long_waits_for_a_person(world: World) -> None:
    release = canary(world)
    world.clock.forward(601)  # wait_max_s = 600
    assert "no request" in world.keep(release)
    assert world.release(release).state == "paused"
    assert world.route.candidate_percent == 0  # until a person says so the champion answers everything
    with world.store.reading() as session:
        assert session.query(Alert).one().title.endswith("waits for a person")
    receipt = actions.resume(world.settings, world.store, actor="cas", release_id=release, reason="go on", nonce=new_id(),
                             expected_generation=world.route.generation, endpoint=world.endpoint, clock=world.clock)
    assert (world.release(release).state, world.route.candidate_percent) == ("canary", 10)
    assert receipt.observed.candidate_percent == 10


@pytest.mark.parametrize(("down", "why"), [(False, "generation 1, the step needs 2"), (True, "does not answer")])
def test_a_canary_that_the_endpoint_never_takes_on_waits_for_a_person(world: World, down: bool, why: str) -> None:
    release = canary(world)
    world.endpoint.routes["small_loans"] = world.route.model_copy(update={"generation": 1})
    world.endpoint.down = down
    world.clock.forward(600)  # wait_max_s = 600
    if down:
        with pytest.raises(Unavailable):
            world.keep(release)
    else:
        assert world.keep(release) == ""
    world.clock.forward(1)
    assert why in world.keep(release)
    assert (world.release(release).state, world.route.candidate_percent) == ("paused", 0)
    with world.store.reading() as session:
        assert session.query(Alert).one().title == "version 2 of small_loans waits for a person"


def test_a_person_aborts_a_canary(world: World) -> None:
    release, nonce = canary(world), new_id()
    wanted = {"actor": "cas", "release_id": release, "reason": "no", "nonce": nonce, "expected_generation": world.route.generation,
              "endpoint": world.endpoint, "clock": world.clock}
    receipt = actions.abort(world.settings, world.store, **wanted)
    assert (world.release(release).state, world.route.candidate, receipt.observed.candidate) == ("rolled_back", None, None)
    assert actions.abort(world.settings, world.store, **wanted).replayed
    with pytest.raises(StaleState, match="nothing left to end"):
        actions.abort(world.settings, world.store, **(wanted | {"release_id": world.make_live(3)}))


def test_a_decision_not_carried_out_in_time_is_void(world: World) -> None:
    receipt = world.approve(world.candidate(1))
    world.clock.forward(24 * 3_600 + 1)  # expires_hours = 24; Prefect was down all the time
    assert "expired" in world.keep(receipt.release_id)
    assert world.release(receipt.release_id).state == "failed"
    assert world.run(receipt.release_id).changed is False
    assert world.route.generation == 0


def test_a_policy_changed_after_the_decision_voids_it(world: World) -> None:
    receipt = world.approve(world.candidate(1))
    path = world.settings.usecases_dir / "small_loans.toml"
    path.write_text(path.read_text().replace("percent = 10", "percent = 20"))
    assert world.run(receipt.release_id).state == "failed"
    assert "use-case file changed" in world.release(receipt.release_id).reason


def test_a_rollback_of_the_champion_ends_the_canary_compared_with_it(world: World) -> None:
    world.make_live(1)
    world.make_live(2)
    third = world.approve(world.candidate(3)).release_id
    world.run(third)
    world.roll_back()
    assert world.release(third).state == "rolled_back"
    assert (world.route.champion.version, world.route.candidate) == (1, None)


def test_errors_on_probation_roll_back_to_the_version_before(world: World) -> None:
    world.make_live(1)
    release = canary_to_probation(world)
    world.endpoint.arms = (FAILING, ArmStats())
    assert world.keep(release).startswith("rolled back: on probation: errors")
    assert (world.release(release).state, world.route.champion.version) == ("rolled_back", 1)


@pytest.mark.parametrize(("generation", "arm", "why"), [
    (0, GOOD, "generation 0, not with 1"),                                   # the endpoint never heard of the route
    (1, ArmStats(), "not answered one request"),
    (1, ArmStats(requests=0, refusals=9), "not answered one request"),       # it only ever refused
])
def test_silence_is_not_health(world: World, generation: int, arm: ArmStats, why: str) -> None:
    release = world.approve(world.candidate(1)).release_id
    world.run(release)
    world.endpoint.routes["small_loans"] = world.route.model_copy(update={"generation": generation})
    world.endpoint.arms = (arm, ArmStats())
    for seconds, told in ((120, 0), (480, 0), (1, 1), (600, 1)):  # probation_s = 120, wait_max_s = 600: told once after 601 s
        world.clock.forward(seconds)
        assert world.keep(release) == ""
        with world.store.reading() as session:
            assert [why in alert.body for alert in session.query(Alert)] == [True] * told
    assert world.release(release).state == "probation"
    world.endpoint.routes["small_loans"], world.endpoint.arms = world.route, (GOOD, ArmStats())
    assert world.keep(release) == "live, confirmed"


def test_a_keeper_that_only_counts_seconds_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.control.releases.probation._unproven", lambda plan, stats: "")
    with pytest.raises(AssertionError):
        test_silence_is_not_health(make_world(), 0, GOOD, "generation 0, not with 1")


def test_without_a_way_back_people_are_told_once(world: World) -> None:
    release = world.approve(world.candidate(1)).release_id
    world.run(release)
    world.endpoint.arms = (FAILING, ArmStats())
    for _ in range(3):
        assert world.keep(release) == ""
    with world.store.reading() as session:
        assert [alert.title for alert in session.query(Alert)] == ["version 1 of small_loans: it cannot be rolled back"]


@pytest.mark.parametrize(("on_expiry", "champion"), [("rollback", 1), ("ask", 2)])
def test_an_expired_waiver_rolls_back_or_asks(make_world: Callable[..., World], on_expiry: str, champion: int) -> None:
    world = make_world()
    world.make_live(1)
    bad = GateResult(gate="auc", title="auc", verdict=Verdict.FAIL, sentence="", metric="m", threshold=1, direction="at_least",
                     waivable=True)
    evidence = world.candidate(2, gates=[bad])
    world.waive(evidence, ["auc"], actor="ben", hours=2, on_expiry=on_expiry)
    release = world.approve(evidence, actor="cas").release_id
    follow(world, release)
    world.clock.forward(2 * 3_600)
    world.keep(release)
    assert world.route.champion.version == champion
    with world.store.reading() as session:
        asked = [alert.title for alert in session.query(Alert)]
    assert asked == ([] if on_expiry == "rollback" else ["version 2 of small_loans: it stays live: decide again"])


def canary_to_probation(world: World) -> str:
    release = str(world.approve(world.candidate(2)).release_id)
    follow(world, release)
    return release


def follow(world: World, release: str) -> None:
    world.run(release)
    for _ in range(2):
        world.endpoint.arms = (GOOD, GOOD)
        world.clock.forward(61)
        world.keep(release)
        world.run(release)
    assert world.release(release).state == "probation"
