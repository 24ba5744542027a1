"""Strategies end to end against the endpoint in memory, and what must never happen: each check is caught on a broken variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from interlock.control import embedded
from interlock.control.decisions import actions
from interlock.control.releases import deploying, stepping
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.rules import canary
from interlock.rules.arms import ArmStats
from interlock.rules.canary import StepVerdict
from interlock.rules.sequential import AbCounts
from tests.control.conftest import GOOD, USE_CASE

World = Any  # tests/control/conftest.py
LATE = replace(GOOD, latency=(0,) * 17 + (200,) + (0,) * 22 + (200,) + (0,) * 29)  # half of the answers take 100 ms: 50 times
SHADOW = replace(GOOD, compared=400, flips=8)


def world_with(make_world: Callable[..., World], rollout: str) -> World:
    head, _, tail = USE_CASE.partition("steps =")
    return make_world(f"{head}{rollout}\nwait_max_s = 600\nprobation_s = 120\n\n[approval]" + tail.partition("[approval]")[2])


def begin(world: World) -> str:
    """Version 1 is live; version 2 is in its first step."""
    release = str(world.approve(world.candidate(1)).release_id)
    world.run(release)
    world.endpoint.arms = (GOOD, ArmStats())
    world.clock.forward(121)
    world.keep(release)
    release = str(world.approve(world.candidate(2)).release_id)
    world.run(release)
    return release


def steps(world: World, release: str) -> list[dict[str, Any]]:
    """The judgements of its steps, without that of the staging server."""
    return [item for item in world.release(release).analysis if item.get("step")]


def judged(world: World, release: str, *arms: ArmStats, after_s: float = 61) -> tuple[str, int]:
    """State and step after the keeper has judged these arms (champion, candidate, shadow, mirrored) and the run it asked for."""
    world.endpoint.arms = arms
    world.clock.forward(after_s)
    world.keep(release)
    world.run(release)
    found = world.release(release)
    return found.state, found.step


def test_shadow_then_canary_then_live(make_world: Callable[..., World]) -> None:
    world = world_with(make_world, "shadow_s = 60\nshadow_requests_min = 100\nflip_rate_max = 0.1\nsteps = [{ percent = 10, bake_s = 60 }]")
    release = begin(world)
    assert (world.release(release).state, world.route.candidate_mode, world.route.candidate_percent) == ("shadow", "shadow", 100)
    assert judged(world, release, GOOD, ArmStats(), SHADOW, GOOD) == ("canary", 2)
    assert (world.route.candidate_mode, world.route.candidate_percent) == ("share", 10)
    assert judged(world, release, GOOD, GOOD) == ("probation", 2)
    analysis = [(item["step"], item["kind"], item["verdict"]) for item in steps(world, release)]
    assert analysis == [(1, "shadow", "pass"), (2, "share", "pass")]
    with world.store.reading() as session:
        told = [ledger.body_of(entry)["judgement"] for entry in ledger.entries(session, kinds=["release.judged"])]
    flips = next(measure for measure in told[-1]["measures"] + told[0]["measures"] if measure["name"] == "flips")
    assert (flips["value"], flips["n"]) == ("0.02", 400)  # 8 of 400, as a decimal text
    assert ledger.verify(world.store).ok


def test_a_shadow_that_flips_is_taken_off(make_world: Callable[..., World]) -> None:
    world = world_with(make_world, 'strategy = "shadow"\nshadow_s = 60\nflip_rate_max = 0.1')
    release = begin(world)
    assert judged(world, release, GOOD, ArmStats(), replace(SHADOW, flips=200), GOOD) == ("rolled_back", 1)
    assert (world.route.champion.version, world.route.candidate) == (1, None)


def test_a_paused_shadow_resumes_in_the_shadow(make_world: Callable[..., World]) -> None:
    world = world_with(make_world, 'strategy = "shadow"\nshadow_s = 60')
    release = begin(world)
    assert judged(world, release, GOOD, ArmStats(), ArmStats(), ArmStats(), after_s=601) == ("paused", 1)
    assert world.route.candidate_percent == 0
    actions.resume(world.settings, world.store, actor="cas", release_id=release, reason="traffic is back", nonce=new_id(),
                   expected_generation=world.route.generation, endpoint=world.endpoint, clock=world.clock)
    assert (world.release(release).state, world.route.candidate_mode, world.route.candidate_percent) == ("shadow", "shadow", 100)
    assert judged(world, release, GOOD, ArmStats(), SHADOW, GOOD) == ("probation", 1)


def test_linear_grows_evenly(make_world: Callable[..., World]) -> None:
    world = world_with(make_world, 'strategy = "linear"\npercent_start = 25\npercent_step = 25\ninterval_s = 60')
    release = begin(world)
    shares = [world.route.candidate_percent]
    while judged(world, release, GOOD, GOOD)[0] == "canary":
        shares.append(world.route.candidate_percent)
    assert (shares, world.release(release).state, world.route.champion.version) == ([25, 50, 75], "probation", 2)


def test_blue_green_goes_at_once_and_keeps_the_way_back(make_world: Callable[..., World]) -> None:
    world = world_with(make_world, 'strategy = "blue_green"\npreview_s = 30')
    release = begin(world)
    assert (world.release(release).state, world.route.candidate_percent, world.route.candidate_mode) == ("shadow", 0, "shadow")
    assert judged(world, release, GOOD, ArmStats(), after_s=29) == ("shadow", 1)
    assert judged(world, release, GOOD, ArmStats(), after_s=2) == ("probation", 1)
    assert (world.route.champion.version, world.route.previous.version, world.route.candidate) == (2, 1, None)


@pytest.mark.parametrize(("counts", "expected"), [
    (AbCounts(100, 400, 220, 400), ("probation", 1)),
    (AbCounts(220, 400, 100, 400), ("rolled_back", 1)),
    (AbCounts(100, 400, 100, 400), ("canary", 1)),
    (AbCounts(250, 1_000, 250, 1_000), ("paused", 1)),   # samples_max reached: futility, at once
])
def test_an_ab_test_stops(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, counts: AbCounts,
                          expected: tuple[str, int]) -> None:
    world = world_with(make_world, 'strategy = "ab"\ninterval_s = 60\nab = { key = "age", samples_max = 2000 }')
    release = begin(world)
    assert (world.route.sticky_key, world.route.sticky_salt) == ("age", release)
    monkeypatch.setattr(stepping, "ab_counts", lambda *_: counts)
    assert judged(world, release, GOOD, GOOD) == expected
    body = world.release(release).analysis[-1]
    assert (body["ab"]["n"], body["strategy"]) == (counts.n, "ab")


def an_undecided_step_goes_to_a_person(make_world: Callable[..., World]) -> None:
    """Half of the candidate's answers are slow, half of the champion's too few to compare: nothing is promoted, a person is asked."""
    world = world_with(make_world, "inconclusive_s = 0\nsteps = [{ percent = 10, bake_s = 60, requests_min = 100 }]")
    release = begin(world)
    unsure = replace(GOOD, latency=())
    assert judged(world, release, GOOD, unsure) == ("paused", 1)
    assert world.route.champion.version == 1
    assert world.release(release).analysis[-1]["verdict"] == "inconclusive"
    assert world.release(release).reason.startswith("inconclusive after 61 s")


def test_an_undecided_step_goes_to_a_person(make_world: Callable[..., World]) -> None:
    an_undecided_step_goes_to_a_person(make_world)


def test_a_promotion_on_an_undecided_step_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    def generous(*given: Any) -> tuple[StepVerdict, str]:
        verdict, sentence = sound(*given)
        return (StepVerdict.PASS if verdict is StepVerdict.INCONCLUSIVE else verdict), sentence

    sound = canary._verdict
    monkeypatch.setattr(canary, "_verdict", generous)
    with pytest.raises(AssertionError):
        an_undecided_step_goes_to_a_person(make_world)


def without_traffic_nothing_moves(make_world: Callable[..., World]) -> None:
    """No request for the candidate: said as such while it waits, and a person is asked in the end."""
    world = world_with(make_world, "steps = [{ percent = 10, bake_s = 60, requests_min = 0 }]")
    release = begin(world)
    assert judged(world, release, GOOD, ArmStats(), after_s=300) == ("canary", 1)
    item = world.release(release).analysis[-1]
    assert (item["verdict"], item["interim"]) == ("no_traffic", True)
    assert judged(world, release, GOOD, ArmStats(), after_s=301) == ("paused", 1)
    assert "no traffic" in world.release(release).reason
    assert [item["verdict"] for item in steps(world, release)] == ["no_traffic"]


def test_without_traffic_nothing_moves(make_world: Callable[..., World]) -> None:
    without_traffic_nothing_moves(make_world)


def test_a_promotion_without_traffic_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    def hopeful(measures: Any, candidate: ArmStats, *given: Any) -> tuple[StepVerdict, str]:
        return (StepVerdict.PASS, "nothing went wrong") if candidate.requests == 0 else sound(measures, candidate, *given)

    sound = canary._verdict
    monkeypatch.setattr(canary, "_verdict", hopeful)
    with pytest.raises(AssertionError):
        without_traffic_nothing_moves(make_world)


def counts_of(latency_bucket: int, requests: int = 400) -> dict[str, Any]:
    return {"requests": requests, "refusals": 0, "errors": 0, "predictions": {"1": requests}, "latency_ms": {
        "p99": 1.0, "counts": [requests * (n == latency_bucket) for n in range(70)]}, "scores": {"counts": [requests // 20] * 20}}


class TwoPeriods:
    """A server whose champion was slow in the generation before (100 ms) and is fast in this one; the candidate is slow now."""

    def stats(self, use_case: str) -> dict[str, Any]:
        return {"generation": 2, "generations": [
            {"generation": 1, "override_id": None, "arms": {"champion": counts_of(40)}},
            {"generation": 2, "override_id": None, "arms": {"champion": counts_of(17), "candidate": counts_of(40)}}]}


def only_the_same_period_counts(world: World) -> None:
    """A candidate that is as slow as its champion was yesterday is slower than its champion is today."""
    stats = embedded.EmbeddedEndpoint(world.settings, TwoPeriods()).stats("small_loans")  # type: ignore[arg-type]
    plan = deploying.load(world.settings, world.store, begin(world))
    assert stepping.judge(world.settings, plan, stats, 61, world.clock()).verdict is StepVerdict.FAIL


def test_only_the_same_period_counts(make_world: Callable[..., World]) -> None:
    only_the_same_period_counts(world_with(make_world, "steps = [{ percent = 10, bake_s = 60, requests_min = 100 }]"))


def test_a_baseline_of_another_period_is_caught(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    def yesterday(endpoint: Any, use_case: str) -> Any:
        found = sound(endpoint, use_case)
        return replace(found, champion=embedded._arm(TwoPeriods().stats("")["generations"][0]["arms"]["champion"]))

    sound = embedded.EmbeddedEndpoint.stats
    monkeypatch.setattr(embedded.EmbeddedEndpoint, "stats", yesterday)
    with pytest.raises(AssertionError):
        only_the_same_period_counts(world_with(make_world, "steps = [{ percent = 10, bake_s = 60, requests_min = 100 }]"))
