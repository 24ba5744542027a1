"""A person at the keyboard, on the real machine: every page, a yes with Prefect down, a rollback, a server that is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from demo.stage import utc
from demo.traffic import Customers
from interlock.control.stack import lifecycle, supervision
from interlock.control.stack.programs import programs
from interlock.records.tables import Outbox, Release
from interlock.rules.routes import Observed
from tests.end_to_end.conftest import TOLD_TIMEOUT_S

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser, pytest.mark.timeout(TOLD_TIMEOUT_S)]
USE_CASE = "flight_delays"
PAGES = ("", "approvals", "releases", "time_machine", "performance", "drift", "fairness", "explainability", "data", "costs", "runs",
         "ledger")
PAGE_TIMEOUT_MS = 45_000


def visit(page: Page, machine: Any, name: str) -> None:
    page.goto(f"{machine.settings.dashboard_url}/{name}?use_case={USE_CASE}")
    expect(page.locator("h1").first).to_be_visible(timeout=PAGE_TIMEOUT_MS)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PAGE_TIMEOUT_MS)


def until(look: Callable[[], Any], what: str, timeout_s: float = 120) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not come within {timeout_s:.0f} s")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_shows_without_an_exception(machine: Any, page: Page, scheme: Any) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.emulate_media(color_scheme=scheme)
    for name in PAGES:
        visit(page, machine, name)
        assert page.get_by_test_id("stException").count() == 0, f"{name}: {page.get_by_test_id('stException').first.inner_text()}"
        page.wait_for_function("document.querySelector('[data-testid=stMain]').innerText.length > 100", timeout=PAGE_TIMEOUT_MS)
    assert errors == []


def test_a_persons_yes_and_a_persons_rollback(machine: Any, page: Page) -> None:
    """Approve in the browser while Prefect is down; carried out when it is back; roll back in the browser; the server goes away."""
    before: Observed = machine.client.observed(USE_CASE)
    supervision.control(machine.settings, "prefect", "stop")
    version = _approve(page, machine)
    release = _newest_release(machine)
    with machine.store.reading() as session:
        intent = session.scalars(select(Outbox).where(Outbox.cause == release.decision_id)).one()
    assert (release.state, intent.state) == ("planned", "pending")
    assert machine.client.observed(USE_CASE).champion == before.champion

    supervision.control(machine.settings, "prefect", "start")
    lifecycle.wait_ready(machine.settings, programs(machine.settings)[0])
    after = _traffic_until_live(machine, before)
    assert after.champion.version == version
    visit(page, machine, "releases")
    expect(page.get_by_test_id("stMain")).to_contain_text(after.champion.digest[7:15], timeout=PAGE_TIMEOUT_MS)

    _roll_back(page, machine, before)
    assert machine.client.observed(USE_CASE).champion == before.champion
    answer = machine.client.predict(USE_CASE, [_record(machine)])
    assert answer["predictions"][0]["digest"] == before.champion.digest

    supervision.control(machine.settings, "server", "stop")
    try:
        visit(page, machine, "releases")
        expect(page.get_by_test_id("stMain")).to_contain_text("does not answer", timeout=PAGE_TIMEOUT_MS)
    finally:
        supervision.control(machine.settings, "server", "start")
        lifecycle.wait_ready(machine.settings, programs(machine.settings)[2])
    assert until(lambda: machine.client.observed(USE_CASE), "the server").champion == before.champion


def _approve(page: Page, machine: Any) -> int:
    visit(page, machine, "approvals")
    button = page.get_by_role("button", name="Approve version")
    version = int(button.inner_text().split()[-1])
    form = page.locator('[data-testid="stForm"]').filter(has=button)
    form.get_by_label("Reason").fill("better on the newest flights; the way back is loaded")
    form.get_by_label(f"Type {USE_CASE} to confirm").fill(USE_CASE)
    button.dblclick()
    expect(page.get_by_test_id("stMain")).to_contain_text("Recorded:", timeout=PAGE_TIMEOUT_MS)
    return version


def _traffic_until_live(machine: Any, before: Observed) -> Observed:
    """Real flights at a steady pace once the canary runs, so that its steps can be judged."""
    until(lambda: _newest_release(machine).state != "planned", "the deploy flow")
    with closing(Customers(machine.settings.predictions_url, USE_CASE)) as customers:
        clock, deadline = utc("2013-09-01"), time.monotonic() + 150
        while time.monotonic() < deadline and clock < utc("2013-12-20"):
            for _ in customers.ask(clock, clock + timedelta(hours=4)):
                pass
            clock += timedelta(hours=4)
            time.sleep(0.2)
            observed: Observed = machine.client.observed(USE_CASE)
            if observed.champion != before.champion and observed.candidate is None:
                return observed
    release = _newest_release(machine)
    raise AssertionError(f"the release is {release.state}: {release.reason} {release.analysis}")


def _newest_release(machine: Any) -> Release:
    with machine.store.reading() as session:
        return session.scalars(select(Release).where(Release.use_case == USE_CASE).order_by(Release.created_at.desc())).first()


def _roll_back(page: Page, machine: Any, wanted: Observed) -> None:
    visit(page, machine, "releases")
    page.get_by_text("Roll back to version").first.click()
    button = page.get_by_role("button", name="Roll back to version")
    form = page.locator('[data-testid="stForm"]').filter(has=button)
    form.get_by_label("Reason").fill("complaints at 03:00")
    form.get_by_label(f"Type {USE_CASE} to confirm").fill(USE_CASE)
    button.dblclick()
    until(lambda: machine.client.observed(USE_CASE).champion == wanted.champion, "the rollback", 20)
    expect(page.get_by_test_id("stMain")).to_contain_text(f"version {wanted.champion.version}", timeout=PAGE_TIMEOUT_MS)


def _record(machine: Any) -> dict[str, Any]:
    with closing(Customers(machine.settings.predictions_url, USE_CASE)) as customers:
        return next(customers.records(utc("2013-09-01"), utc("2013-09-02")))
