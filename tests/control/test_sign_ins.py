"""Signing in and out: once in the ledger, every tab ended, also without a store; a damaged list lets nobody in."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.control.access import sign_ins
from interlock.control.access.people import Person, permit
from interlock.control.access.sign_ins import SignedIn, arrive, sign_out, why_ended
from interlock.errors import DecisionRefused, StoreError
from interlock.records import ledger
from interlock.records.store import Store
from interlock.settings import Settings, load_settings

ISSUER = "https://login.example.org"
NOW = datetime.now(UTC).replace(microsecond=0)
ONE = SignedIn(ISSUER, "7f3", NOW - timedelta(minutes=5), NOW + timedelta(hours=1), ("approvers",))


@pytest.fixture
def signing(settings: Settings) -> Settings:
    rules = {"metadata_url": f"{ISSUER}/.well-known/openid-configuration", "client_id": "interlock", "roles": {"approvers": "approver"}}
    return load_settings(home=settings.home, sign_in=rules)


def bodies(store: Store) -> list[tuple[str, dict[str, Any]]]:
    with store.reading() as session:
        return [(entry.kind, ledger.body_of(entry)) for entry in reversed(ledger.entries(session, kinds=sign_ins.KINDS))]


def person(one: SignedIn = ONE) -> Person:
    return Person("Ann <ann@x.org>", signed_in=one)


def test_a_sign_in_stands_once_in_the_ledger_with_roles_and_subject(signing: Settings, store: Store) -> None:
    assert [arrive(signing, store, ONE, "Ann <ann@x.org>", ["approver"]) for _ in range(3)] == ["", "", ""]
    [(kind, body)] = bodies(store)
    assert kind == "person.signed_in"
    assert (body["name"], body["subject"], body["issuer"], body["roles"]) == ("Ann <ann@x.org>", "7f3", ISSUER, ["approver"])
    assert body["sentence"] == "Ann <ann@x.org> signed in at https://login.example.org with approver"
    assert ledger.verify(store).ok
    assert stat.S_IMODE((signing.home / "run" / "sign_ins.json").stat().st_mode) == 0o600


def test_signing_out_ends_every_tab_and_every_earlier_sign_in_of_this_person_alone(signing: Settings, store: Store) -> None:
    earlier, later = replace(ONE, at=ONE.at - timedelta(hours=1)), replace(ONE, at=ONE.at + timedelta(seconds=1))
    others = [replace(ONE, subject="other"), replace(ONE, issuer="https://else.example.org")]
    assert permit(signing, person(), "approve")["roles_from"] == "claims of https://login.example.org, subject 7f3"
    sign_out(signing, store, ONE, "Ann")
    sign_out(signing, store, ONE, "Ann")
    assert [bool(why_ended(signing, one, NOW)) for one in (ONE, earlier, later, *others)] == [True, True, False, False, False]
    with pytest.raises(DecisionRefused, match="you signed out"):
        permit(signing, person(), "approve")
    assert [kind for kind, _ in bodies(store)] == ["person.signed_out"]


def test_a_session_that_is_over_may_nothing(signing: Settings) -> None:
    over = replace(ONE, until=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(DecisionRefused, match="your sign-in ended at"):
        permit(signing, person(over), "approve")


def test_a_sign_in_of_another_provider_or_of_none_may_nothing(signing: Settings, settings: Settings) -> None:
    with pytest.raises(DecisionRefused, match="not of the provider"):
        permit(signing, person(replace(ONE, issuer="https://evil.example.org")), "approve")
    with pytest.raises(DecisionRefused, match="not of the provider"):  # the settings are local mode again, the tab is still open
        permit(settings, person(), "approve")


def test_roles_that_a_person_object_claims_count_for_nothing(signing: Settings) -> None:
    for forged in (Person("Eve", ("admin",), "settings"), replace(person(replace(ONE, groups=())), roles=("admin",))):
        with pytest.raises(DecisionRefused, match="may not approve"):
            permit(signing, forged, "approve")


def test_without_a_store_people_come_and_go_and_are_told(signing: Settings) -> None:
    assert arrive(signing, None, ONE, "Ann", []) == (
        "the ledger does not say that Ann signed in at https://login.example.org with no role: the store cannot be used")
    assert "the store cannot be used" in sign_out(signing, None, ONE, "Ann")
    assert why_ended(signing, ONE, NOW) == "you signed out"


def test_a_damaged_list_lets_nobody_in(signing: Settings, store: Store) -> None:
    signing.folder("run").joinpath("sign_ins.json").write_text("{")
    with pytest.raises(DecisionRefused, match="cannot be read, so nobody is let in"):
        permit(signing, person(), "approve")
    with pytest.raises(StoreError, match="nobody is let in until it can"):
        sign_out(signing, store, ONE, "Ann")
    assert "could not be written down" in arrive(signing, store, ONE, "Ann", [])


def test_a_list_that_is_not_asked_would_leave_the_tab_in(signing: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: what the tests above rest on."""
    sign_out(signing, store, ONE, "Ann")
    monkeypatch.setattr(sign_ins, "_known", lambda path: ())
    assert permit(signing, person(), "approve")["roles"] == ["approver"]


def test_old_lines_go_and_the_list_has_a_bound(signing: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(signing, store, replace(ONE, subject="old", until=NOW - timedelta(days=1, seconds=9)), "Old", [])
    arrive(signing, store, ONE, "Ann", [])
    assert [seen.subject for seen in sign_ins._read(signing)] == ["7f3"]
    monkeypatch.setattr(sign_ins, "KEPT_MAX", 1)
    assert "more than 1 sign-ins within a day" in arrive(signing, store, replace(ONE, subject="next"), "Next", [])
