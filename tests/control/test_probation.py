"""Live on probation: verdicts as windows and labels come, what confirms, what brings back, and when people decide instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from interlock.control.releases import deploying, probation
from interlock.records.tables import Alert, Decision, Window
from interlock.rules.canary import ArmStats
from interlock.rules.probation import guard_objection
from tests.control.conftest import GOOD, NAME, USE_CASE, slot

World = Any  # tests/control/conftest.py
BAD = ArmStats(requests=400, errors=40, latency_p99_ms=2.0, histogram=(40,) * 10)


def told(text: str) -> str:
    """The use-case file with more keys under `[rollout]`; windows of an hour."""
    return USE_CASE.replace("probation_s = 120", f"probation_s = 120\n{text}") + "\n[monitoring]\nwindow_hours = 1\nbreaches = 1\n"


def on_probation(world: World, number: int) -> str:
    """The whole way of a candidate until it is live on probation."""
    release = str(world.approve(world.candidate(number)).release_id)
    world.run(release)
    while world.release(release).state == "canary":
        world.endpoint.arms = (GOOD, GOOD)
        world.clock.forward(61)
        world.keep(release)
        world.run(release)
    world.endpoint.arms = (GOOD, ArmStats())
    assert world.release(release).state == "probation"
    return release


def window(world: World, number: int, metric: str = "performance.drop", value: float = 0.01, low: float = -0.01,
           breached: tuple[str, ...] = ()) -> None:
    """A window of the version that ends now."""
    end = world.clock()
    body = {"metric": metric, "value": value, "low": low, "high": value + 0.01, "sample_size": 300}
    with world.store.writing() as session:
        session.add(Window(use_case=NAME, start=end - timedelta(hours=1), end=end, package_digest=slot(number).digest, version=number,
                           rows=300, labelled=300, state="ok", findings=[body], revision=1, created_at=end,
                           reports={"judgement": {"breached": list(breached)}}))


def verdicts(world: World, release: str) -> dict[str, tuple[str, int]]:
    return {one["probation"]: (one["verdict"], one["n"]) for one in world.release(release).analysis if "probation" in one}


def test_operational_alone_confirms_as_ever_and_later_verdicts_are_kept(world: World) -> None:
    release = on_probation(world, 1)
    world.keep(release)
    assert verdicts(world, release) == {"operational": ("open", 400)}
    world.clock.forward(121)
    assert world.keep(release) == "live, confirmed"
    assert verdicts(world, release) == {"operational": ("pass", 400), "confirmed": ("pass", 400)}
    world.clock.forward(3_600)
    window(world, 1, "performance.estimated_drop")
    assert world.keep(release) == ""
    assert verdicts(world, release)["estimated"] == ("pass", 300)
    world.clock.forward(86_400)
    window(world, 1)
    world.keep(release)
    assert verdicts(world, release)["labels"] == ("pass", 300)
    assert sum("probation" in one for one in world.release(release).analysis) == 4


def test_confirmation_may_wait_for_labels_and_people_are_told_when_they_do_not_come(make_world: Callable[..., World]) -> None:
    world = make_world(told('probation_confirm = ["operational", "labels"]\nprobation_wait_max_s = 7200'))
    release = on_probation(world, 1)
    world.clock.forward(121)
    assert world.keep(release) == ""
    assert world.release(release).state == "probation"
    world.clock.forward(7_200)
    for _ in range(2):
        world.keep(release)
    with world.store.reading() as session:
        assert [alert.title for alert in session.query(Alert)] == [f"version 1 of {NAME}: it cannot be confirmed"]
    window(world, 1)
    assert world.keep(release) == "live, confirmed"
    assert world.release(release).reason == "on probation its verdicts passed: operational, labels"


def test_windows_from_before_it_went_live_say_nothing(make_world: Callable[..., World]) -> None:
    world = make_world(told('probation_rollback_on = ["operational", "labels"]'))
    world.make_live(1)
    release = on_probation(world, 2)
    window(world, 1, value=0.2, low=0.1)  # another version's
    world.clock.forward(-1)
    window(world, 2, value=0.2, low=0.1)
    world.clock.forward(1)
    assert world.keep(release) == ""
    assert "labels" not in verdicts(world, release)


def labels_bring_it_back(world: World) -> None:
    world.make_live(1)
    release = on_probation(world, 2)
    world.clock.forward(121)
    world.keep(release)
    world.clock.forward(3_600)
    window(world, 2, value=0.2, low=0.1)
    said = world.keep(release)
    assert said.startswith("rolled back: fall of the primary metric on real outcomes: 0.2")
    assert (world.route.champion, world.release(release).state) == (slot(1), "rolled_back")


def test_a_fail_on_labels_brings_it_back_where_the_file_says_so(make_world: Callable[..., World]) -> None:
    labels_bring_it_back(make_world(told('probation_rollback_on = ["operational", "labels"]')))


def test_a_probation_that_forgets_the_labels_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probation, "PARTS", ("estimated",))
    with pytest.raises(AssertionError):
        labels_bring_it_back(make_world(told('probation_rollback_on = ["operational", "labels"]')))


def test_else_people_are_told_once(world: World) -> None:
    world.make_live(1)
    release = on_probation(world, 2)
    world.clock.forward(3_600)
    for _ in range(2):
        window(world, 2, value=0.2, low=0.1)
        world.clock.forward(3_600)
        world.keep(release)
    assert world.route.champion == slot(2)
    with world.store.reading() as session:
        assert session.query(Alert).filter(Alert.identity.startswith("failed:")).count() == 1


def test_a_monitored_breach_brings_back_what_is_confirmed(make_world: Callable[..., World]) -> None:
    world = make_world(told("").replace("breaches = 1", 'breaches = 1\nrollback_on = ["latency.p99_ms"]'))
    world.make_live(1)
    release = world.make_live(2)
    world.clock.forward(3_600)
    window(world, 2, breached=("drift.share",))
    assert world.keep(release) == ""
    world.clock.forward(3_600)
    window(world, 2, breached=("latency.p99_ms",))
    assert world.keep(release) == "rolled back: monitoring: latency.p99_ms beyond the limit in 1 of the last 2 monitored windows"
    assert world.route.champion == slot(1)


def flapping(world: World) -> None:
    """Two automatic rollbacks are allowed in the period: the third candidate that errs is left to a person."""
    world.make_live(1)
    for number in (2, 3, 4):
        release = on_probation(world, number)
        world.endpoint.arms = (BAD, ArmStats())
        world.keep(release)
    assert world.route.champion == slot(4)
    with world.store.reading() as session:
        assert session.query(Decision).filter_by(kind="rollback", actor="interlock").count() == 2
        alert = session.query(Alert).filter(Alert.identity.startswith("flap:")).one()
        assert "2 automatic rollbacks within 86400 s, at most 2 are allowed" in alert.body
    world.roll_back()  # a person always may
    assert world.route.champion == slot(1)


def left_to_a_person(world: World) -> None:
    """The guard objected and told people that nothing happens without them: the end of its period does not change that."""
    world.make_live(1)
    for number in (2, 3):
        release = on_probation(world, number)
        world.endpoint.arms = (BAD, ArmStats())
        world.keep(release)
    world.clock.forward(2 * 86_400)
    assert world.keep(release) == ""
    assert world.route.champion == slot(3)
    with world.store.reading() as session:
        assert session.query(Alert).filter(Alert.identity.startswith("flap:")).count() == 1


def test_what_was_left_to_a_person_stays_with_the_person(make_world: Callable[..., World]) -> None:
    left_to_a_person(make_world(told("rollbacks_max = 1")))


def test_a_guard_that_forgets_what_it_said_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.control.keeping.alerting.told", lambda store, identity: False)
    with pytest.raises(AssertionError):
        left_to_a_person(make_world(told("rollbacks_max = 1")))


def test_a_newer_window_is_asked_about_anew(make_world: Callable[..., World]) -> None:
    """Within the cooldown windows start nothing; a fail that still stands in a window after it does."""
    world = make_world(told('rollback_cooldown_s = 7_200\nprobation_rollback_on = ["operational", "labels"]'))
    world.make_live(1)
    bad = on_probation(world, 2)
    world.endpoint.arms = (BAD, ArmStats())
    world.keep(bad)
    release = on_probation(world, 3)
    world.clock.forward(3_600)
    window(world, 3, value=0.2, low=0.1)
    world.keep(release)
    world.clock.forward(7_200)
    world.keep(release)
    assert world.route.champion == slot(3)
    window(world, 3, value=0.2, low=0.1)
    assert world.keep(release).startswith("rolled back: fall of the primary metric")
    assert world.route.champion == slot(1)


def test_no_more_than_n_automatic_rollbacks_in_a_period(make_world: Callable[..., World]) -> None:
    flapping(make_world(told("rollbacks_max = 2")))


def test_without_the_guard_it_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probation, "guard_objection", lambda *given, **more: "")
    with pytest.raises(AssertionError):
        flapping(make_world(told("rollbacks_max = 2")))


def back_to_the_bad_one(world: World) -> None:
    """Version 2 was taken off automatically; approved once more, it is the way back of version 3, but not an automatic one."""
    world.make_live(1)
    bad = on_probation(world, 2)
    world.endpoint.arms = (BAD, ArmStats())
    world.keep(bad)
    again = world.approve(world.candidate(5, package=slot(2).digest)).release_id
    for _ in range(3):
        world.run(again)
        world.endpoint.arms = (GOOD, GOOD)
        world.clock.forward(61)
        world.keep(again)
    release = on_probation(world, 3)
    assert world.route.previous.digest == slot(2).digest
    world.endpoint.arms = (BAD, ArmStats())
    world.keep(release)
    assert world.route.champion == slot(3)
    with world.store.reading() as session:
        assert "was itself taken off" in session.query(Alert).filter(Alert.identity.startswith("flap:")).one().body


def test_never_automatically_back_to_what_was_taken_off_in_the_cooldown(make_world: Callable[..., World]) -> None:
    back_to_the_bad_one(make_world(told("rollback_cooldown_s = 86_400")))


def test_a_guard_that_forgets_the_target_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    sound = guard_objection
    monkeypatch.setattr(probation, "guard_objection", lambda *given, **more: sound(*given, **(more | {"target_taken_off": None})))
    with pytest.raises(AssertionError):
        back_to_the_bad_one(make_world(told("rollback_cooldown_s = 86_400")))


def test_a_waiver_that_ends_takes_the_version_off_whatever_the_guard_says(make_world: Callable[..., World]) -> None:
    from interlock.rules.gates import Verdict
    from tests.control.conftest import gate

    world = make_world(told("rollbacks_max = 0"))
    world.make_live(1)
    evidence = world.candidate(2, gates=[gate("auc", Verdict.FAIL, waivable=True)])
    world.waive(evidence, ["auc"], actor="cas", hours=1)
    release = world.approve(evidence).release_id
    for _ in range(3):
        world.run(release)
        world.endpoint.arms = (GOOD, GOOD)
        world.clock.forward(61)
        world.keep(release)
    world.clock.forward(3_600)
    world.keep(release)
    assert world.route.champion == slot(1)


def test_a_person_who_was_quicker_is_no_trouble(world: World) -> None:
    """Keeper and on-call see the same breach; the person's rollback comes first. Nobody is told that it cannot be done."""
    world.make_live(1)
    release = on_probation(world, 2)
    plan = deploying.load(world.settings, world.store, release)
    world.roll_back()
    assert probation.roll_back_live(world.settings, world.store, world.endpoint, plan, "errors", "breach-1", world.clock) == ""
    assert world.route.champion == slot(1)
    with world.store.reading() as session:
        assert [alert.title for alert in session.query(Alert) if "cannot" in alert.title] == []
