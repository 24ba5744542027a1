"""A standing approval of somebody who signed in: it counts while the newest sign-in still gives the role."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.control.access import known_roles
from interlock.control.access.known_roles import granted_by
from interlock.control.access.people import Person
from interlock.control.access.sign_ins import SignedIn, arrive
from interlock.control.decisions import actions, standing
from interlock.identity import SignIn
from interlock.records.ids import new_id
from interlock.records.tables import Decision

World = Any  # tests/control/conftest.py
ISSUER = "https://login.example.org"
RULES = SignIn(metadata_url=f"{ISSUER}/.well-known/openid-configuration", client_id="interlock",
               roles={"approvers": "approver", "readers": "viewer"})


def signed_in(world: World, *groups: str, days_ago: float = 0, subject: str = "7f3") -> Person:
    """Ann signs in: list and ledger hear of it at the world's time, the session itself is one of now."""
    now = datetime.now(UTC)
    one = SignedIn(ISSUER, subject, now - timedelta(seconds=60 - len(groups)), now + timedelta(hours=1), groups)
    told = world.clock() - timedelta(days=days_ago)
    arrive(world.settings, world.store, one, "Ann <ann@x.org>", [], clock=lambda: told)
    return Person("Ann <ann@x.org>", signed_in=one)


@pytest.fixture
def signing(make_world: Callable[..., World]) -> World:
    return make_world(sign_in=RULES)


def granted(world: World, person: Person) -> Decision:
    receipt = actions.grant(world.settings, world.store, actor=person, use_case="small_loans", reason="nights", nonce=new_id(),
                            clock=world.clock)
    with world.store.reading() as session:
        return session.get_one(Decision, receipt.decision_id)


def roles(world: World, decision: Decision) -> tuple[str, ...] | None:
    with world.store.reading() as session:
        return granted_by(world.settings, session, decision.actor, decision.detail, world.clock()).roles


def test_it_counts_while_the_newest_sign_in_gives_the_role(signing: World) -> None:
    decision = granted(signing, signed_in(signing, "approvers"))
    assert roles(signing, decision) == ("approver",)
    signed_in(signing, "approvers", "readers", subject="somebody else")
    assert roles(signing, decision) == ("approver",)
    signing.clock.forward(60)
    signed_in(signing, "readers", "readers")  # the group is lost
    assert roles(signing, decision) == ("viewer",)


def test_who_did_not_come_for_thirty_days_lets_nothing_through(signing: World) -> None:
    decision = granted(signing, signed_in(signing, "approvers"))
    signing.clock.forward(30 * 86_400 - 1)
    assert roles(signing, decision) == ("approver",)
    signing.clock.forward(2)
    assert roles(signing, decision) == ()


def test_a_mapping_that_changed_counts_at_once(signing: World) -> None:
    decision = granted(signing, signed_in(signing, "approvers"))
    signing.settings = signing.settings.model_copy(update={"sign_in": RULES.model_copy(update={"roles": {"readers": "viewer"}})})
    assert roles(signing, decision) == ()


def test_a_grant_of_local_mode_gives_nothing_once_people_sign_in(world: World) -> None:
    decision = granted(world, Person("ben"))
    assert "approver" in (roles(world, decision) or ())
    world.settings = world.settings.model_copy(update={"sign_in": RULES})
    assert roles(world, decision) == ()


def test_without_the_newest_sign_in_a_lost_group_would_not_be_seen(signing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: the roles of the day of the grant."""
    decision = granted(signing, signed_in(signing, "approvers"))
    signing.clock.forward(31 * 86_400)
    monkeypatch.setattr(known_roles, "KNOWN_DAYS", 10_000)
    assert roles(signing, decision) == ("approver",)
    assert standing.granted_by is granted_by  # the keeper asks this very function
