"""The print view: the card that was sealed with the evidence is read; what cannot be read is said, never left out in silence."""

from __future__ import annotations

import pytest
from control_room_world import FLIGHTS
from sqlalchemy import select
from streamlit.testing.v1 import AppTest
from test_pages import VIEWS, text

from interlock.control.readmodel.paper import STORED, stored_bytes
from interlock.records.store import Store
from interlock.records.tables import EvidenceRow
from interlock.rules.canonical import digest_bytes
from interlock.rules.evidence import Evidence
from interlock.settings import Settings
from reports.model_card import Part, Table

PARTS = [Part("Model details", tables=(Table(("", ""), (("Evidence", "not yet"),)),)), Part("Limits", bullets=("It ends with 2013.",)),
         Part("Decisions", ("before any decision",))]


def printed(digest: str) -> str:
    app = AppTest.from_file(str(VIEWS / "paper.py"), default_timeout=60)
    app.query_params["evidence"] = digest
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return text(app)


@pytest.fixture
def sealed(world: Settings, store: Store) -> str:
    """Evidence about flights, version 3, sealed with its card."""
    with store.writing() as session:
        row = session.scalars(select(EvidenceRow).where(EvidenceRow.candidate_id == f"{FLIGHTS}-3")).one()
        again = Evidence.model_validate(row.body | {"attachments": {STORED: digest_bytes(stored_bytes(PARTS))}})
        session.add(EvidenceRow(digest=again.seal(), use_case=FLIGHTS, candidate_id=row.candidate_id, verdict=row.verdict,
                                body=again.model_dump(mode="json"), created_at=row.created_at))
    folder = world.home.resolve() / "evidence" / again.seal().removeprefix("sha256:")
    folder.mkdir(parents=True)
    (folder / STORED).write_bytes(stored_bytes(PARTS))
    return again.seal()


def test_the_sealed_card_stands_on_the_page_with_the_seal_and_without_the_package(sealed: str) -> None:
    shown = printed(sealed)
    assert "It ends with 2013." in shown
    assert "No decision is on record on this evidence." in shown
    assert shown.count(sealed) >= 2  # on the sheet, and in the card in place of "not yet"
    assert "not yet" not in shown
    assert "made for this view" not in shown


def test_a_card_that_was_changed_is_not_shown(sealed: str, world: Settings) -> None:
    path = world.home.resolve() / "evidence" / sealed.removeprefix("sha256:") / STORED
    path.write_bytes(path.read_bytes().replace(b"2013", b"2031"))
    shown = printed(sealed)
    assert "is not the file that was sealed" in shown
    assert "2031" not in shown
