"""Who may do what: every function that takes a person, tried with every role. A new one without a line in this table fails."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interlock.control.access import people
from interlock.control.access.claims import person_from
from interlock.control.access.people import Person
from interlock.control.decisions import actions, standing
from interlock.errors import DecisionRefused
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.rules.approval import ALLOWED
from interlock.settings import Settings, load_settings

World = Any  # tests/control/conftest.py
CONTROL = Path(people.__file__).parents[1]
ROLES = ("viewer", "analyst", "approver", "operator", "auditor", "admin")
DECIDE, STEER, LOOK = {"approver", "admin"}, {"operator", "approver", "admin"}, {"analyst", "approver", "operator", "auditor", "admin"}
TABLE: dict[str, set[str]] = {  # every public function of interlock.control that takes a person
    "decisions.actions.approve": DECIDE,
    "decisions.actions.reject": DECIDE,
    "decisions.actions.waive": DECIDE,
    "decisions.standing.grant": DECIDE,
    "decisions.standing.revoke": DECIDE,  # another person's; one's own: below
    "releases.retiring.retire": DECIDE,
    "releases.rollbacks.rollback": STEER,
    "releases.steering.abort": STEER,
    "releases.steering.resume": STEER,
    "releases.pausing.pause": STEER,
    "access.keys.add_key": {"operator", "admin"},
    "access.keys.rotate_key": {"operator", "admin"},
    "access.keys.revoke_key": {"operator", "admin"},
    "access.ending.end_sessions": {"admin"},
    "backups.confirming.confirm": {"operator", "admin"},
    "bundle.making.make_bundle": {"auditor", "admin"},
    "intake_again.take_in_again": {"analyst", "operator", "admin"},
    "answers.looking.explain_apart": LOOK,
    "answers.looking.what_if": LOOK,
    "readmodel.intake.quarantine": LOOK,
}
NO_ACTION = {  # they only say who somebody is, or what would stand in the way
    "access.people.person_of", "access.people.name_of", "access.people.roles_of", "access.people.permit", "access.people.require",
    "readmodel.bound.bound_of",
}
RIGHTS = {  # the same table for what pages offer and the command line asks
    "approve": DECIDE, "reject": DECIDE, "waive": DECIDE, "grant": DECIDE, "revoke": DECIDE, "retire": DECIDE, "revoke own": set(ROLES),
    "rollback": STEER, "abort": STEER, "resume": STEER, "pause": STEER, "change keys": {"operator", "admin"},
    "confirm restore": {"operator", "admin"}, "export bundle": {"auditor", "admin"}, "re-ingest": {"analyst", "operator", "admin"},
    "end sessions": {"admin"}, "see rows": LOOK, "propose": {"analyst", "approver", "operator", "admin"},
}


class Passed(Exception):
    """The role check let the person through."""


class Untouched:
    """A store that nobody may touch before the role is checked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the store was asked for '{name}' before the role was checked")


