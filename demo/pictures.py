"""The pictures of the documentation, from a running installation: `make up`, then `python -m demo.pictures`.

Needs Playwright (test group) and Debian's chromium. Each page is drawn at the height of its content, up to a limit, with a palette of
colours small enough for a repository.
"""

from __future__ import annotations

import argparse
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from interlock.control.stack.programs import PROJECT
from interlock.errors import InterlockError, Unavailable
from interlock.settings import load_settings

WIDTH, PHONE, HEIGHT_MIN, HEIGHT_MAX, HEIGHT_SCROLLED = 1280, 390, 620, 1400, 900
BYTES_MAX = 250_000
SETTLE_MS, LOAD_MS = 3_500, 45_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
CONTENT = "() => Math.ceil(document.querySelector('[data-testid=stMainBlockContainer]').getBoundingClientRect().height)"


@dataclass(frozen=True)
class Picture:
    """One file: which page, of which use case, how wide, light or dark, and which button is pressed first."""

    name: str
    page: str
    use_case: str = "flight_delays"
    scheme: str = "light"
    width: int = WIDTH
    press: str = ""
    scroll_to: str = ""


PICTURES = (
    Picture("overview", ""),
    Picture("overview-dark", "", scheme="dark"),
    Picture("overview-phone", "", width=PHONE),
    Picture("approvals", "approvals"),
    Picture("approvals-dark", "approvals", scheme="dark"),
    Picture("approvals-phone", "approvals", width=PHONE),
    Picture("decision", "approvals", scroll_to="What a yes starts"),
    Picture("waive", "approvals", use_case="loan_approvals", press="Waive"),
    Picture("releases", "releases"),
    Picture("releases-phone", "releases", width=PHONE),
    Picture("time-machine", "time_machine"),
    Picture("drift", "drift"),
    Picture("drift-dark", "drift", scheme="dark"),
    Picture("performance", "performance"),
    Picture("explainability", "explainability"),
    Picture("fairness", "fairness", use_case="loan_approvals"),
    Picture("use-case", "use_case"),
    Picture("data", "data"),
    Picture("costs", "costs"),
    Picture("runs", "runs"),
    Picture("ledger", "ledger", press="Verify all"),
)


def main(arguments: list[str] | None = None) -> int:
    """Take every picture, or the named ones; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.pictures", description="Pictures of the control room for the documentation.")
    parser.add_argument("names", nargs="*", help=f"pictures to take, default all: {', '.join(one.name for one in PICTURES)}")
    parser.add_argument("--address", default=load_settings().dashboard_url, help="address of the control room")
    parser.add_argument("--to", type=Path, default=PROJECT / "docs" / "pictures", help="folder to write to")
    wish = parser.parse_args(arguments)
    chosen = [one for one in PICTURES if not wish.names or one.name in wish.names]
    if not chosen:
        raise InterlockError("there is no such picture", value=" ".join(wish.names), allowed=", ".join(one.name for one in PICTURES))
    wish.to.mkdir(parents=True, exist_ok=True)
    for name, size in take(wish.address, chosen, wish.to):
        Console().print(f"{name}.png  {size / 1000:.0f} kB", highlight=False)
    return 0


def take(address: str, chosen: list[Picture], folder: Path) -> list[tuple[str, int]]:
    """(name, bytes) of every picture written. Raises `Unavailable` where the control room or the browser is missing."""
    from playwright.sync_api import Error, sync_playwright

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise Unavailable("there is no browser to take pictures with", value=", ".join(BROWSERS), next_step="apt-get install chromium")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            return [(one.name, _shoot(browser, address, one, folder)) for one in chosen]
    except Error as error:
        raise Unavailable(f"the picture could not be taken: {error.message}", value=address, next_step="make up") from error


def _shoot(browser: Any, address: str, picture: Picture, folder: Path) -> int:
    context = browser.new_context(viewport={"width": picture.width, "height": 900}, color_scheme=picture.scheme)
    page = context.new_page()
    try:
        page.goto(f"{address}/{picture.page}?use_case={picture.use_case}")
        page.wait_for_selector("h1", timeout=LOAD_MS)
        page.wait_for_timeout(SETTLE_MS)
        if picture.press:
            _press(page, picture.press)
            page.wait_for_timeout(SETTLE_MS)
        height = min(max(page.evaluate(CONTENT) - 60, HEIGHT_MIN), HEIGHT_MAX)
        page.set_viewport_size({"width": picture.width, "height": HEIGHT_SCROLLED if picture.scroll_to else height})
        page.wait_for_timeout(SETTLE_MS)
        if picture.scroll_to:
            page.get_by_role("heading", name=picture.scroll_to).first.evaluate("one => one.scrollIntoView({block: 'start'})")
            page.wait_for_timeout(SETTLE_MS)
        data = _small(page.screenshot())
    finally:
        context.close()
    (folder / f"{picture.name}.png").write_bytes(data)
    return len(data)


def _press(page: Any, name: str) -> None:
    """Press the first tab, segment or button of that name."""
    found = page.get_by_role("tab", name=name)
    for role in ("radio", "button"):
        found = found.or_(page.get_by_role(role, name=name))
    found.first.click()


def _small(png: bytes) -> bytes:
    """The same picture with at most 256 colours, fewer until it is small enough."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        out = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        if out.tell() <= BYTES_MAX:
            break
    return out.getvalue()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except InterlockError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        raise SystemExit(1) from None
