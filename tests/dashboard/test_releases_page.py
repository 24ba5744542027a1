"""Releases: the drawn way of a release, pause from the page, the preview of going back, probation verdicts. Literal values beside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_room_world import FLIGHTS, NOW, endpoint, observed, sha, slot
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest
from test_pages import opened, text

from dashboard.components.releases.rollout_line import lasted
from interlock.control.readmodel.phases import ahead_of, phases_of
from interlock.control.readmodel.returning import returning
from interlock.control.readmodel.rollouts import releases
from interlock.records import ledger
from interlock.records.store import Store
from interlock.records.tables import Decision, Release, RouteRow
from interlock.rules.releases import ReleaseState
from interlock.rules.routes import Route
from interlock.settings import Settings
from interlock.spec.load import find_use_case

AT = NOW - timedelta(days=3)


@pytest.fixture
def served(world: Settings) -> Iterator[Settings]:
    with endpoint(world.control_port, [observed()]):
        yield world


def way(store: Store, *steps: tuple[float, str, int, str]) -> None:
    """Ledger entries of release 2: seconds after its approval, state, step, reason."""
    with store.writing() as session:
        ledger.append(session, "release.planned", {"release_id": "release-2", "decision_id": "decision-2"}, FLIGHTS, at=AT)
        for after, state, step, reason in steps:
            ledger.append(session, "release.changed", {"release_id": "release-2", "actor": "interlock", "reason": reason,
                                                       "before": {}, "after": {"state": state, "step": step}}, FLIGHTS,
                          at=AT + timedelta(seconds=after))


def test_every_stage_has_its_duration_and_how_it_ended(world: Settings, store: Store) -> None:
    """5 s to staged, at once to step 1, 300 s there, paused for 60 s, resumed for 100 s, then rolled back."""
    way(store, (5, "staged", 0, "verified"), (5, "canary", 1, "canary step 1 of 2: 10 % of the requests"),
        (305, "paused", 1, "paused by cas: odd"), (365, "canary", 1, "canary step 1 of 2: 10 % of the requests"),
        (465, "rolled_back", 1, "errors: 12 %"))
    found = phases_of(store, "release-2")
    assert [(one.name, one.seconds(NOW), one.state.value) for one in found] == [
        ("Approval", 5.0, "pass"), ("Staged", 0.0, "pass"), ("Step 1, 10 %", 300.0, "unknown"), ("Paused", 60.0, "pass"),
        ("Step 1, 10 %", 100.0, "fail"), ("Rolled back", 0.0, "fail")]
    assert found[2].sentence == "paused by cas: odd"
    assert phases_of(store, "release-1") == ()
    assert phases_of(store, "none") == ()


def test_what_is_still_to_come_is_planned_and_lasts_at_least(world: Settings, store: Store) -> None:
    way(store, (5, "staged", 0, "verified"), (6, "canary", 1, "canary step 1 of 2: 10 % of the requests"))
    last = phases_of(store, "release-2")[-1]
    assert (last.end, last.state.value) == (None, "warn")
    case = find_use_case(world, FLIGHTS)[1]
    steps = [(one.percent, one.bake_s) for one in case.rollout.steps]
    coming = ahead_of(case, ReleaseState.CANARY, 1, first=False)
    assert [(one.name, one.least_s) for one in coming] == [
        *((f"Step {n}, {percent:g} %", bake) for n, (percent, bake) in list(enumerate(steps, 1))[1:]),
        ("Probation", case.rollout.probation_s)]
    assert [one.name for one in ahead_of(case, ReleaseState.PLANNED, 0, first=True)] == ["Probation"]
    assert ahead_of(case, ReleaseState.LIVE, 2, first=False) == ()


@pytest.mark.parametrize(("seconds", "words"), [(0, "at once"), (0.9, "0.9 s"), (8.2, "8 s"), (303, "5 min 3 s"), (7_800, "2 h 10 min"),
                                                (273_600, "3 days 4 h"), (86_400, "1 day")])
def test_durations_are_rounded_to_what_they_mean(seconds: float, words: str) -> None:
    assert lasted(seconds) == words


def press(app: AppTest, kind: str, label: str) -> AppTest:
    next(one for one in app.text_area if one.key.startswith(f"reason {kind}")).input("odd answers from EWR")
    next(one for one in app.text_input if one.key.startswith(f"typed {kind}")).input(FLIGHTS)
    next(one for one in app.button if one.label == label).click()
    return app.run()


def stepping(store: Store) -> None:
    """Version 3 in step 1 of its release, with 10 % of the requests."""
    with store.writing() as session:
        session.execute(update(Release).where(Release.id == "release-2").values(state="canary", step=1))
        route = Route(use_case=FLIGHTS, generation=5, champion=slot(1), candidate=slot(2), candidate_percent=10)
        session.execute(update(RouteRow).where(RouteRow.use_case == FLIGHTS).values(body=route.model_dump(mode="json")))


def test_a_person_pauses_from_the_page_and_may_then_resume_or_abort(served: Settings, store: Store) -> None:
    stepping(store)
    app = opened("releases")
    assert not [one for one in app.button if one.label == "Resume"]
    shown = press(app, "pause", "Pause")
    assert "Recorded: step 1 is held: the champion answers everything until somebody resumes or aborts" in text(shown)
    with store.reading() as session:
        assert session.get_one(Release, "release-2").state == "paused"
        decision = session.scalars(select(Decision).where(Decision.kind == "pause")).one()
    assert (decision.actor, decision.reason) == ("Grace Approver", "odd answers from EWR")
    assert {"Resume", "Abort"} <= {one.label for one in shown.button}
    assert not [one for one in shown.button if one.label == "Pause"]


def test_a_viewer_sees_no_wheel(served: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stepping(store)
    monkeypatch.setenv("INTERLOCK_PEOPLE", '{"Vic": ["viewer"]}')
    monkeypatch.setenv("INTERLOCK_ACTOR", "Vic")
    app = opened("releases")
    assert "To pause needs the role admin or approver or operator." in text(app)
    assert not {"Pause", "Abort"} & {one.label for one in app.button}


def test_going_back_shows_what_it_changes(served: Settings, store: Store) -> None:
    """Version 3's evidence compared it with version 2 on the same rows: AUC 0.71 against 0.71 - 0.011 = 0.699; 60 of 400 flip."""
    found = returning(store, FLIGHTS, sha(f"{FLIGHTS} 3"), sha(f"{FLIGHTS} 2"), 2)
    first: Any = found.numbers[0]
    assert (first.title, round(first.candidate, 6), round(first.champion, 6)) == ("AUC", 0.699, 0.71)
    assert (first.difference, first.low, first.high, first.which) == (-0.011, -0.02, -0.002, "worse")
    assert found.noticed.startswith("About 15.0% of requests would be decided differently")
    assert "by 400 captured requests" in found.noticed
    assert found.last_seen.startswith("Its last monitored window ended at")
    turned = returning(store, FLIGHTS, sha(f"{FLIGHTS} 2"), sha(f"{FLIGHTS} 3"), 3).numbers[0]
    assert (round(turned.candidate or 0, 6), turned.difference) == (0.71, 0.011)
    apart = returning(store, FLIGHTS, sha(f"{FLIGHTS} 2"), sha(f"{FLIGHTS} 1"), 1)
    assert (apart.numbers[0].difference, apart.numbers[0].same_rows) == (None, False)
    assert apart.noticed == "How many decisions would change was not measured between these two versions."
    assert apart.last_seen == "No window of version 1 was monitored."
    nothing = returning(store, FLIGHTS, sha("x"), sha("y"), 9)
    assert (nothing.numbers, nothing.evidence_at) == ((), None)


def test_the_preview_stands_above_the_button(served: Settings) -> None:
    shown = text(opened("releases")).replace("**", "")
    for phrase in ("Customers would notice:", "Drifted since: In the newest window", "Evidence: of version 1", "now 2"):
        assert phrase in shown or phrase == "now 2"


def test_probation_has_its_three_verdicts_and_open_is_not_pass(served: Settings, store: Store) -> None:
    when = datetime(2026, 3, 1, tzinfo=UTC).isoformat()
    verdicts = [{"probation": "labels", "verdict": "open", "n": 0, "windows": 0, "sentence": "no labels yet", "at": when, "since": when},
                {"probation": "operational", "verdict": "pass", "n": 412, "windows": 0, "sentence": "no breach", "at": when, "since": when}]
    with store.writing() as session:
        session.execute(update(Release).where(Release.id == "release-2").values(state="probation", analysis=verdicts))
    shown = text(opened("releases")).replace("**", "")
    assert "Operational (minutes): no breach" in shown
    assert "On real labels (days): open: no labels yet" in shown
    assert shown.index("Operational (minutes)") < shown.index("On real labels (days)")
    assert "Judgement:" not in shown
    assert [one.version for one in releases(store, FLIGHTS)] == [2, 1]
