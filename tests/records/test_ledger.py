"""The ledger finds every edit, deletion, reordering, fork and cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from interlock.errors import StoreError
from interlock.records import ledger
from interlock.records.migrate import migrate_store
from interlock.records.store import Store
from interlock.records.tables import LedgerEntry

BODIES: list[dict[str, Any]] = [{"actor": "ben", "n": n, "share": 0.1 * n, "note": "é\u2028 \"quoted\""} for n in range(6)]
SLOW = hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def written(store: Store) -> Store:
    """Six entries in three transactions."""
    for start in (0, 2, 4):
        with store.writing() as session:
            for body in BODIES[start:start + 2]:
                ledger.append(session, "test.entry", body, "loans")
    return store


def hashes(store: Store) -> list[str]:
    with store.reading() as session:
        return list(session.scalars(select(LedgerEntry.hash).order_by(LedgerEntry.seq)))


def test_a_whole_chain_is_whole(written: Store) -> None:
    report = ledger.verify(written)
    assert (report.ok, report.entries, report.head.seq) == (True, 6, 6)


def test_the_hash_can_be_recomputed_with_nothing_but_a_hash_function(store: Store) -> None:
    with store.writing() as session:
        entry = ledger.append(session, "a.b", {"x": 1.5, "n": 2}, "loans")
    at = entry.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
    # RFC 8785 by hand: keys in order, no spaces, floats as decimal strings
    by_hand = ('{"at":"' + at + '","body":{"n":2,"x":"1.5"},"kind":"a.b","previous_hash":"sha256:' + "0" * 64
               + '","seq":1,"use_case":"loans","version":1}')
    assert entry.hash == "sha256:" + hashlib.sha256(by_hand.encode()).hexdigest()


def test_an_entry_is_written_with_what_it_tells_or_not_at_all(store: Store) -> None:
    def interrupted() -> None:
        with store.writing() as session:
            ledger.append(session, "a.b", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert ledger.verify(store).entries == 0


def test_a_body_too_large_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="too large"), store.writing() as session:
        ledger.append(session, "a.b", {"text": "x" * 300_000})


@SLOW
@given(place=st.integers(1, 6), column=st.sampled_from(["kind", "use_case", "body", "created_at", "hash", "previous_hash", "seq"]),
       data=st.data())
def test_every_edit_shows(written: Store, place: int, column: str, data: st.DataObject) -> None:
    with written.engine.connect() as connection:
        before = connection.execute(text(f"SELECT {column} FROM ledger WHERE seq = :seq"), {"seq": place}).scalar_one()  # noqa: S608
        changed = data.draw(edits(column, before).filter(lambda value: value != before))
        connection.execute(text("BEGIN"))
        connection.execute(text(f"UPDATE ledger SET {column} = :value WHERE seq = :seq"), {"value": changed, "seq": place})  # noqa: S608
        connection.commit()
        assert not ledger.verify(written).ok
        connection.execute(text("BEGIN"))
        new_place = changed if column == "seq" else place
        connection.execute(text(f"UPDATE ledger SET {column} = :value WHERE seq = :seq"), {"value": before, "seq": new_place})  # noqa: S608
        connection.commit()
    assert ledger.verify(written).ok


def edits(column: str, before: Any) -> st.SearchStrategy[Any]:
    """Another value of the column: anything, or one that is nearly right."""
    if column == "seq":
        return st.integers(7, 99)
    if column == "created_at":
        return st.sampled_from(["2020-01-01 00:00:00.000000", before[:-1] + ("0" if before[-1] != "0" else "1")])
    if column in {"hash", "previous_hash"}:
        return st.sampled_from(["", before[:-1] + ("0" if before[-1] != "0" else "1"), "sha256:" + "0" * 64])
    if column == "body":
        body = json.loads(before)
        return st.sampled_from([json.dumps(body | {"n": 99}), json.dumps(body), "{", "null", before + " ",
                                json.dumps({**body, "actor": "eve"}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)])
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("place", [1, 3])
def test_a_deleted_entry_shows(written: Store, place: int) -> None:
    with written.writing() as session:
        session.execute(delete(LedgerEntry).where(LedgerEntry.seq == place))
    assert "entries are missing between them" in " ".join(ledger.verify(written).problems)


def test_reordered_entries_show(written: Store) -> None:
    with written.writing() as session:
        for old, new in ((2, 100), (3, 2), (100, 3)):
            session.execute(update(LedgerEntry).where(LedgerEntry.seq == old).values(seq=new))
    assert not ledger.verify(written).ok


def test_a_deleted_entry_with_the_rest_moved_up_shows(written: Store) -> None:
    with written.writing() as session:
        session.execute(delete(LedgerEntry).where(LedgerEntry.seq == 3))
        for seq in (4, 5, 6):
            session.execute(update(LedgerEntry).where(LedgerEntry.seq == seq).values(seq=seq - 1))
    assert not ledger.verify(written).ok


def test_a_fork_shows(written: Store) -> None:
    """A second history that builds on entry 3, properly hashed, put in the place of entries 4 to 6."""
    fourth_parent = hashes(written)[2]
    with written.writing() as session:
        head = ledger.head_of(session)
        session.execute(delete(LedgerEntry).where(LedgerEntry.seq > 3))
        session.expunge_all()
        for body in BODIES[:3]:
            entry = ledger.append(session, "test.other", body, "loans")
        assert session.get_one(LedgerEntry, 4).previous_hash == fourth_parent
    assert ledger.verify(written).ok  # a chain alone cannot tell
    assert ledger.verify(written, head).problems == ["entry 6 is not the one whose hash was exported: the chain was written anew"]
    assert entry.seq == 6


@pytest.mark.parametrize("kept", [0, 5])
def test_a_cut_tail_shows_against_an_exported_head(written: Store, kept: int) -> None:
    with written.reading() as session:
        head = ledger.head_of(session)
    with written.writing() as session:
        session.execute(delete(LedgerEntry).where(LedgerEntry.seq > kept))
    assert ledger.verify(written).ok
    assert "the tail is cut" in ledger.verify(written, head).problems[0]


def test_an_exported_head_is_never_replaced_by_one_of_another_history(written: Store, tmp_path: Path) -> None:
    path = tmp_path / "away" / "head.json"
    first = ledger.export_head(written, path)
    assert ledger.read_head(path) == first
    with written.writing() as session:
        session.execute(delete(LedgerEntry).where(LedgerEntry.seq > 4))
    with pytest.raises(StoreError, match="no longer contains entry 6"):
        ledger.export_head(written, path)
    assert ledger.read_head(path) == first


def test_a_file_that_is_no_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "head.json").write_text('{"seq": 1}')
    with pytest.raises(StoreError, match="not an exported ledger head"):
        ledger.read_head(tmp_path / "head.json")
    assert ledger.read_head(tmp_path / "none.json") is None


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'store.db'}")
    migrate_store(opened)
    yield opened
    opened.close()


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8"), max_size=10),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner,
                                                                               max_size=3), max_leaves=8)


@SLOW
@given(bodies=st.lists(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), JSON, max_size=3), min_size=1, max_size=4))
def test_any_body_is_kept_and_verified(fresh: Store, bodies: list[dict[str, Any]]) -> None:
    with fresh.writing() as session:
        for body in bodies:
            ledger.append(session, "any.body", body)
    assert ledger.verify(fresh).ok
