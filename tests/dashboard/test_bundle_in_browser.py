"""An auditor makes a compliance bundle in real Chromium, and the file that the browser kept is checked as whoever receives it would."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from browser_room import PATIENCE_MS, Room, at_rest
from playwright.sync_api import Browser, expect
from signing_room import person
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.records import ledger
from interlock.records.store import Store
from interlock.settings import Settings

pytestmark = pytest.mark.browser


def test_the_bundle_that_the_browser_downloads_holds_and_a_changed_one_does_not(
    signing: Room, own_home: Settings, chromium: Browser, tmp_path: Path
) -> None:
    with person(chromium, signing, "auditor") as page:
        page.goto(f"{signing.address}/ledger")
        page.get_by_text("Compliance bundle").click(timeout=PATIENCE_MS)
        page.get_by_label("Reason").fill("yearly audit")
        at_rest(page.get_by_role("button", name="Make the bundle")).click()
        button = page.get_by_role("button", name="Download", exact=True)
        expect(button).to_be_visible(timeout=PATIENCE_MS)
        with page.expect_download(timeout=PATIENCE_MS) as started:
            button.click()
        kept = tmp_path / started.value.suggested_filename
        started.value.save_as(kept)
    store = Store(own_home.store_address)
    with store.reading() as session:
        [key] = [ledger.body_of(one) for one in ledger.entries(session, kinds=["bundle.key"])]
    store.close()
    pem = tmp_path / "key.pem"
    pem.write_text(key["public_key"])  # by another way than the archive: from the ledger
    said = CliRunner().invoke(app, ["verify-bundle", str(kept), "--key", str(pem)])
    assert said.output.splitlines()[-1] == "the bundle holds"
    assert f"signed with key {key['fingerprint']}" in said.output.splitlines()
    assert kept.name.endswith(".zip")
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(kept) as whole, zipfile.ZipFile(changed, "w") as copy:
        for name in whole.namelist():
            copy.writestr(name, whole.read(name).replace(b"Grace Approver", b"Grace Approves"))
    assert CliRunner().invoke(app, ["verify-bundle", str(changed), "--key", str(pem)]).exit_code != 0
