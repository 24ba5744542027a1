"""A control room that asks people to sign in, and a small OpenID provider: real processes, as `interlock up` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser_room import PATIENCE_MS, ROOT, VIEWERS, Room, settled, until_healthy
from control_room_world import endpoint, observed
from playwright.sync_api import Browser, BrowserContext, Page, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from interlock.control.stack.programs import programs
from interlock.control.stack.sign_in_file import CLIENT_SECRET, COOKIE_NAME, write_sign_in_file
from interlock.settings import Settings, settings_environment

ROLES = ("viewer", "analyst", "approver", "operator", "auditor", "admin")
PEOPLE = {role: {"sub": role, "name": f"{role.title()} Person", "email": f"{role}@x.org", "groups": [f"ml-{role}"]} for role in ROLES}
NOBODY = {"sub": "nobody", "name": "Norole Person", "email": "nobody@x.org", "groups": ["football"]}
CLIENT = "interlock"


@contextmanager
def provider(port: int, token_s: int = 3_600) -> Iterator[str]:
    """The provider's address. Everybody of `PEOPLE` may sign in there with one click."""
    people = [part for person in [*PEOPLE.values(), NOBODY] for part in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--token-max-age", str(token_s), *people]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_answers(f"http://127.0.0.1:{port}/.well-known/openid-configuration")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def sign_in_rules(address: str) -> dict[str, Any]:
    """The `[sign_in]` table for that provider: each person's one group gives one role."""
    return {"metadata_url": f"{address}/.well-known/openid-configuration", "client_id": CLIENT, "contact": "the platform team",
            "roles": {f"ml-{role}": role for role in ROLES}}


@contextmanager
def signing_room(settings: Settings, log: Path) -> Iterator[Room]:
    """The control room with the very command of `interlock up`; its output goes to `log`."""
    os.environ[CLIENT_SECRET] = "known to the provider alone"
    try:
        write_sign_in_file(settings)
    finally:
        del os.environ[CLIENT_SECRET]
    program = programs(settings)[-1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    room = Room(settings, [observed()])
    with endpoint(settings.control_port, room.answers), log.open("wb") as output:
        own = settings_environment(settings) | {"INTERLOCK_HOME": str(settings.home)}  # a link: it may lead elsewhere later
        process = subprocess.Popen(program.command, cwd=ROOT, env=clean | own, stdout=output, stderr=subprocess.STDOUT)
        try:
            until_healthy(settings.dashboard_url)
            yield room
        finally:
            process.terminate()
            process.wait(timeout=20)


def cookie(room: Room, role: str, **changes: Any) -> dict[str, Any]:
    """The cookie that a browser holds after `role` signed in, signed with the key of this control room; `changes` of its claims."""
    issuer = room.settings.sign_in.expected_issuer if room.settings.sign_in else ""
    now = int(time.time())
    said = {"iss": issuer, "aud": CLIENT, "iat": now - 5, "exp": now + 3_600, "origin": room.address, "is_logged_in": True,
            "provider": "default", **PEOPLE.get(role, NOBODY)} | changes
    secret = (room.settings.home.parent / "world" / "run" / COOKIE_NAME).read_text()
    value = create_signed_value(secret, "_streamlit_user", json.dumps(said)).decode()
    return {"name": "_streamlit_user", "value": value, "url": room.address}


@contextmanager
def person(chromium: Browser, room: Room, role: str, **changes: Any) -> Iterator[Page]:
    """One person's browser, signed in already."""
    context = chromium.new_context(**VIEWERS["light"])
    context.add_cookies([cookie(room, role, **changes)])
    try:
        yield context.new_page()
    finally:
        context.close()


def sign_in(context: BrowserContext, room: Room, role: str) -> Page:
    """Through the sign-in page and the provider, as a person does."""
    page = context.new_page()
    page.goto(room.address)
    page.get_by_role("button", name="Sign in").click(timeout=PATIENCE_MS)
    page.get_by_role("button", name=role, exact=True).click(timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=PATIENCE_MS)
    settled(page)  # what is pressed between two drawings is lost
    return page


def _until_answers(address: str, patience_s: float = 30) -> None:
    import httpx

    deadline = time.monotonic() + patience_s
    while True:
        try:
            httpx.get(address, timeout=1).raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
