"""Claims as a person: what is refused, where the roles come from, until when they count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.control.access.claims import person_from
from interlock.control.access.people import person_of, roles_of
from interlock.errors import DecisionRefused
from interlock.settings import Settings, load_settings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ISSUER = "https://login.example.org"
RULES = {"metadata_url": f"{ISSUER}/.well-known/openid-configuration", "client_id": "interlock",
         "roles": {"ml-approvers": "approver", "ml-readers": "viewer", "second-approvers": "approver"}}


def signing(settings: Settings, **changes: Any) -> Settings:
    return load_settings(home=settings.home, sign_in=RULES | changes)


def claims(**changes: Any) -> dict[str, Any]:
    issued = int((NOW - timedelta(minutes=10)).timestamp())
    return {"iss": ISSUER, "aud": "interlock", "sub": "7f3", "iat": issued, "exp": issued + 3_600, "name": "Ann Lee",
            "email": "ann.lee@example.org", "groups": ["ml-approvers", "football"]} | changes


def test_a_person_has_name_address_roles_and_says_where_they_come_from(settings: Settings) -> None:
    person = person_from(signing(settings), claims(), NOW)
    assert (person.name, person.roles) == ("Ann Lee <ann.lee@example.org>", ("approver",))
    assert person.roles_from == "claims of https://login.example.org, subject 7f3"
    assert person.signed_in is not None
    assert person.signed_in.groups == ("ml-approvers",)  # football is nobody's business here


@pytest.mark.parametrize(("changes", "says"), [
    ({"iss": "https://evil.example.org"}, "another provider"), ({"iss": None}, "another provider"),
    ({"aud": "payroll"}, "another application"), ({"aud": None}, "another application"), ({"aud": ["payroll"]}, "another application"),
    ({"aud": ["interlock", "payroll"]}, "asked for by another"), ({"aud": ["interlock", "payroll"], "azp": "payroll"}, "asked for by"),
    ({"sub": None}, "names no subject"), ({"sub": ""}, "names no subject"), ({"sub": 7}, "names no subject"),
    ({"sub": "x" * 256}, "names no subject"), ({"iat": None}, "does not say when"), ({"exp": "tomorrow"}, "does not say when"),
    ({"iat": True}, "does not say when"), ({"iat": float("nan")}, "does not say when"), ({"iat": NOW.timestamp() + 301}, "of the future"),
    ({"name": "Scheduler"}, "kept for the machine"), ({"name": "interlock"}, "kept for the machine"),
])
def test_claims_that_are_not_ours_are_refused(settings: Settings, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DecisionRefused, match=says):
        person_from(signing(settings), claims(**changes), NOW)


def test_claims_count_for_nothing_where_nobody_signs_in(settings: Settings) -> None:
    with pytest.raises(DecisionRefused, match="nobody signs in"):
        person_from(load_settings(home=settings.home), claims(), NOW)


@pytest.mark.parametrize(("given", "roles"), [
    (["ml-approvers", "ml-readers"], ("approver", "viewer")), (["ml-approvers", "second-approvers"], ("approver",)),
    ("ml-readers", ("viewer",)),
    (["admin", "approver"], ()), ([], ()), (None, ()), ({"ml-approvers": True}, ()), ([["ml-approvers"], 7], ()),
    ("ml-approvers ml-readers", ()),
    (["x"] * 1_000 + ["ml-approvers"], ()),
])
def test_only_the_mapping_gives_roles(settings: Settings, given: object, roles: tuple[str, ...]) -> None:
    assert person_from(signing(settings), claims(groups=given), NOW).roles == roles


def test_a_claim_may_lie_inside_or_have_dots_in_its_name(settings: Settings) -> None:
    inside = claims(realm_access={"roles": ["ml-readers"]})
    assert person_from(signing(settings, roles_claim="realm_access.roles"), inside, NOW).roles == ("viewer",)
    whole = claims(**{"https://interlock.example.org/roles": ["ml-readers"]})
    assert person_from(signing(settings, roles_claim="https://interlock.example.org/roles"), whole, NOW).roles == ("viewer",)
    assert person_from(signing(settings, roles_claim="groups.0.name"), claims(), NOW).roles == ()


@pytest.mark.parametrize(("changes", "minutes"), [
    ({}, 50),  # made 10 minutes ago, the token lives for 60
    ({"end_with_token": False}, 470),  # 8 hours less 10 minutes
    ({"session_hours": 0.5}, 20),
])
def test_a_session_ends_with_the_token_or_after_the_longest_time(settings: Settings, changes: dict[str, Any], minutes: int) -> None:
    person = person_from(signing(settings, **changes), claims(), NOW)
    assert person.signed_in is not None
    assert person.signed_in.until == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(("changes", "name"), [
    ({"email_verified": False}, "Ann Lee <7f3@login.example.org>"), ({"email": None}, "Ann Lee <7f3@login.example.org>"),
    ({"email": "two words@x"}, None), ({"name": None}, "ann.lee@example.org"), ({"name": "Bob <bob@example.org>"}, "ann.lee@example.org"),
    ({"name": "Ann\nLee"}, "Ann Lee <ann.lee@example.org>"), ({"name": "Ann\u202eeeL"}, "ann.lee@example.org"),
    ({"name": "x" * 121}, "ann.lee@example.org"),
])
def test_a_name_that_a_person_chose_cannot_hide_the_address(settings: Settings, changes: dict[str, Any], name: str | None) -> None:
    if name is None:
        with pytest.raises(DecisionRefused, match="no address that tells people apart"):
            person_from(signing(settings), claims(**changes), NOW)
    else:
        assert person_from(signing(settings), claims(**changes), NOW).name == name


def test_a_mapping_that_lost_the_group_counts_at_once(settings: Settings) -> None:
    person = person_from(signing(settings), claims(), NOW)
    assert roles_of(signing(settings, roles={"ml-readers": "viewer"}), person) == []
    assert roles_of(load_settings(home=settings.home, people={person.name: ["admin"]}), person) == []


def test_people_of_the_settings_are_for_the_command_line_and_add_nothing_to_a_sign_in(settings: Settings) -> None:
    both = load_settings(home=settings.home, sign_in=RULES, people={"Ann Lee <ann.lee@example.org>": ["admin"], "ops": ["operator"]})
    assert person_of(both, person_from(both, claims(), NOW)).roles == ("approver",)
    assert roles_of(both, "ops") == ["operator"]
    assert roles_of(both, "somebody else") == []
