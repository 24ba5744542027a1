"""An admin ends somebody else's sessions: every tab is refused, the ledger says who and why, and only people who signed in can be named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.control.access import sign_ins
from interlock.control.access.ending import end_sessions
from interlock.control.access.people import Person, permit
from interlock.control.access.sign_ins import SignedIn, arrive, why_ended
from interlock.errors import DecisionRefused
from interlock.records import ledger
from interlock.records.store import Store
from interlock.settings import Settings, load_settings, settings_environment

ISSUER = "https://login.example.org"
NOW = datetime.now(UTC).replace(microsecond=0)
ANN, BOB = "Ann Lee <ann@x.org>", "Bob <bob@x.org>"
ONE = SignedIn(ISSUER, "7f3", NOW - timedelta(minutes=5), NOW + timedelta(hours=1), ("approvers",))
OTHER = replace(ONE, subject="9a1")


@pytest.fixture
def signing(settings: Settings, store: Store) -> Settings:
    """Ann signed in twice, Bob once; Grace is an admin and Olga an operator at the command line."""
    rules = {"metadata_url": f"{ISSUER}/.well-known/openid-configuration", "client_id": "interlock", "roles": {"approvers": "approver"}}
    made = load_settings(home=settings.home, sign_in=rules, people={"grace": ["admin"], "olga": ["operator"]})
    arrive(made, store, replace(ONE, at=ONE.at - timedelta(minutes=1)), ANN, ["approver"])
    arrive(made, store, ONE, ANN, ["approver"])
    arrive(made, store, OTHER, BOB, ["approver"])
    return made


def end(settings: Settings, store: Store | None, name: str = ANN, **more: Any) -> Any:
    return end_sessions(settings, store, **{"actor": "grace", "reason": "laptop stolen", "name": name, "clock": lambda: NOW, **more})


@pytest.mark.parametrize("name", [ANN, "ANN@x.org", " ann lee <ann@x.org> ", "7f3"])
def test_every_tab_of_that_person_and_of_nobody_else_is_refused_from_now_on(signing: Settings, store: Store, name: str) -> None:
    assert permit(signing, Person(ANN, signed_in=ONE), "approve")["roles"] == ["approver"]
    ended = end(signing, store, name)
    assert (ended.name, ended.sign_ins, ended.warning) == (ANN, 2, "")
    for one in (ONE, replace(ONE, at=ONE.at - timedelta(minutes=1)), replace(ONE, at=NOW)):  # the last: on its way, not seen yet
        with pytest.raises(DecisionRefused, match=f"grace ended your sessions at {NOW:%Y-%m-%d %H:%M} UTC"):
            permit(signing, Person(ANN, signed_in=one), "approve")
    assert permit(signing, Person(BOB, signed_in=OTHER), "approve")
    assert why_ended(signing, replace(ONE, at=NOW + timedelta(seconds=1)), NOW) == ""  # signing in again is the provider's to refuse


def test_the_ledger_says_who_ended_whose_sessions_and_why(signing: Settings, store: Store) -> None:
    end(signing, store)
    with store.reading() as session:
        [entry] = ledger.entries(session, kinds=["person.sessions_ended"])
        body = ledger.body_of(entry)
    assert body["sentence"] == f"grace ended the sessions of {ANN} (laptop stolen)"
    assert (body["actor"], body["reason"], body["name"], body["subject"], body["standing"]["roles"]) == (
        "grace", "laptop stolen", ANN, "7f3", ["admin"])
    assert ledger.verify(store).ok


def test_doing_it_again_finds_nothing_that_counts_and_ends_what_came_since(signing: Settings, store: Store) -> None:
    end(signing, store)
    assert end(signing, store).sign_ins == 0
    later = replace(ONE, at=NOW + timedelta(seconds=30))
    arrive(signing, store, later, ANN, ["approver"])
    assert end(signing, store, clock=lambda: NOW + timedelta(minutes=1)).sign_ins == 1
    assert "grace ended your sessions" in why_ended(signing, later, NOW)
    assert len([seen for seen in sign_ins.seen_here(signing) if seen.ended_by]) == 1  # one line a person, however often


def test_names_that_are_nobodys_or_several_peoples_are_refused_with_those_there_are(signing: Settings, store: Store) -> None:
    with pytest.raises(DecisionRefused, match="nobody of this name") as refused:
        end(signing, store, "anne@x.org")
    assert refused.value.allowed == f"{ANN}, {BOB}"
    arrive(signing, store, replace(ONE, subject="c40"), ANN, [])
    with pytest.raises(DecisionRefused, match="several people") as refused:
        end(signing, store)
    assert refused.value.allowed == f"7f3 ({ANN}), c40 ({ANN})"
    assert end(signing, store, "c40").sign_ins == 1
    assert why_ended(signing, ONE, NOW) == ""


def test_only_an_admin_with_a_reason_where_people_sign_in(signing: Settings, store: Store, settings: Settings) -> None:
    for actor in ("olga", "stranger", Person(BOB, ("admin",), signed_in=OTHER)):
        with pytest.raises(DecisionRefused, match="may not end sessions"):
            end(signing, store, actor=actor)
    with pytest.raises(DecisionRefused, match="needs a reason"):
        end(signing, store, reason=" ")
    with pytest.raises(DecisionRefused, match="nobody signs in to this installation"):
        end(settings, store)
    assert why_ended(signing, ONE, NOW) == ""


def test_with_the_store_down_the_sessions_end_and_the_ledgers_gap_is_said(signing: Settings) -> None:
    assert "the ledger does not say that grace ended" in end(signing, None).warning
    assert "grace ended your sessions" in why_ended(signing, ONE, NOW)


def test_a_line_that_ends_one_sign_in_alone_would_leave_the_other_tab_in(signing: Settings, store: Store,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: an end at the moment of the oldest sign-in; the tab of the newest would go on."""
    real = sign_ins.end_everywhere
    monkeypatch.setattr("interlock.control.access.ending.end_everywhere",
                        lambda settings, store, person, by, now, *rest, **more: real(settings, store, person, by, ONE.at, *rest, **more))
    end(signing, store)
    assert permit(signing, Person(ANN, signed_in=replace(ONE, at=NOW)), "approve")  # what the first test would not let pass


def test_the_command(signing: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (settings_environment(signing) | {"INTERLOCK_ACTOR": "grace"}).items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(app, ["sign-out", "ann@x.org", "--reason", "laptop stolen"], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert f"{ANN} is signed out everywhere (2 sign-ins counted until now)" in said.output
    assert "grace ended your sessions" in why_ended(signing, ONE, NOW)
    with pytest.raises(DecisionRefused, match="nobody of this name"):
        CliRunner().invoke(app, ["sign-out", "eve", "-r", "gone"], catch_exceptions=False)
