"""People at the keyboard, in real Chromium on a real store, Prefect down throughout: decisions made twice, at once, too late, or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from browser_room import PATIENCE_MS, Room, at_rest, settled
from control_room_world import FLIGHTS, LOANS, NOW, USECASES, observed, sha, slot, validated_again
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from signing_room import person
from sqlalchemy import delete, select, update

from interlock.records import decisions, ledger
from interlock.records.store import Store
from interlock.records.tables import Decision, EvidenceRow, Outbox, Release, RouteRow
from interlock.serving.token import control_token
from interlock.settings import Settings
from interlock.spec.load import spec_digest

pytestmark = pytest.mark.browser
BEN = {"sub": "ben", "name": "Ben Approver", "email": "ben@x.org", "groups": ["ml-approver"]}
CAS = {"sub": "cas", "name": "Cas Approver", "email": "cas@x.org", "groups": ["ml-approver"]}


@pytest.fixture
def own(own_home: Settings, signing: Room) -> Iterator[Store]:
    """The store of this test's own world; its endpoint starts anew."""
    control_token(own_home.folder("run"))
    signing.answers[0] = observed()
    store = Store(own_home.store_address)
    yield store
    store.close()
    signing.answers[0] = observed()


def visit(page: Page, room: Room, name: str, title: str, use_case: str = FLIGHTS) -> None:
    """Open a page and wait for its headline; fragments go on redrawing themselves, so nothing else is waited for here."""
    page.goto(f"{room.address}/{name}?use_case={use_case}")
    expect(page.locator("h1").first).to_have_text(title, timeout=PATIENCE_MS)


def main(page: Page) -> Locator:
    return page.get_by_test_id("stMain")


def filled(page: Page, button: str, use_case: str = FLIGHTS, reason: str = "seen and meant") -> Locator:
    """The form of this button with reason and name typed in; the button, to be pressed once."""
    found = page.get_by_role("button", name=button, exact=True)
    form = page.locator('[data-testid="stForm"]').filter(has=found)
    form.get_by_label("Reason").fill(reason)
    form.get_by_label(f"Type {use_case} to confirm").fill(use_case)
    return at_rest(found)


def decided(store: Store, kind: str) -> list[Decision]:
    """What people decided in this test; the world's own decisions have no nonce."""
    with store.reading() as session:
        rows = session.scalars(select(Decision).where(Decision.kind == kind).order_by(Decision.id))
        return [row for row in rows if row.detail.get("nonce") and row.actor != "Grace Approver"]


def in_ledger(store: Store, kind: str) -> list[dict[str, Any]]:
    with store.reading() as session:
        return [ledger.body_of(entry) for entry in ledger.entries(session, kinds=[kind])]


def test_a_double_click_with_prefect_down_is_one_decision_that_waits_for_it(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "approvals", "Approvals")
        filled(page, "Approve version 3").dblclick()
        expect(main(page)).to_contain_text("Recorded", timeout=PATIENCE_MS)
    [decision] = decided(own, "approve")
    assert (decision.actor, decision.reason) == ("Ben Approver <ben@x.org>", "seen and meant")
    assert decision.detail["roles_from"] == f"claims of {signing.settings.sign_in.expected_issuer}, subject ben"  # type: ignore[union-attr]
    with own.reading() as session:
        intent = session.scalars(select(Outbox).where(Outbox.cause == decision.id)).one()
        assert (intent.deployment, intent.state) == ("deploy/deploy", "pending")
    assert len([body for body in in_ledger(own, "decision.approve") if "Ben Approver" in str(body)]) == 1
    assert ledger.verify(own).ok


