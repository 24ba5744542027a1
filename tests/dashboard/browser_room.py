"""A control room for browsers: one real Streamlit process, whose home may become another installation, and what tests do in it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from control_room_world import endpoint, observed
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from interlock.rules.routes import Observed
from interlock.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
VIEWERS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", "timezone_id": "UTC"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark", "timezone_id": "Europe/Berlin"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "timezone_id": "UTC", "has_touch": True},
}
PATIENCE_MS = 30_000
SETTLED = """title => {
  const app = document.querySelector('[data-testid=stApp]'), head = document.querySelector('h1');
  if (document.querySelector('[data-testid=stException]')) return true;
  if (!app || app.dataset.testScriptState !== 'notRunning' || !head || (title && head.innerText.trim() !== title)) return false;
  const moving = one => one.playState === 'running' && one.effect.getComputedTiming().endTime !== Infinity;
  if (document.getAnimations().some(moving)) return false;
  const charts = [...document.querySelectorAll('[data-testid=stPlotlyChart]')].filter(one => one.checkVisibility());
  return charts.every(one => one.querySelector('.main-svg')) && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]');
}"""
GO = "to => { history.pushState({}, '', to); dispatchEvent(new PopStateEvent('popstate')); }"


def pages() -> dict[str, str]:
    """Address and title of every page, as the navigation has them (read, not imported: the file draws when it is imported)."""
    tree = ast.parse((ROOT / "dashboard" / "app.py").read_text())
    found = next(node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAGES")
    every = [page for section in ast.literal_eval(found).values() for page in section]
    return {"" if name == "overview" else name: title for name, title in every}


@dataclass
class Room:
    """A running control room. `home` is a link: `live_in` lets the same process serve another installation."""

    settings: Settings
    answers: list[Observed] = field(default_factory=lambda: [observed()])

    @property
    def address(self) -> str:
        return self.settings.dashboard_url

    @contextmanager
    def live_in(self, home: Path, usecases: Path | None = None) -> Iterator[None]:
        """Serve another installation for a while; `usecases`: with other use-case files, where their folder is a link."""
        links = {self.settings.home: home} | ({self.settings.usecases_dir: usecases} if usecases else {})
        before = {link: link.resolve() for link in links}
        try:
            for link, folder in links.items():
                _point(link, folder)
            yield
        finally:
            for link, folder in before.items():
                _point(link, folder)


@contextmanager
def open_room(settings: Settings, actor: str = "Grace Approver") -> Iterator[Room]:
    """Streamlit on its own port, and an endpoint that says what `answers` says; both end with it."""
    names = ("home", "usecases_dir", "dashboard_port", "prefect_port", "mlflow_port", "predictions_port", "control_port")
    said = {f"INTERLOCK_{name.upper()}": str(getattr(settings, name)) for name in names}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    flags = {"headless": "true", "address": "127.0.0.1", "port": str(settings.dashboard_port), "fileWatcherType": "none"}
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py")]
    command += [part for name, value in flags.items() for part in (f"--server.{name}", value)]
    room = Room(settings)
    with endpoint(settings.control_port, room.answers):
        process = subprocess.Popen(
            command, cwd=ROOT, env=clean | said | {"INTERLOCK_ACTOR": actor}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until_healthy(settings.dashboard_url)
            yield room
        finally:
            process.terminate()
            process.wait(timeout=20)


def visit(page: Page, room: Room, path: str, title: str = "") -> None:
    """Load a page from the server and wait until nothing moves any more."""
    page.goto(f"{room.address}/{path}")
    settled(page, title)


def turn_to(page: Page, path: str, title: str) -> None:
    """Another page of the same visit, as a click on the navigation opens it."""
    page.evaluate(GO, f"/{path}")
    settled(page, title)


def settled(page: Page, title: str = "") -> None:
    """The headline stands, the script has ended, nothing is stale, no skeleton is left, every chart is drawn; or the page broke."""
    page.wait_for_function(SETTLED, arg=title, timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE_MS)


def at_rest(element: Locator) -> Locator:
    """The same element once it has stood still for 200 ms: what an opening expander still moves slides away between press and release.

    Seen so: the button went down under the pointer and the release fell on the page beside it, 10 ms later.
    """
    element.evaluate("""async one => {
      for (let last = '', same = 0, frames = 0; same < 12; frames++) {
        if (frames > 1800) throw new Error('it never stands still');
        await new Promise(requestAnimationFrame);
        const place = JSON.stringify(one.getBoundingClientRect());
        same = place === last ? same + 1 : 0;
        last = place;
      }
    }""")
    return element


def watch(page: Page) -> list[str]:
    """Everything that must not happen while pages are shown; Streamlit's own search for its base path is no error of ours."""
    wrong: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            wrong.append(f"{message.text} {message.location}")

    page.on("console", console)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda one: None if one.url.startswith(("http://127.0.0.1:", "data:", "blob:")) else wrong.append(f"left: {one.url}")
    )
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    return wrong


@contextmanager
def viewer(chromium: Browser, mode: str, **more: Any) -> Iterator[Page]:
    """One person's window: light, dark or a phone."""
    context = chromium.new_context(**(VIEWERS[mode] | more))
    try:
        yield context.new_page()
    finally:
        context.close()


def _point(link: Path, home: Path) -> None:
    """Let the link name another folder, in one step."""
    fresh = link.with_name(f"{link.name}-new")
    fresh.symlink_to(home)
    fresh.replace(link)


def until_healthy(address: str, patience_s: float = 60) -> None:
    """Wait for a control room that was just started; the test fails where it does not answer in time."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/_stcore/health", timeout=1).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the control room did not start within {patience_s:.0f} s")
