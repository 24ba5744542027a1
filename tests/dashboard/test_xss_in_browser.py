"""A world whose every name, label and value is an attack, page by page in real Chromium: nothing runs, leaves, or becomes an element."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import control_room_world
import pytest
from browser_room import PATIENCE_MS, Room, pages, turn_to, viewer, visit, watch
from control_room_world import FLIGHTS
from playwright.sync_api import Browser, Page, expect

from interlock.records.store import Store

pytestmark = pytest.mark.browser
MADE_OF_DATA = """() => {
  const carriers = 'a, area, use, image, img, iframe, script, object, embed, form, base, link';
  const hostile = [...document.querySelectorAll(carriers)].filter(one =>
    ['href', 'src', 'xlink:href', 'action', 'data', 'srcdoc'].some(name => {
      const value = (one.getAttribute(name) || '').trim().toLowerCase();
      return value.startsWith('javascript:') || value.startsWith('data:text/html') || value.includes('127.0.0.1:9/');
    }));
  const handlers = [...document.querySelectorAll('*')].filter(one => one.getAttributeNames().some(name => name.startsWith('on')));
  const drawn = [...document.querySelectorAll('[data-testid=stPlotlyChart] svg :is(a, script, foreignObject)')];
  const inline = [...document.querySelectorAll('[data-testid=stMain] script, [data-testid=stSidebar] script')];
  return [...hostile, ...handlers, ...drawn, ...inline].map(one => one.outerHTML.slice(0, 200));
}"""
KINDS = {
    "image": "<img src=x onerror=alert(1)>",
    "drawing": "<svg onload=alert(1)>",
    "markdown": "[x](javascript:alert(1))",
    "link": '<a href="javascript:alert(1)">x</a>',
    "entity": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "backwards": "\u202e<b>" + "W" * 300,
}
TRUSTED = ("", "use_case", "approvals", "releases", "drift", "explainability", "ledger")  # pages that show most of what people write
SAFE_NAME = re.compile(r"[a-z0-9_-]+\.csv")
ATTACK = "<script>document.title='owned'"


def found(page: Page) -> list[str]:
    return list(page.evaluate(MADE_OF_DATA))


def hostile_files(folder: Path) -> Path:
    """The use-case files; in the flights' one, title, owner and description are attacks."""
    shutil.copytree(control_room_world.USECASES, folder)
    file = folder / f"{FLIGHTS}.toml"
    text = file.read_text()
    for key, value in {"title": "".join(KINDS.values()), "owner": KINDS["image"], "description": KINDS["markdown"] + KINDS["link"]}.items():
        planted = f"{key} = {json.dumps(value)}".replace("\\", r"\\")  # a replacement reads its backslashes
        text = re.sub(rf"(?m)^{key} = .*$", planted, text, count=1)
    file.write_text(text)
    return folder


@pytest.fixture
def hostile(control_room: Room, migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A world in which every kind of attack is a column's name, on axes and in legends, and stands in the use-case file and in reasons."""
    home = tmp_path / "hostile"
    home.mkdir()
    shutil.copy(migrated, home / "store.db")
    files = hostile_files(tmp_path / "files")
    monkeypatch.setattr(control_room_world, "USECASES", files)
    monkeypatch.setattr(control_room_world, "COLUMNS", {kind: 0.3 - place / 20 for place, kind in enumerate(KINDS.values())})
    store = Store(control_room.settings.model_copy(update={"home": home}).store_address)
    control_room_world.build(store, payload="[a](javascript:)<svg onload=1>" + "".join(KINDS.values()))  # 30 letters of it name features
    store.close()
    with control_room.live_in(home, files):
        yield control_room


def letters(page: Page) -> str:
    """All that is written on the page, charts too, without the invisible letters that part addresses."""
    return (page.locator("body").text_content() or "").replace("\u2060", "")


def test_no_kind_of_attack_in_a_use_case_file_or_a_columns_name_becomes_anything(hostile: Room, chromium: Browser) -> None:
    seen: set[str] = set()
    drawn = ""
    with viewer(chromium, "light") as page:
        wrong = watch(page)
        visit(page, hostile, f"?use_case={FLIGHTS}", "Overview")
        for name in TRUSTED:
            turn_to(page, f"{name}?use_case={FLIGHTS}", pages()[name])
            written = letters(page)
            drawn += "".join(page.locator('[data-testid="stPlotlyChart"] svg').all_text_contents())
            seen |= {kind for kind, attack in KINDS.items() if attack in written}
            assert found(page) == [], name
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name  # 300 letters without a gap do break
        assert wrong == []
    assert KINDS["drawing"] in drawn  # on an axis, as letters
    assert seen == set(KINDS)  # letter by letter: no entity was resolved, nothing was stripped


def test_a_file_that_is_taken_away_has_a_name_of_safe_letters(hostile: Room, chromium: Browser) -> None:
    with viewer(chromium, "light") as page:
        wrong = watch(page)
        visit(page, hostile, f"drift?use_case={FLIGHTS}", "Drift")
        buttons = page.get_by_role("button", name="CSV", exact=True).filter(visible=True)
        names, held = [], b""
        for place in range(buttons.count()):
            with page.expect_download(timeout=PATIENCE_MS) as download:
                buttons.nth(place).click()
            names.append(download.value.suggested_filename)
            held += download.value.path().read_bytes()
        assert names
        assert all(SAFE_NAME.fullmatch(name) for name in names), names
        assert KINDS["image"].encode() in held  # the values keep what the data say
        assert wrong == []


def test_no_page_runs_loads_or_builds_anything_of_what_people_and_data_write(control_room: Room, chromium: Browser) -> None:
    shown = 0
    with viewer(chromium, "light") as page:
        wrong = watch(page)
        visit(page, control_room, f"?use_case={FLIGHTS}", "Overview")
        for name, title in pages().items():
            turn_to(page, f"{name}?use_case={FLIGHTS}", title)
            shown += ATTACK.casefold() in page.get_by_test_id("stMain").inner_text().replace("\u2060", "").casefold()
            assert found(page) == [], title
            assert page.title() != "owned", title
        assert wrong == []
    assert shown >= 3  # the attack does stand on pages, letter by letter: the test would be hollow otherwise


def test_an_address_is_data_too(control_room: Room, chromium: Browser) -> None:
    with viewer(chromium, "light") as page:
        wrong = watch(page)
        attack = "use_case=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&column=%5Ba%5D(javascript:alert(1))&window=%3Cscript%3E"
        visit(page, control_room, f"drift?{attack}")
        expect(page.get_by_test_id("stMain")).to_contain_text("There is no use case named", timeout=PATIENCE_MS)
        assert found(page) == []
        assert wrong == []


def test_an_element_made_of_data_is_noticed(chromium: Browser) -> None:
    """The broken variant: what a page that trusts text would hold."""
    with viewer(chromium, "light") as page:
        page.set_content("<main data-testid=stMain><a href=' JavaScript:alert(1)'>x</a><img src=x onerror=1><script>1</script></main>"
                         "<svg><a href='javascript:alert(1)'>y</a></svg>"
                         "<div data-testid=stPlotlyChart><svg><a href='https://elsewhere.org'>z</a></svg></div>")
        assert len(found(page)) == 5