def test_of_two_people_who_approve_at_once_one_decides_and_the_other_is_told(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", **BEN) as one, person(chromium, signing, "approver", **CAS) as two:
        for page in (one, two):
            visit(page, signing, "approvals", "Approvals")
        buttons = [filled(page, "Approve version 3") for page in (one, two)]
        for button in buttons:
            button.click(no_wait_after=True)
        for page in (one, two):
            expect(main(page)).to_contain_text(re.compile("Recorded|already decided|was decided meanwhile"), timeout=PATIENCE_MS)
        [decision] = decided(own, "approve")
        loser = two if decision.actor.startswith("Ben") else one
        expect(main(loser)).to_contain_text(re.compile(f"decided.* by {decision.actor.split(' <')[0]}"), timeout=PATIENCE_MS)


def test_a_tab_that_saw_another_route_decides_nothing(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "approvals", "Approvals")
        button = filled(page, "Approve version 3")
        with own.writing() as session:
            row = session.get_one(RouteRow, FLIGHTS)
            other = {"version": 1, "digest": sha(f"{FLIGHTS} 1")}
            session.execute(update(RouteRow).where(RouteRow.use_case == FLIGHTS).values(
                generation=6, body=row.body | {"generation": 6, "champion": other, "previous": None}))
        with suppress(PlaywrightTimeout):  # the page may have noticed by itself before the click
            button.click(timeout=2_000)
        expect(main(page)).to_contain_text(re.compile("champion changed since the evidence was made"), timeout=PATIENCE_MS)
    assert decided(own, "approve") == []


def test_the_author_and_a_viewer_have_no_form_and_reject_needs_the_name_typed(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", sub="ada", name="Ada Author", email="ada@x.org") as page:
        visit(page, signing, "approvals", "Approvals")
        expect(main(page)).to_contain_text("Ada Author", timeout=PATIENCE_MS)
        expect(main(page)).to_contain_text("somebody else has to approve")
        assert page.get_by_role("button", name="Approve version 3").count() == 0
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "approvals", "Approvals")
        page.get_by_role("tab", name="Reject").click()
        button = filled(page, "Reject version 3")
        page.locator('[data-testid="stForm"]').filter(has=button).get_by_label(f"Type {FLIGHTS} to confirm").fill("flight")
        button.click()
        expect(main(page)).to_contain_text(f"Nothing was done: type {FLIGHTS} to confirm", timeout=PATIENCE_MS)
        assert decided(own, "reject") == []
        filled(page, "Reject version 3", reason="worse on holidays").click()
        expect(main(page)).to_contain_text("is rejected", timeout=PATIENCE_MS)
    assert [row.reason for row in decided(own, "reject")] == ["worse on holidays"]


def test_a_rollback_pressed_twice_is_one_and_retiring_follows(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "releases", "Releases")
        page.get_by_text("Roll back to version 1").first.click()
        filled(page, "Roll back to version 1", reason="complaints at 03:00").dblclick()
        expect(main(page)).to_contain_text(re.compile("Recorded|Right after it"), timeout=PATIENCE_MS)
        assert signing.answers[0].champion is not None
        assert (signing.answers[0].champion.version, signing.answers[0].override) == (1, False)
        assert len(decided(own, "rollback")) == 1
        visit(page, signing, "releases", "Releases")
        page.get_by_text("Retire a version").click()
        filled(page, "Retire version 2", reason="it was wrong").click()
        expect(main(page)).to_contain_text("Recorded", timeout=PATIENCE_MS)
    assert len(decided(own, "retire")) == 1


def test_a_standing_approval_is_granted_and_revoked(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "approvals", "Approvals")
        page.get_by_text("Grant one").click()
        filled(page, "Grant").click()
        expect(main(page)).to_contain_text("Revoke it", timeout=PATIENCE_MS)
        page.get_by_text("Revoke it").click()
        filled(page, "Revoke", reason="enough").click()
        expect(main(page)).to_contain_text("Grant one", timeout=PATIENCE_MS)
    assert (len(decided(own, "grant")), len(decided(own, "revoke"))) == (1, 1)


def test_one_person_waives_and_only_another_one_may_approve(signing: Room, own: Store, chromium: Browser) -> None:
    digest = validated_again(own, LOANS, 1, unknown=True)
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "approvals", "Approvals", LOANS)
        page.get_by_role("tab", name="Waive").click()
        filled(page, "Waive for version 1", LOANS, "few rows, known limits").click()
        expect(main(page)).to_contain_text("You waived 'Groups', so somebody else has to approve.", timeout=PATIENCE_MS)
        assert page.get_by_role("button", name="Approve version 1").count() == 0
    [waiver] = decided(own, "waive")
    assert (waiver.evidence_digest, waiver.detail["gates"], waiver.reason) == (digest, ["fairness"], "few rows, known limits")
    with person(chromium, signing, "approver", **CAS) as page:
        visit(page, signing, "approvals", "Approvals", LOANS)
        expect(main(page)).to_contain_text("waived fairness until", timeout=PATIENCE_MS)
        filled(page, "Approve version 1", LOANS).click()
        expect(main(page)).to_contain_text("Recorded", timeout=PATIENCE_MS)
    [approval] = decided(own, "approve")
    assert (approval.actor, approval.detail["waivers"]) == ("Cas Approver <cas@x.org>", [waiver.id])


