"""Every page in every way of looking at it: light, dark, phone; full, empty, without a store; by keyboard; on paper."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from axe_rules import broken_rules
from browser_room import VIEWERS, Room, pages, settled, turn_to, viewer, visit, watch
from control_room_world import FLIGHTS, LOANS
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

PAGES = pages()
WIDER = """() => { const main = document.querySelector('[data-testid=stMain]'); return main.scrollWidth - main.clientWidth }"""
FOCUSED = """() => {
  const one = document.activeElement, look = getComputedStyle(one);
  if (one === document.body) return ['BODY', true];
  const name = (one.getAttribute('aria-label') || one.innerText || one.getAttribute('placeholder') || one.tagName).trim();
  return [name, parseFloat(look.outlineWidth) > 0 && look.outlineStyle !== 'none' || look.boxShadow !== 'none'];
}"""


@pytest.mark.parametrize("mode", list(VIEWERS))
def test_every_page_is_shown_whole(control_room: Room, chromium: Browser, mode: str) -> None:
    """No exception, no error in the console, no request to elsewhere, nothing wider than the window, no foreign text runs, and every
    rule of axe-core is kept."""
    with viewer(chromium, mode) as page:
        wrong, faults = watch(page), []
        visit(page, control_room, f"?use_case={FLIGHTS}", PAGES[""])
        for path, title in PAGES.items():
            turn_to(page, f"{path}?use_case={FLIGHTS}", title)
            _whole(page, path, wrong)
            faults += [f"{path or 'overview'}: {one}" for one in broken_rules(page)]
        assert not faults, "\n".join(faults)


def test_a_page_that_breaks_the_rules_is_found(control_room: Room, chromium: Browser) -> None:
    """The same rules where there is pale text, a nameless button and a picture without words."""
    with viewer(chromium, "light") as page:
        visit(page, control_room, f"ledger?use_case={FLIGHTS}", "Ledger")
        page.evaluate(
            "() => document.querySelector('[data-testid=stMainBlockContainer]').insertAdjacentHTML('afterbegin',"
            '\'<p style="color:#bbb;background:#fff">pale</p><button></button><img src="data:,">\')'
        )
        assert {one.split(" ")[0] for one in broken_rules(page)} >= {"color-contrast", "button-name", "image-alt"}


def test_every_page_of_a_fresh_installation_says_what_is_missing(
    control_room: Room, chromium: Browser, tmp_path: Path, migrated: Path
) -> None:
    """Nothing has happened yet: no exception, and every page still has words."""
    shutil.copy(migrated, tmp_path / "store.db")
    with control_room.live_in(tmp_path), viewer(chromium, "light") as page:
        wrong = watch(page)
        visit(page, control_room, f"?use_case={LOANS}", PAGES[""])
        for path, title in PAGES.items():
            turn_to(page, f"{path}?use_case={LOANS}", title)
            _whole(page, path, wrong)
            assert len(page.get_by_test_id("stMainBlockContainer").inner_text()) > 120, f"{path} says nothing"


@pytest.mark.parametrize("broken", ["missing", "no database"])
def test_every_page_without_a_store_says_so_and_what_to_run(control_room: Room, chromium: Browser, tmp_path: Path, broken: str) -> None:
    if broken == "no database":
        (tmp_path / "store.db").write_bytes(b"this is no database" * 100)
    with control_room.live_in(tmp_path), viewer(chromium, "light") as page:
        wrong = watch(page)
        visit(page, control_room, f"?use_case={LOANS}", PAGES[""])
        for path, title in PAGES.items():
            turn_to(page, f"{path}?use_case={LOANS}", title)
            _whole(page, path, wrong)
            main = page.get_by_test_id("stMainBlockContainer")
            expect(main.get_by_test_id("stAlert").first).to_be_visible()
            expect(main.get_by_test_id("stCode").first).to_contain_text("interlock")


def test_the_keyboard_reaches_navigation_and_controls_and_shows_where_it_is(control_room: Room, chromium: Browser) -> None:
    with viewer(chromium, "light") as page:
        visit(page, control_room, f"drift?use_case={FLIGHTS}", "Drift")
        reached = _tabbed(page, 40)
        names = [name for name, _ in reached]
        wanted = ["Overview", "Ledger", "What am I looking at?", "CSV", "About"]
        assert [name for name in wanted if not any(name in one for one in names)] == []
        assert names.index("Overview") < names.index("Ledger") < next(n for n, one in enumerate(names) if "What am I" in one)
        assert [name for name, seen in reached if not seen] == []


def test_the_keyboard_reaches_the_picture_of_a_chart_and_its_file_says_what_it_is(control_room: Room, chromium: Browser) -> None:
    with viewer(chromium, "light") as page:
        visit(page, control_room, f"drift?use_case={FLIGHTS}", "Drift")
        button = page.locator(".modebar-btn").first
        button.focus()
        expect(button).to_have_accessible_name("Download plot as a PNG")
        expect(button.locator("xpath=ancestor::*[contains(@class, 'modebar-group')]").first).to_have_css("opacity", "1")
        with page.expect_download() as picture:
            page.keyboard.press("Enter")
        assert FLIGHTS in picture.value.suggested_filename
        assert picture.value.suggested_filename.endswith(".png")
        with page.expect_download() as table:
            page.get_by_role("button", name="CSV").first.click()
        assert FLIGHTS in table.value.suggested_filename
        assert len(Path(table.value.path()).read_text(encoding="utf-8-sig").splitlines()) > 5


def test_a_link_a_reload_and_the_back_button_bring_a_page_back(control_room: Room, chromium: Browser) -> None:
    with viewer(chromium, "light") as page:
        visit(page, control_room, f"?use_case={FLIGHTS}", PAGES[""])
        turn_to(page, f"performance?use_case={FLIGHTS}", "Performance")
        turn_to(page, f"costs?use_case={FLIGHTS}", "Costs")
        assert page.title() == "Costs · Interlock" or "Costs · " in page.title()
        page.go_back()
        settled(page, "Performance")
        page.wait_for_function("() => document.title === 'Performance · Flight delays (New York City, 2013) · Interlock'")
        page.reload()
        settled(page, "Performance")
        assert f"use_case={FLIGHTS}" in page.url


def test_evidence_and_model_card_print_as_a_whole(control_room: Room, chromium: Browser) -> None:
    """What the browser lays out for paper: the text, none of the controls, dark ink on white, also from the dark page."""
    with viewer(chromium, "dark") as page:
        visit(page, control_room, f"approvals?use_case={FLIGHTS}", "Approvals")
        opened = page.get_by_role("link", name="Print view").first.get_attribute("href") or ""
        page.goto(f"{control_room.address}/{opened.rpartition('/')[2]}")  # the link opens a window of its own
        settled(page, "Evidence")
        page.emulate_media(media="print")
        expect(page.get_by_test_id("stSidebar")).to_be_hidden()
        expect(page.get_by_role("button").filter(visible=True)).to_have_count(0)
        said = page.get_by_test_id("stMainBlockContainer").inner_text()
        assert [part for part in ("Gates", "Measured", "Decisions", "Model card", "sha256:", "AUC") if part not in said] == []
        assert page.evaluate("() => getComputedStyle(document.querySelector('[data-testid=stMain] p')).color") == "rgb(28, 39, 51)"
        assert page.evaluate("() => getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(255, 255, 255)"
        assert len(page.pdf(format="A4")) > 20_000


def _tabbed(page: Page, times: int) -> list[tuple[str, bool]]:
    """Name of what has the focus after each press of Tab, and whether one sees that it has."""
    reached = []
    for _ in range(times):
        page.keyboard.press("Tab")
        name, seen = page.evaluate(FOCUSED)
        reached.append((name, seen))
    return reached


def _whole(page: Page, path: str, wrong: list[str]) -> None:
    assert page.get_by_test_id("stException").count() == 0, f"{path}: {page.get_by_test_id('stMain').inner_text()[:500]}"
    assert page.title() != "owned", f"{path} ran a script"
    assert page.evaluate(WIDER) <= 0, f"{path} is {page.evaluate(WIDER)} pixels too wide"
    assert wrong == [], path
