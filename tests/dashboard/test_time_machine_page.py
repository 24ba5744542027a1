"""The time machine: a slider over the moments of change, two moments compared, both in the address. Literal values beside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from control_room_world import FLIGHTS, NOW, endpoint, observed, sha, slot
from streamlit.testing.v1 import AppTest
from test_pages import VIEWS, text

from interlock.control.past.timeline import timeline
from interlock.control.readmodel.between import between, moments
from interlock.records import ledger
from interlock.records.store import Store
from interlock.rules.routes import Route
from interlock.settings import Settings

FIRST, SECOND = NOW - timedelta(days=40), NOW - timedelta(days=3)  # version 1, then version 2


@pytest.fixture
def served(world: Settings) -> Iterator[Settings]:
    with endpoint(world.control_port, [observed()]):
        yield world


def opened(**address: str) -> AppTest:
    app = AppTest.from_file(str(VIEWS / "time_machine.py"), default_timeout=60)
    for name, value in {"use_case": FLIGHTS, **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def test_the_stops_are_the_moments_of_change(world: Settings, store: Store) -> None:
    assert moments(timeline(store, FLIGHTS)) == [FIRST, SECOND]


def test_two_moments_differ_in_version_evidence_and_decisions(world: Settings, store: Store) -> None:
    """Before the first change nothing answered; between the two approvals of versions 1 and 2 lies one decision, the second."""
    found = between(world, store, FLIGHTS, SECOND, FIRST)  # in whichever order
    facts = {one.what: (one.then, one.later) for one in found.facts}
    assert facts["version that answered"] == ("version 1", "version 2")
    assert facts["package"] == (sha(f"{FLIGHTS} 1")[7:19], sha(f"{FLIGHTS} 2")[7:19])
    assert [(one.kind, one.at) for one in found.decisions] == [("approve", SECOND)]
    assert [one.since for one in found.routes] == [SECOND]
    assert [one.title for one in found.numbers][0] == "AUC"
    assert (round(found.numbers[0].candidate or 0, 2), round(found.numbers[0].champion or 0, 2)) == (0.70, 0.69)
    early = between(world, store, FLIGHTS, FIRST - timedelta(days=1), FIRST)
    assert {one.what: one.then for one in early.facts}["version that answered"] == "nothing"
    assert early.numbers == ()
    same = between(world, store, FLIGHTS, SECOND + timedelta(hours=1), SECOND + timedelta(hours=2))
    assert [one for one in same.facts if one.changed] == []
    assert (same.decisions, same.routes) == ((), ())


def test_the_slider_moves_through_history_and_the_address_follows(served: Settings) -> None:
    app = opened()
    assert "Version 2 answered" in text(app)
    slider = app.select_slider[0]
    assert slider.label == "What answered at"
    app = slider.set_value(FIRST).run()
    assert not app.exception
    assert "Version 1 answered" in text(app)
    assert app.query_params["at"] == FIRST.isoformat()
    linked = opened(at=FIRST.isoformat())
    assert "Version 1 answered" in text(linked)


def test_a_moment_between_two_changes_and_one_that_is_none(served: Settings) -> None:
    middle = (FIRST + timedelta(days=10)).isoformat()
    app = opened(at=middle, **{"from": FIRST.isoformat()})
    assert "Version 1 answered" in text(app)
    assert "Nothing changed between these two moments." in text(app)
    wrong = opened(at="yesterday")
    assert "this is no moment" in text(wrong)
    assert "Version 2 answered" in text(wrong)
    assert "Nothing answered" in text(opened(at="2001-01-01"))


def test_what_changed_stands_beside_each_other(served: Settings) -> None:
    shown = text(opened(at=SECOND.isoformat(), **{"from": FIRST.isoformat()})).replace("**", "")
    for phrase in ("version that answered", "Decisions in between: 1", "Each number is from that version's own", "The same at both:"):
        assert phrase in shown
    assert datetime.now(UTC) > SECOND


def test_many_changes_at_one_moment_are_one_stop(world: Settings, store: Store) -> None:
    with store.writing() as session:
        for generation in (6, 7):
            after = Route(use_case=FLIGHTS, generation=generation, champion=slot(2))
            ledger.append(session, "route.changed", {"actor": "interlock", "reason": "again", "decision_id": None, "before": {},
                                                     "after": after.model_dump()}, FLIGHTS, at=NOW)
    assert moments(timeline(store, FLIGHTS)) == [FIRST, SECOND, NOW]
