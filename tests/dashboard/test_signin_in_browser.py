"""Signing in by OpenID Connect in real Chromium: what each role sees, signing out elsewhere, sessions that end, made-up cookies."""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from browser_room import PATIENCE_MS, VIEWERS, Room, settled, turn_to
from control_room_world import FLIGHTS
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from signing_room import ROLES, cookie, person, sign_in

from interlock.records import ledger
from interlock.records.store import Store

pytestmark = pytest.mark.browser
FORM = "Type flight_delays to confirm"
MAY_DECIDE, MAY_STEER = {"approver", "admin"}, {"approver", "operator", "admin"}


def main(page: Page) -> Any:
    return page.get_by_test_id("stMain")


def only_the_entrance(page: Page) -> None:
    """The sign-in page and nothing of the installation: no navigation, no name, no page."""
    expect(page.get_by_role("button", name=re.compile("^Sign in"))).to_be_visible(timeout=PATIENCE_MS)
    assert page.get_by_test_id("stSidebarNav").count() == 0
    assert FLIGHTS not in page.content()


def test_each_role_signs_in_and_sees_what_is_its_own(signing: Room, chromium: Browser) -> None:
    for role in ROLES:
        context = chromium.new_context(**VIEWERS["light"])
        page = sign_in(context, signing, role)
        expect(page.get_by_test_id("stSidebar")).to_contain_text(f"{role.title()} Person <{role}", timeout=PATIENCE_MS)
        expect(page.get_by_test_id("stSidebar")).to_contain_text(f"Roles: {role}")
        page.goto(f"{signing.address}/releases?use_case={FLIGHTS}")
        settled(page, "Releases")
        page.get_by_text("Roll back to version 1").first.click()
        if role in MAY_STEER:
            expect(page.get_by_label(FORM).first).to_be_visible(timeout=PATIENCE_MS)
        else:
            expect(main(page)).to_contain_text("To rollback needs the role admin or approver or operator", timeout=PATIENCE_MS)
            assert page.get_by_role("button", name="Roll back to version").count() == 0
        turn_to(page, f"approvals?use_case={FLIGHTS}", "Approvals")
        if role in MAY_DECIDE:
            expect(page.get_by_role("button", name="Approve version 3")).to_be_visible(timeout=PATIENCE_MS)
        else:
            expect(main(page)).to_contain_text("To approve needs the role admin or approver", timeout=PATIENCE_MS)
            assert page.get_by_role("button", name="Approve version").count() == 0
        context.close()
    store = Store(signing.settings.store_address)
    with store.reading() as session:
        seen = {tuple(ledger.body_of(entry)["roles"]) for entry in ledger.entries(session, kinds=["person.signed_in"])}
    store.close()
    assert seen >= {(role,) for role in ROLES}


