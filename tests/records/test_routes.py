"""Law 1: one route per endpoint, changed by compare-and-swap; a variant that does not compare is caught by the same test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from interlock.errors import StaleState
from interlock.records import ledger, outbox, routes
from interlock.records.store import Store
from interlock.records.tables import Outbox, RouteRow
from interlock.rules.routes import Route, Slot

A, B = (Slot(version=n, digest="sha256:" + str(n) * 64) for n in (1, 2))


def change(session: Session, old: Route, **changes: Any) -> Route:
    return routes.change_route(session, old, actor="ben", reason="test", decision_id=None, **changes)


def two_who_saw_the_same(store: Store) -> None:
    """The second of two changes from the same generation must be refused."""
    with store.writing() as session:
        seen = change(session, routes.read_route(session, "loans"), champion=A)
    with store.writing() as session:
        change(session, seen, champion=B)
    with pytest.raises(StaleState, match="changed by somebody else first"), store.writing() as session:
        change(session, seen, champion=A, previous=B)
    with store.reading() as session:
        assert routes.read_route(session, "loans") == Route(use_case="loans", generation=2, champion=B)


def test_the_second_of_two_changes_from_one_generation_is_refused(store: Store) -> None:
    two_who_saw_the_same(store)


def test_a_swap_that_does_not_compare_is_caught(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(session: Session, expected: int, new: Route, now: datetime) -> bool:
        if expected == 0:
            return sound(session, expected, new, now)
        session.execute(update(RouteRow).where(RouteRow.use_case == new.use_case)  # no WHERE generation = ?
                        .values(generation=new.generation, body=new.model_dump(mode="json"), updated_at=now))
        return True

    sound = routes.compare_and_swap
    monkeypatch.setattr(routes, "compare_and_swap", broken)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        two_who_saw_the_same(store)


def test_two_first_routes_make_one(store: Store) -> None:
    empty = Route(use_case="loans", generation=0)
    with store.writing() as session:
        change(session, empty, champion=A)
    with pytest.raises(StaleState), store.writing() as session:
        change(session, empty, champion=B)


def test_route_ledger_and_intent_are_one_transaction(store: Store) -> None:
    def interrupted() -> None:
        with store.writing() as session:
            change(session, routes.read_route(session, "loans"), champion=A)
            outbox.enqueue(session, "cause", "deploy/deploy", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with store.reading() as session:
        assert (routes.read_route(session, "loans").generation, ledger.count(session), session.query(Outbox).count()) == (0, 0, 0)


def test_a_refused_change_leaves_no_entry(store: Store) -> None:
    with store.writing() as session:
        seen = change(session, routes.read_route(session, "loans"), champion=A)
        change(session, seen, champion=B)
    with pytest.raises(StaleState), store.writing() as session:
        change(session, seen, champion=A)
    assert ledger.verify(store).entries == 2


def test_a_cause_makes_one_intent(store: Store) -> None:
    with store.writing() as session:
        first = outbox.enqueue(session, "decision", "deploy/deploy", {"a": 1})
        assert outbox.enqueue(session, "decision", "deploy/deploy", {"a": 2}).id == first.id
    with store.reading() as session:
        assert [row.parameters for row in outbox.due(session, datetime.now(UTC))] == [{"a": 1}]


def test_only_the_first_of_two_moves_an_intent(store: Store) -> None:
    now = datetime.now(UTC)
    with store.writing() as session:
        row = outbox.enqueue(session, "decision", "deploy/deploy", {})
        session.expunge(row)
        assert outbox.move(session, row, now, state="pending", attempt=2)
        assert not outbox.move(session, row, now, state="pending", attempt=2)
