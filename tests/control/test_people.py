"""Who acts: names and persons, where roles come from, what no role permits."""

from __future__ import annotations

import dataclasses

import pytest

from interlock.control.access.people import Person, at_keyboard, local_mode, name_of, permit, person_of, require, roles_of
from interlock.errors import DecisionRefused
from interlock.settings import Settings, load_settings

EVERY = ["admin", "analyst", "approver", "auditor", "operator", "viewer"]


def listed(settings: Settings) -> Settings:
    return load_settings(home=settings.home, people={"Ann": ["approver", "captain"], "Vic": ["viewer"]}, actor="Ann")


def test_without_a_list_everybody_has_every_role(settings: Settings) -> None:
    assert local_mode(settings)
    assert roles_of(settings, "anybody") == EVERY
    assert person_of(settings, "anybody").roles_from == "local mode: nobody is listed, everybody has every role"


def test_a_list_gives_its_roles_and_strangers_none(settings: Settings) -> None:
    own = listed(settings)
    assert roles_of(own, "Ann") == ["approver"]  # there is no role of captain
    assert roles_of(own, "Bob") == []
    assert at_keyboard(own) == Person("Ann", ("approver",), "settings")


def test_a_name_and_a_person_of_that_name_have_the_same_right(settings: Settings) -> None:
    own = listed(settings)
    assert permit(own, Person("Ann"), "approve") == permit(own, "Ann", "approve") == {
        "roles": ["approver"], "roles_from": "settings", "single_person": False}
    assert name_of(Person("Ann")) == name_of("Ann") == "Ann"


@pytest.mark.parametrize("name", ["", "  ", "scheduler", "Interlock", "keeper", "two\nlines", "x" * 201])
def test_nobody_and_no_name_may_nothing(settings: Settings, name: str) -> None:
    for actor in (name, Person(name)):
        with pytest.raises(DecisionRefused, match="needs a person's name"):
            require(settings, actor, "reject", "because")


def test_a_role_that_is_missing_is_named(settings: Settings) -> None:
    with pytest.raises(DecisionRefused, match="Vic may not see rows") as refused:
        permit(listed(settings), "Vic", "see rows")
    assert (refused.value.value, refused.value.allowed) == ("viewer", "admin, analyst, approver, auditor, operator")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2_001, "half a letter \ud800"])
def test_a_decision_needs_a_reason(settings: Settings, reason: str) -> None:
    with pytest.raises(DecisionRefused, match="needs a reason"):
        require(settings, "Ann", "approve", reason)


def test_a_person_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Person("Ann").name = "Bob"  # type: ignore[misc]