def test_evidence_that_is_too_old_is_void_and_offers_no_form(signing: Room, own: Store, chromium: Browser) -> None:
    """The only evidence about the loans is 35 days less an hour old; 30 days are allowed."""
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "approvals", "Approvals", LOANS)
        void = "The decision on version 1 is void: the evidence is stale: made on"
        expect(main(page)).to_contain_text(void, timeout=PATIENCE_MS)
        expect(main(page)).to_contain_text("at most 30 days old is allowed")
        expect(main(page)).to_contain_text(f"interlock validate {LOANS} --version 1")
        assert page.get_by_role("button", name=re.compile("^(Approve|Reject|Waive)")).count() == 0


def test_evidence_that_grows_too_old_while_somebody_looks_takes_the_button_away(signing: Room, own: Store, chromium: Browser) -> None:
    """30 days are allowed: the evidence has some seconds left when the page is opened, more of them where the page came too late."""
    with own.writing() as session:  # the younger evidence about the same version
        session.execute(delete(EvidenceRow).where(EvidenceRow.candidate_id == f"{FLIGHTS}-3"))
    with person(chromium, signing, "approver", **BEN) as page:
        button, void = page.get_by_role("button", name="Approve version 3"), page.get_by_text("The decision on version 3 is void")
        for left in (8, 60):
            validated_again(own, FLIGHTS, 3, age=timedelta(days=30, seconds=-left))
            visit(page, signing, "approvals", "Approvals")
            expect(button.or_(void)).to_be_visible(timeout=PATIENCE_MS)
            if button.count():
                break
        page.evaluate("() => { window.neverLoadedAgain = true }")
        expect(main(page)).to_contain_text("the evidence is stale: made on", timeout=2 * PATIENCE_MS + 5_000)
        expect(main(page)).to_contain_text("at most 30 days old is allowed")
        expect(page.get_by_role("button", name=re.compile("^(Approve|Reject|Waive)"))).to_have_count(0, timeout=PATIENCE_MS)
        assert page.evaluate("() => window.neverLoadedAgain")
    assert decided(own, "approve") == []


def test_a_tab_whose_evidence_was_superseded_decides_nothing_and_turns_to_the_newer(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "approvals", "Approvals")
        button = filled(page, "Approve version 3")
        digest = validated_again(own, FLIGHTS, 3)
        with suppress(PlaywrightTimeout):  # the page may have noticed by itself before the click
            button.click(timeout=2_000)
        expect(main(page).locator(f'a[href*="{digest}"], a[href*="{digest.replace(":", "%3A")}"]')).to_be_visible(timeout=PATIENCE_MS)
        assert decided(own, "approve") == []
        expect(page.get_by_text("seen and meant")).to_have_count(0, timeout=PATIENCE_MS)  # what was typed was about the other evidence