def test_signing_in_leads_to_the_page_that_was_asked_for(signing: Room, chromium: Browser) -> None:
    """A link of an alert: page and query stand there after the provider, also after a refusal on the way; no other browser is led there."""
    mine, other = (chromium.new_context(**VIEWERS["light"]) for _ in range(2))
    page = mine.new_page()
    page.goto(f"{signing.address}/approvals?use_case={FLIGHTS}&next=https%3A%2F%2Fevil.example")
    page.get_by_role("button", name="Sign in").click(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Deny").first.click(timeout=PATIENCE_MS)  # back at `/`, not signed in
    elsewhere = sign_in(other, signing, "viewer")
    settled(elsewhere, "Overview")
    page.get_by_role("button", name="Sign in").click(timeout=PATIENCE_MS)
    page.get_by_role("button", name="operator", exact=True).click(timeout=PATIENCE_MS)
    settled(page, "Approvals")
    page.wait_for_url(f"{signing.address}/approvals?use_case={FLIGHTS}&next=https%3A%2F%2Fevil.example", timeout=PATIENCE_MS)
    page.goto(signing.address)  # told once: the Overview is the Overview again
    settled(page, "Overview")
    mine.close()
    other.close()


def test_signed_in_without_a_role_one_is_told_why_and_whom_to_ask(signing: Room, chromium: Browser) -> None:
    with person(chromium, signing, "nobody") as page:
        page.goto(f"{signing.address}/ledger")
        expect(main(page)).to_contain_text("have no role here", timeout=PATIENCE_MS)
        expect(main(page)).to_contain_text("Ask the platform team for one")
        assert page.get_by_test_id("stSidebarNav").count() == 0


def test_signing_out_in_one_tab_ends_the_other(signing: Room, chromium: Browser) -> None:
    context = chromium.new_context(**VIEWERS["light"])
    first = sign_in(context, signing, "approver")
    second = context.new_page()
    second.goto(f"{signing.address}/releases?use_case={FLIGHTS}")
    settled(second, "Releases")
    second.get_by_text("Roll back to version 1").first.click()
    form = second.locator('[data-testid="stForm"]').filter(has=second.get_by_role("button", name="Roll back to version"))
    form.get_by_label("Reason").fill("the tab is still open")
    form.get_by_label(FORM).fill(FLIGHTS)
    first.bring_to_front()
    first.get_by_role("button", name="Sign out").click()
    first.get_by_role("button", name="End session").click(timeout=PATIENCE_MS)  # the provider's own page
    only_the_entrance(first)
    with suppress(PlaywrightTimeout):  # the tab may have noticed by itself before the click
        second.get_by_role("button", name="Roll back to version").click(timeout=2_000)
    expect(main(second)).to_contain_text("You signed out", timeout=PATIENCE_MS)
    assert second.get_by_test_id("stSidebarNav").count() == 0
    store = Store(signing.settings.store_address)
    with store.reading() as session:
        assert not ledger.entries(session, kinds=["decision.rollback"])
    store.close()
    context.close()


def test_a_session_that_ends_while_a_page_is_open_shows_the_entrance(signing: Room, chromium: Browser) -> None:
    """The page redraws itself (live progress): nobody has to click for the end to count."""
    with person(chromium, signing, "approver", sub="soon", exp=int(time.time()) + 12) as page:
        page.goto(f"{signing.address}/approvals?use_case={FLIGHTS}")
        settled(page, "Approvals")
        expect(main(page)).to_contain_text("Your sign-in ended at", timeout=PATIENCE_MS)
        assert page.get_by_test_id("stSidebarNav").count() == 0


@pytest.mark.parametrize(("changes", "says"), [
    ({"iss": "http://127.0.0.1:9"}, "This sign-in is of another provider"),
    ({"aud": "payroll"}, "This sign-in was meant for another application"),
    ({"exp": 1_700_000_000, "iat": 1_699_990_000}, "Your sign-in ended at 2023-11-14"),
    ({"iat": 4_000_000_000, "exp": 4_000_003_600}, "This sign-in is of the future"),
    ({"origin": "http://127.0.0.1:9"}, "The control room of this installation"),  # a cookie of another address: not even signed in
    ({"is_logged_in": "yes"}, "The control room of this installation"),
])
def test_a_sign_in_that_is_not_for_us_or_over_lets_nobody_in(signing: Room, chromium: Browser, changes: dict[str, Any], says: str) -> None:
    with person(chromium, signing, "admin", **changes) as page:
        page.goto(f"{signing.address}/ledger")
        only_the_entrance(page)
        expect(main(page)).to_contain_text(says)


def test_headers_addresses_and_cookies_that_anybody_can_make_up_give_nothing(signing: Room, chromium: Browser) -> None:
    true = cookie(signing, "viewer")["value"]
    body, stamp, seal = true.rsplit(".", 2)
    other = cookie(signing, "admin")["value"].rsplit(".", 2)[0]
    forged = ["", "admin", f"{other}.{stamp}.{seal}", f"{body}.{stamp}.{seal[::-1]}", json.dumps({"is_logged_in": True, "sub": "admin"})]
    for value in forged:
        context = chromium.new_context(**VIEWERS["light"], extra_http_headers={
            "X-Forwarded-User": "admin", "X-Remote-User": "admin", "X-Forwarded-Email": "admin@x.org", "Remote-User": "admin",
            "X-Forwarded-For": "127.0.0.1", "X-Streamlit-User": "admin"})
        if value:
            context.add_cookies([cookie(signing, "viewer") | {"value": value.replace(" ", "").replace('"', "%22").replace(",", "%2C")}])
        page = context.new_page()
        page.goto(f"{signing.address}/ledger?actor=admin&role=admin&embed=true")
        only_the_entrance(page)
        context.close()


def test_what_signing_in_keeps_on_disk_is_for_the_owner_alone(signing: Room, chromium: Browser, signing_run: Path) -> None:
    with person(chromium, signing, "viewer") as page:
        page.goto(f"{signing.address}/ledger")
        settled(page, "Ledger")
    for name in ("streamlit-secrets.toml", "cookie_secret", "sign_ins.json"):
        assert stat.S_IMODE((signing_run / name).stat().st_mode) == 0o600


def test_a_person_keeps_the_role_whatever_the_address_says(signing: Room, chromium: Browser) -> None:
    with person(chromium, signing, "viewer") as page:
        page.goto(f"{signing.address}/releases?use_case={FLIGHTS}&role=admin&actor=Admin+Person&roles=admin")
        settled(page, "Releases")
        expect(page.get_by_test_id("stSidebar")).to_contain_text("Roles: viewer")
        assert page.get_by_role("button", name="Roll back to version").count() == 0


def _commands() -> Iterator[str]:
    """Command lines of every process started from here; one that is ending shows none any more."""
    import psutil

    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            yield from one.cmdline()


def test_no_secret_stands_in_the_log_or_the_process_list(signing: Room, signing_run: Path) -> None:
    secrets = {"known to the provider alone", (signing_run / "cookie_secret").read_text()}
    commands = " ".join(_commands())
    said = (signing_run.parents[1] / "log").read_text() + commands
    assert "streamlit-secrets.toml" in commands
    assert not [secret for secret in secrets if secret in said]
