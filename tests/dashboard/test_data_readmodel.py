"""What the Data page shows: columns over time, lineage, refused rows of one reason, and the wish to take rows in again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from interlock.control.access.people import Person
from interlock.control.intake_again import judged_by_present_file, take_in_again
from interlock.control.readmodel.column_history import column_history
from interlock.control.readmodel.intake import quarantine
from interlock.control.readmodel.lineage import lineage
from interlock.control.windows.column_history import prepare_columns
from interlock.errors import DecisionRefused
from interlock.records.ids import new_id
from interlock.records.ingest import IngestResult, ingest
from interlock.records.lake import lake_from
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, LedgerEntry, Outbox, RouteRow, Snapshot
from interlock.settings import Settings
from tests.records.conftest import tiny

HEADER = "id,at,age,city,pay,y\n"
ANA, VIC = Person("Ana"), Person("Vic")


def rows(first: int, last: int, day: str = "2024-01-01", city: str = "Graz") -> str:
    """Ages 20 + number; every second row lacks its pay."""
    return "".join(f"{n},{day},{20 + n},{city},{'' if n % 2 else n},{'yes' if n % 2 else 'no'}\n" for n in range(first, last))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"people": {"Ana": ["analyst"], "Vic": ["viewer"]}})


def take(settings: Settings, store: Store, csv: Path) -> IngestResult:
    return ingest(settings, store, tiny(csv))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.csv"
    path.write_text(HEADER + rows(0, 20) + "98,2024-01-01,200,Graz,1,yes\n99,2024-01-01,,Graz,1,yes\n")
    return path


def test_columns_over_time_come_from_the_stored_profiles(settings: Settings, store: Store, csv: Path) -> None:
    """20 rows with ages 20 to 39: mean 29.5, median 29 or 30, half of them without pay; then 10 more rows with ages 40 to 49."""
    take(settings, store, csv)
    assert prepare_columns(settings, store, "tiny") == 1
    csv.write_text(csv.read_text() + rows(20, 30, "2024-02-01", "Wien"))
    take(settings, store, csv)
    assert prepare_columns(settings, store, "tiny") == 1  # only the new one is opened
    assert prepare_columns(settings, store, "tiny") == 0
    found = column_history(store, "tiny")
    assert found is not None
    first, second = found.points["age"]
    assert (first.kind, first.rows, first.figures["mean"], second.rows) == ("snapshot", 20, 29.5, 30)
    assert first.figures["middle"] == pytest.approx(29.5, abs=0.5)
    assert [point.figures["missing"] for point in found.points["pay"]] == [0.5, 0.5]
    assert found.points["city"][0].figures["shares"] == {"Graz": 1.0}
    assert found.points["city"][1].figures["shares"]["Graz"] == pytest.approx(2 / 3)
    assert second.at == datetime.fromisoformat("2024-02-01T00:00:00+00:00")


def test_a_profile_that_cannot_be_read_is_said_and_tried_again(settings: Settings, store: Store, csv: Path) -> None:
    take(settings, store, csv)
    with store.reading() as session:
        snapshot = session.scalars(select(Snapshot)).one()
    path = next(path for path in settings.folder("lake").rglob("*.json") if path.name in snapshot.manifest["profile_key"])
    kept = path.read_bytes()
    path.write_bytes(b"{}")
    prepare_columns(settings, store, "tiny")
    found = column_history(store, "tiny")
    assert found is not None
    assert (found.points, len(found.problems)) == ({}, 1)
    path.write_bytes(kept)
    assert prepare_columns(settings, store, "tiny") == 1
    assert lake_from(settings) is not None
    again = column_history(store, "tiny")
    assert again is not None
    assert again.problems == ()


def test_lineage_leads_from_source_to_version(settings: Settings, store: Store, csv: Path) -> None:
    digest = take(settings, store, csv).snapshot_digest
    with store.writing() as session:
        session.add(Candidate(id=new_id(), use_case="tiny", number=7, package_digest="sha256:7", snapshot_digest=digest, author="Ada",
                              spec_digest="", started_by="Mira", metrics={}, created_at=utc_now()))
        session.add(RouteRow(use_case="tiny", generation=1, body={"champion": {"version": 7, "digest": "sha256:7"}}, updated_at=utc_now()))
    found = lineage(store, "tiny", digest)
    assert [(one.name, one.rows, one.quarantined) for one in found.sources] == [("tiny.csv", 20, 2)]
    assert [(one.version, one.verdict, one.release, one.live) for one in found.made] == [(7, None, None, True)]
    assert lineage(store, "other", digest).sources == ()


def test_refused_rows_by_reason_for_who_may_see_rows(settings: Settings, store: Store, csv: Path) -> None:
    take(settings, store, csv)
    assert len(quarantine(settings, store, ANA, "tiny")) == 2
    (only,) = quarantine(settings, store, ANA, "tiny", "missing:age")
    assert (only["_reason"], only["id"]) == ("missing:age", "99")
    with pytest.raises(DecisionRefused, match="Vic may not see rows"):
        quarantine(settings, store, VIC, "tiny")


def test_taking_in_again_is_asked_for_once_and_stands_in_the_ledger(settings: Settings, store: Store) -> None:
    case = "loan_approvals"
    first = take_in_again(settings, store, actor=ANA, use_case=case, reason="file mended", nonce="n1")
    second = take_in_again(settings, store, actor=ANA, use_case=case, reason="file mended", nonce="n1")
    with store.reading() as session:
        (wish,), entries = session.scalars(select(Outbox)).all(), session.scalars(select(LedgerEntry)).all()
    assert (wish.deployment, wish.parameters, wish.state) == ("ingest/ingest", {"use_case": case}, "pending")
    assert (first.outbox_id, second.outbox_id, second.ledger_seq) == (wish.id, wish.id, None)
    assert [(entry.kind, entry.seq) for entry in entries] == [("ingest.asked", first.ledger_seq)]
    with pytest.raises(DecisionRefused, match="Vic may not re-ingest"):
        take_in_again(settings, store, actor=VIC, use_case=case, reason="file mended", nonce="n2")


def test_whether_the_file_has_changed_since(settings: Settings, store: Store, csv: Path) -> None:
    case = tiny(csv)
    assert not judged_by_present_file(store, case)  # nothing was taken in yet
    take(settings, store, csv)
    assert judged_by_present_file(store, case)
    wider = tiny(csv, columns={name: column.model_dump(exclude_unset=True) | ({"max": 250} if name == "age" else {})
                               for name, column in case.columns.items()})
    assert not judged_by_present_file(store, wider)
