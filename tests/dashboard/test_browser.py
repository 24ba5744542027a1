"""The control room in a real browser: what a visit remembers, what changes without a reload, reports that stay framed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_room import VIEWERS, until_healthy
from control_room_world import FLIGHTS, XSS, build, endpoint, observed
from playwright.sync_api import Browser, expect

from interlock.records.store import Store
from interlock.rules.routes import Observed
from interlock.settings import Settings

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 60_000


@pytest.fixture
def answers() -> list[Observed]:
    """What the endpoint says; a test may change it while the control room is open."""
    return [observed()]


@pytest.fixture
def room(environment: Settings, store: Store, answers: list[Observed]) -> Iterator[str]:
    """Address of a control room on a world whose every text is an attack."""
    build(store, payload=XSS)
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "dashboard" / "app.py"),
        "--server.headless",
        "true",
        "--server.address",
        "127.0.0.1",
        "--server.port",
        str(environment.dashboard_port),
        "--server.fileWatcherType",
        "none",
    ]
    with endpoint(environment.control_port, answers):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until_healthy(environment.dashboard_url)
            yield environment.dashboard_url
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_the_chosen_use_case_follows_from_page_to_page_and_stands_in_the_address(room: str, chromium: Browser) -> None:
    context = chromium.new_context(**VIEWERS["light"])
    page = context.new_page()
    page.goto(f"{room}/data?use_case=loan_approvals")
    expect(page.get_by_test_id("stMain")).to_contain_text("Snapshots", timeout=PATIENCE_MS)
    page.get_by_test_id("stSidebarNav").get_by_text("Fairness", exact=True).click()
    expect(page.locator("h1").first).to_have_text("Fairness", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stMain")).to_contain_text("not enough evidence", timeout=PATIENCE_MS)
    page.wait_for_url("**use_case=loan_approvals**", timeout=PATIENCE_MS)
    context.close()


def test_the_way_back_shows_without_a_reload_once_the_endpoint_has_it(room: str, chromium: Browser, answers: list[Observed]) -> None:
    """The page was opened in the moment before a switch: its Rollback button must not wait for a person to reload it."""
    answers[0] = observed(previous=None)
    page = chromium.new_page()
    page.goto(f"{room}/releases?use_case={FLIGHTS}")
    expect(page.get_by_test_id("stMain")).to_contain_text("No earlier model is kept ready", timeout=PATIENCE_MS)
    answers[0] = observed(generation=6)
    expect(page.get_by_text("Roll back to version 1").first).to_be_visible(timeout=PATIENCE_MS)
    page.close()


def test_a_report_can_be_looked_at_and_cannot_reach_out(chromium: Browser) -> None:
    """The inner frame has an origin of its own: it reads nothing of the page around it, and no request leaves it."""
    from dashboard.components.embed import sandboxed

    context = chromium.new_context()
    page = context.new_page()
    asked, blocked = [], []
    page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
    page.on("requestfailed", lambda request: blocked.append(request.url) if request.failure == "csp" else None)
    report = (
        "<p id=a>waiting</p><img src='http://127.0.0.1:9/x.png'><script>let out = 'shown';"
        "try { out += window.parent.document.title } catch (error) { out += ' sealed' }"
        "document.getElementById('a').textContent = out</script>"
    )
    page.set_content(sandboxed(report))
    expect(page.frame_locator("iframe").locator("#a")).to_have_text("shown sealed")
    assert asked == blocked  # the policy stops a request before it leaves
    context.close()