def takers() -> set[str]:
    """Every public function of interlock.control that may get a `Person`, or asks what somebody may, by its place."""
    found = set()
    for path in CONTROL.rglob("*.py"):
        place = ".".join(path.relative_to(CONTROL).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                takes = any(one.annotation is not None and "Person" in ast.unparse(one.annotation) for one in every)
                asks = {ast.unparse(one.func) for one in ast.walk(node) if isinstance(one, ast.Call)} & {"require", "permit"}
                if takes or asks:
                    found.add(f"{place}.{node.name}")
    return found


@pytest.fixture
def signing(settings: Settings) -> Settings:
    rules = {"metadata_url": "https://login.example.org/.well-known/openid-configuration", "client_id": "interlock",
             "roles": {f"ml-{role}": role for role in ROLES}}
    return load_settings(home=settings.home, usecases_dir=settings.usecases_dir, sign_in=rules, people={role: [role] for role in ROLES})


def signed_in(settings: Settings, role: str, **claims: Any) -> Person:
    issued = int(datetime.now(UTC).timestamp()) - 5
    return person_from(settings, {"iss": "https://login.example.org", "aud": "interlock", "sub": role, "iat": issued, "exp": issued + 600,
                                  "name": f"{role} Person", "email": f"{role}@x.org", "groups": [f"ml-{role}"], **claims},
                       datetime.now(UTC))


def call(function: Callable[..., Any], settings: Settings, actor: str | Person) -> None:
    """The function with arguments that lead nowhere: only the role decides how far it comes."""
    now = datetime.now(UTC)
    known: dict[str, Any] = {
        "settings": settings, "store": Untouched(), "actor": actor, "person": actor, "evidence_digest": "sha256:0", "reason": "because",
        "nonce": new_id(), "expected_generation": 0, "gates": ["auc"], "hours": 1.0, "use_case": "small_loans", "version": 1,
        "release_id": "r", "standing_id": "s", "client": "c", "use_cases": ["*"], "key_id": "k", "since": now - timedelta(days=1),
        "until": now, "request_id": "q", "record": {}, "name": "Ann"}
    given = inspect.signature(function).parameters.values()
    function(**{one.name: known[one.name] for one in given if one.name in known or one.default is inspect.Parameter.empty})


def let_through(function: Callable[..., Any], settings: Settings, actor: str | Person) -> bool:
    try:
        call(function, settings, actor)
    except Passed:
        return True
    except DecisionRefused as refused:
        if " may not " not in refused.what:
            raise
        return False
    raise AssertionError("the function ended without a check of the role")


@pytest.fixture
def stop_at_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever passes the check of roles goes no further."""
    real = people.may

    def may(roles: list[str], action: str) -> bool:
        if real(roles, action):
            raise Passed
        return False

    monkeypatch.setattr(people, "may", may)
    monkeypatch.setattr(standing, "find", lambda session, standing_id: SimpleNamespace(grantor="Somebody Else", use_case="small_loans"))
    monkeypatch.setattr(Untouched, "reading", lambda self: Reading(), raising=False)


class Reading:
    """A session that nobody uses: `revoke` looks whose approval it is before it knows which right that needs."""

    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the store was asked for '{name}' before the role was checked")


def test_every_function_that_takes_a_person_stands_in_the_table() -> None:
    assert takers() == set(TABLE) | NO_ACTION


@pytest.mark.parametrize("place", sorted(TABLE))
@pytest.mark.usefixtures("stop_at_the_role")
def test_a_function_lets_through_exactly_its_roles(place: str, signing: Settings) -> None:
    module, _, name = place.rpartition(".")
    function = getattr(importlib.import_module(f"interlock.control.{module}"), name)
    for one in (str, lambda role: signed_in(signing, role)):  # named in the settings, and signed in
        assert {role for role in ROLES if let_through(function, signing, one(role))} == TABLE[place], one
    for stranger in ("stranger", signed_in(signing, "stranger"), Person("viewer", ("admin",)), Person("Eve", ("admin",), "settings")):
        if "viewer" not in TABLE[place]:
            assert not let_through(function, signing, stranger), stranger


@pytest.mark.usefixtures("stop_at_the_role")
def test_an_approval_of_ones_own_may_be_revoked_whatever_the_role(signing: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    auditor = signed_in(signing, "auditor")
    monkeypatch.setattr(standing, "find", lambda session, standing_id: SimpleNamespace(grantor=auditor.name, use_case="small_loans"))
    assert let_through(actions.revoke, signing, auditor)
    assert not let_through(actions.revoke, signing, signed_in(signing, "operator"))


def test_rights_are_these() -> None:
    assert {action: set(roles) for action, roles in ALLOWED.items()} == RIGHTS


def test_a_check_that_lets_everybody_through_is_noticed(signing: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant of the whole table: with it, a viewer would come through."""
    def anybody(roles: list[str], action: str) -> bool:
        raise Passed

    monkeypatch.setattr(people, "may", anybody)
    assert let_through(actions.approve, signing, signed_in(signing, "viewer"))


def test_a_refusal_writes_nothing_and_a_yes_says_where_the_role_comes_from(world: World, signing: Settings) -> None:
    settings = signing.model_copy(update={"home": world.settings.home, "usecases_dir": world.settings.usecases_dir})
    evidence = world.candidate(1)
    wanted: dict[str, Any] = {"evidence_digest": evidence, "reason": "all clear", "nonce": new_id(), "expected_generation": 0,
                              "clock": world.clock}
    before = ledger_kinds(world)
    for role in ("viewer", "analyst", "operator", "auditor"):
        with pytest.raises(DecisionRefused, match="may not approve"):
            actions.approve(settings, world.store, actor=signed_in(settings, role), **wanted)
    assert ledger_kinds(world) == before
    receipt = actions.approve(settings, world.store, actor=signed_in(settings, "approver"), **wanted)
    assert receipt.actor == "approver Person <approver@x.org>"
    with world.store.reading() as session:
        [entry] = ledger.entries(session, kinds=["decision.approve"])
    detail = ledger.body_of(entry)
    assert "claims of https://login.example.org, subject approver" in str(detail)
    with pytest.raises(DecisionRefused, match="already decided"):  # the nonce is the first person's, not a key for everybody
        actions.approve(settings, world.store, actor=signed_in(settings, "admin"), **wanted)


def test_the_author_cannot_approve_under_another_display_name(world: World, signing: Settings) -> None:
    settings = signing.model_copy(update={"home": world.settings.home, "usecases_dir": world.settings.usecases_dir})
    evidence = world.candidate(1, author="Ada <ada@example.org>")
    for changed in ({"name": "Somebody Else", "email": "ada@example.org"}, {"name": "Ada", "email": "other@example.org"}):
        with pytest.raises(DecisionRefused, match="somebody else must approve"):
            actions.approve(settings, world.store, actor=signed_in(settings, "approver", **changed), evidence_digest=evidence,
                            reason="mine", nonce=new_id(), expected_generation=0, clock=world.clock)


def ledger_kinds(world: World) -> list[str]:
    with world.store.reading() as session:
        return [entry.kind for entry in ledger.entries(session)]
