"""Who is the same person, and who may do what."""

from __future__ import annotations

import pytest

from interlock.rules.approval import ALLOWED, ROLES, may, same_person


@pytest.mark.parametrize(("one", "other", "same"), [
    ("ben", "ben", True), ("Ben", "ben ", True), ("Ada Lee <ada@x.org>", "ada@x.org", True), ("Ada Lee <ada@x.org>", "ada lee", True),
    ("Ada Lee <ada@x.org>", "ada", True), ("ada@x.org", "ada@y.org", True),  # one account name: better refused once too often
    ("Ada Lee <a.lee@x.org>", "a.lee", True), ("Ada Lee <a@x.org>", "ada.lee", True), ("Ada Lee <a@x.org>", "adalee", True),
    ("Ada Lee <ada+work@x.org>", "ada", True), ("Ada <123+alee@users.noreply.github.com>", "alee", True),
    ("Ada Lee <a.lee@x.org>", "lee", False), ("Ada Lee <a@x.org>", "Ada Ng <b@x.org>", False), ("ada+work@x.org", "work", False),
    ("ada", "ben", False), ("scheduler", "scheduler", False), ("", "", False), ("keeper", "keeper", False),
])
def test_the_same_person_under_several_names(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same
    assert same_person(other, one) is same


def test_a_viewer_and_an_auditor_change_nothing() -> None:
    assert {action for action in ALLOWED if may(["viewer"], action)} == {"revoke own"}
    assert {action for action in ALLOWED if may(["auditor"], action)} == {"revoke own", "see rows", "export bundle"}  # both only look


def test_on_call_may_roll_back_but_not_approve() -> None:
    assert [action for action in ALLOWED if may(["operator"], action)] == [
        "rollback", "pause", "resume", "abort", "revoke own", "change keys", "see rows", "propose", "re-ingest", "confirm restore"]
    assert set(ROLES) >= {role for roles in ALLOWED.values() for role in roles}
