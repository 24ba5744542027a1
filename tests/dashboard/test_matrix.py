"""Every page in every way of looking at it: light, dark, phone; full, empty, without a store; by keyboard; on paper."""

from __future__ import annotations

import pytest
from browser_room import VIEWERS, Room, pages, turn_to, viewer, visit, watch
from control_room_world import FLIGHTS
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PAGES = pages()
WIDER = """() => { const main = document.querySelector('[data-testid=stMain]'); return main.scrollWidth - main.clientWidth }"""


@pytest.mark.parametrize("mode", list(VIEWERS))
def test_every_page_is_shown_whole(control_room: Room, chromium: Browser, mode: str) -> None:
    """No exception, no error in the console, no request to elsewhere, nothing wider than the window, and no foreign text runs."""
    with viewer(chromium, mode) as page:
        wrong = watch(page)
        visit(page, control_room, f"?use_case={FLIGHTS}", PAGES[""])
        for path, title in PAGES.items():
            turn_to(page, f"{path}?use_case={FLIGHTS}", title)
            _whole(page, path, wrong)


def _whole(page: Page, path: str, wrong: list[str]) -> None:
    assert page.get_by_test_id("stException").count() == 0, f"{path}: {page.get_by_test_id('stMain').inner_text()[:500]}"
    assert page.title() != "owned", f"{path} ran a script"
    assert page.evaluate(WIDER) <= 0, f"{path} is {page.evaluate(WIDER)} pixels too wide"
    assert wrong == [], path
