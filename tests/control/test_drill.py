"""A fire drill on a real server with a real small model: all of it measured, a sabotaged rollback fails it, a missing drill is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from interlock.control.drills import drill as drills
from interlock.control.drills.drill_schedule import drill_states, tell_missed
from interlock.control.endpoint import Endpoint
from interlock.control.keeping.keeper import Keeper
from interlock.control.keeping.scheduling import start_due_of
from interlock.control.releases.temporary_server import TemporaryServer
from interlock.errors import StaleState
from interlock.records import ledger
from interlock.records.drills import newest, record
from interlock.records.routes import change_route, read_route
from interlock.records.tables import Alert, DrillRow
from interlock.rules.routes import Observed, Slot
from interlock.spec.load import find_use_case
from tests.control.conftest import USE_CASE
from tests.control.test_real_server import build

World = Any  # tests/control/conftest.py
NAME = "small_loans"
# Two cores shared with others: what is measured here is not how fast, but that each part was walked.
DRILL = "[drill]\nrate_per_s = 60\nrollback_ms_max = 900\n"
WEEKLY = '[schedules]\ndrill = "0 9 * * 1"\n'


class Sabotaged:
    """A control port whose rollback says yes and does nothing."""

    def __init__(self, real: Endpoint, lies_from: int) -> None:
        self._real, self._lies_from = real, lies_from

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def rollback(self, use_case: str, *, expected_generation: int, **wanted: Any) -> Observed:
        if expected_generation >= self._lies_from:
            return self._real.observed(use_case)
        return self._real.rollback(use_case, expected_generation=expected_generation, **wanted)


@pytest.fixture
def live(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """A world with a real package live; `text` is added to its use-case file. Drills do not dwell."""
    monkeypatch.setattr(drills, "HEALTHY_S", 0.4)
    monkeypatch.setattr(drills, "SETTLE_S", 0.3)

    def make(text: str = DRILL, **changes: Any) -> World:
        world = make_world(USE_CASE + text, **changes)
        digest = build(world.settings.folder("packages"), 3)
        with world.store.writing() as session:
            champion = Slot(version=4, digest=digest)
            change_route(session, read_route(session, NAME), actor="ben", reason="live", decision_id=None, champion=champion)
        return world

    return make


def rehearse(world: World, **more: Any) -> DrillRow:
    return drills.drill(world.settings, world.store, find_use_case(world.settings, NAME)[1], started_by="cas", **more)


def verdicts(row: DrillRow) -> dict[str, str]:
    return {one["name"]: one["verdict"] for one in row.body["measures"]}


@pytest.mark.end_to_end
def test_a_drill_walks_the_whole_way_and_is_on_record(live: Callable[..., World]) -> None:
    world = live()
    before = world.route
    row = rehearse(world)
    assert (row.verdict, verdicts(row)) == ("pass", dict.fromkeys(["detect", "canary", "live", "failed"], "pass")), row.sentence
    facts = row.body["facts"]
    assert facts["breach"].startswith("refusals:")   # the real analysis saw what was spoiled
    assert facts["spoiled"] > 0
    assert facts["requests"] > 100
    assert (facts["versions"], facts["source"]) == ({"live": 4, "candidate": 5}, "golden rows")
    assert 0 < facts["detect_s"] < facts["total_s"]
    assert len(facts["calls_ms"]) == 2
    assert (world.route, world.endpoint.calls) == (before, [])  # customers' route and server: untouched
    assert list(world.settings.folder("run").glob("drill-*")) == []
    with world.store.reading() as session:
        entry = ledger.entries(session, kinds=["drill.finished"])[0]
        assert ledger.body_of(entry)["sentence"] == row.sentence
        assert session.query(Alert).count() == 0
    assert ledger.verify(world.store).ok


@pytest.mark.end_to_end
@pytest.mark.parametrize(("lies_from", "missed"), [(2, "canary"), (3, "live")])
def test_a_sabotaged_rollback_makes_the_drill_fail(live: Callable[..., World], lies_from: int, missed: str) -> None:
    world = live(DRILL.replace("900", "250"))

    def seam(server: TemporaryServer) -> Any:
        return Sabotaged(server.endpoint, lies_from)

    row = rehearse(world, seam=seam)
    assert (row.verdict, verdicts(row)[missed]) == ("fail", "fail"), row.sentence
    assert "last answer came after" in row.sentence
    with world.store.reading() as session:
        told = session.query(Alert).one()
        assert (told.severity, told.title) == ("critical", "Small loans: the fire drill failed")


@pytest.mark.end_to_end
def test_limits_that_let_the_fault_through_make_the_drill_fail(live: Callable[..., World]) -> None:
    world = live()
    path = world.settings.usecases_dir / f"{NAME}.toml"
    path.write_text(path.read_text().replace("[rollout]\n", "[rollout]\nrefusal_rate_difference_max = 1.0\n")
                    .replace("rate_per_s = 60", "rate_per_s = 60\ndetect_s_max = 1"))
    row = rehearse(world)
    assert (row.verdict, verdicts(row)["detect"]) == ("fail", "fail")
    assert "the breach was not seen" in row.sentence
    assert verdicts(row)["canary"] == "pass"  # the way back was walked all the same


@pytest.mark.end_to_end
def test_a_server_that_refuses_orders_is_the_drills_verdict(live: Callable[..., World]) -> None:
    world = live()

    class Deaf:
        def converge(self, route: Any) -> None:
            raise StaleState("the endpoint has a newer generation")

    row = rehearse(world, seam=lambda server: Deaf())
    assert row.verdict == "fail"
    assert row.sentence.startswith("failed: the endpoint has a newer generation")


def test_without_anything_live_there_is_nothing_to_rehearse(make_world: Callable[..., World]) -> None:
    world = make_world()
    with pytest.raises(StaleState, match="nothing of 'small_loans' is live"):
        rehearse(world)
    with world.store.reading() as session:
        assert newest(session, NAME) == []


def done(world: World, days_ago: float, verdict: str = "pass") -> None:
    at = world.clock() - timedelta(days=days_ago)
    with world.store.writing() as session:
        record(session, use_case=NAME, verdict=verdict, sentence="rehearsed", started_by="cas", body={"measures": [], "facts": {}},
               started_at=at, finished_at=at)


def missing(world: World) -> str:
    with world.store.reading() as session:
        found = drill_states(session, [find_use_case(world.settings, NAME)[1]], world.clock()).get(NAME)
    return found.missing if found else "no state"


def test_a_drill_is_missing_after_one_and_a_half_weeks_of_a_weekly_schedule(live: Callable[..., World]) -> None:
    """7 days × 1.5 = 10.5 days."""
    world = live(WEEKLY)
    done(world, 10.4)
    assert missing(world) == ""
    world.clock.forward(86_400 * 0.2)
    assert missing(world).endswith("the schedule allows 10.5 days (1.5 times its interval)")


def test_a_schedule_never_kept_is_missing_from_its_first_due_time_on(live: Callable[..., World]) -> None:
    """START is Saturday, 4 May 2024, 14:00. Seen then; due on Mondays at 9: 6 May. One interval before that, 29 April, is where the count
    begins: missing from 29 April + 10.5 days = 9 May, 21:00."""
    world = live(WEEKLY)
    use_case = find_use_case(world.settings, NAME)[1]
    assert missing(world) == ""                       # tick has not seen the schedule yet
    start_due_of(world.store, use_case, world.clock())
    world.clock.forward(86_400 * 2 - 5 * 3_600)       # Monday, 9:00
    assert [run.flow for run in start_due_of(world.store, use_case, world.clock())] == ["drill"]
    world.clock.forward(86_400 * 3.5 - 60)
    assert missing(world) == ""
    world.clock.forward(120)
    assert missing(world) != ""


def test_a_use_case_without_a_schedule_or_without_anything_live_misses_nothing(live: Callable[..., World]) -> None:
    world = live("")
    assert missing(world) == "no state"
    done(world, 400)
    assert missing(world) == ""


def test_the_keeper_tells_a_missing_drill_once(live: Callable[..., World]) -> None:
    world = live(WEEKLY)
    done(world, 11)
    for _ in range(2):
        tell_missed(world.settings, world.store, world.clock())
    Keeper(world.settings, world.store, world.endpoint, world.clock, compact=lambda: None).run_once()
    with world.store.reading() as session:
        assert [row.title for row in session.query(Alert).filter(Alert.identity.startswith("drill:missed")).all()] == [
            f"{NAME}: the fire drill is missing"]