def test_going_back_to_a_chosen_version_leaves_a_receipt_that_leads_to_the_ledger(signing: Room, own: Store, chromium: Browser) -> None:
    with person(chromium, signing, "approver", **BEN) as page:
        visit(page, signing, "releases", "Releases")
        page.get_by_text("Go back to another version").click()
        filled(page, "Go back to version 1", reason="complaints at 03:00").click()
        expect(main(page)).to_contain_text("Recorded", timeout=PATIENCE_MS)
        [decision] = decided(own, "rollback")
        with own.reading() as session:
            entry = next(one.seq for one in ledger.entries(session, kinds=["decision.rollback"])
                         if ledger.body_of(one).get("decision_id") == decision.id)
        expect(main(page).locator(f'a[href*="entry={entry}"]').first).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("button", name="Receipt (JSON)").first).to_be_visible()
    assert signing.answers[0].champion == slot(1)
    assert decision.reason == "complaints at 03:00"


def stepping(own: Store, state: str, percent: float) -> None:
    """Version 3 at step 1 of its release, approved under the use-case file as it is."""
    with own.writing() as session:
        told = {"use_case": FLIGHTS, "candidate_id": f"{FLIGHTS}-3"}
        yes = decisions.record(session, kind="approve", identity="yes 3", actor="Grace Approver", reason="meant", now=NOW,
                               expected_generation=5, policy_digest=spec_digest(USECASES / f"{FLIGHTS}.toml"), detail={}, **told)
        session.flush()
        session.add(Release(id="release-3", decision_id=yes.id, state=state, step=1, revision=1, reason="", analysis=[],
                            state_since=NOW, created_at=NOW, **told))
        row = session.get_one(RouteRow, FLIGHTS)
        row.body = row.body | {"candidate": slot(3).model_dump(), "candidate_percent": percent}


def test_a_release_in_canary_is_paused_and_then_aborted(signing: Room, own: Store, chromium: Browser) -> None:
    stepping(own, "canary", 10)
    with person(chromium, signing, "operator") as page:
        visit(page, signing, "releases", "Releases")
        for lever, state, said in (("Pause", "paused", "step 1 is held"), ("Abort", "rolled_back", "the candidate left the route")):
            if lever == "Abort":  # drawn for the paused release; the one of a moment ago is about to be drawn anew, closed
                expect(page.get_by_text(re.compile("^Resume: "))).to_be_visible(timeout=PATIENCE_MS)
                settled(page)
            page.get_by_text(re.compile(f"^{lever}: ")).click()
            filled(page, lever, reason=f"{lever}: errors at one airline").click()
            expect(main(page)).to_contain_text(f"Recorded: {said}", timeout=PATIENCE_MS)
            with own.reading() as session:
                assert session.get_one(Release, "release-3").state == state
                assert session.get_one(RouteRow, FLIGHTS).body["candidate_percent"] == 0


def test_a_paused_release_goes_on_from_its_step_when_a_person_says_so(signing: Room, own: Store, chromium: Browser) -> None:
    stepping(own, "paused", 0)
    with person(chromium, signing, "operator") as page:
        visit(page, signing, "releases", "Releases")
        page.get_by_text(re.compile("^Resume: ")).click()
        filled(page, "Resume", reason="the airline mended its timetable").dblclick()
        expect(main(page)).to_contain_text("Recorded: step 1 begins anew", timeout=PATIENCE_MS)
        expect(page.get_by_text(re.compile("^Pause: "))).to_be_visible(timeout=PATIENCE_MS)
    [decision] = decided(own, "resume")
    assert (decision.actor, decision.reason) == ("Operator Person <operator@x.org>", "the airline mended its timetable")
    with own.reading() as session:
        assert session.get_one(Release, "release-3").state == "canary"
        body = session.get_one(RouteRow, FLIGHTS).body
    assert (body["generation"], body["candidate"]["version"], body["candidate_percent"]) == (6, 3, 10)
