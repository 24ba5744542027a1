"""SQL sources: rows beyond the watermark, each once, ties kept together, secrets never shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, Float, Integer, MetaData, String, Table, create_engine, insert

from interlock.errors import SourceError, Unavailable
from interlock.records.ingest import ingest
from interlock.records.snapshots import latest_snapshot, load_snapshot
from interlock.records.store import Store
from interlock.settings import Settings

START = datetime(2024, 1, 1, tzinfo=UTC)


class Database:
    """A table `shop` of orders in some database, at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = create_engine(url)
        self.table = Table("shop", MetaData(), Column("id", Integer), Column("at", DateTime(timezone=True)), Column("age", Integer),
                           Column("city", String), Column("pay", Float), Column("y", String))
        self.table.create(self.engine)

    def add(self, first: int, last: int, *, at: datetime | None = START, age: int = 30) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(self.table), [
                {"id": number, "at": None if at is None else at + timedelta(hours=number), "age": age, "city": None, "pay": number / 3,
                 "y": "yes" if number % 2 else "no"} for number in range(first, last)])


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    yield database
    database.engine.dispose()


def shop(make_use_case: Any, watermark: str = "id", **changes: Any) -> Any:
    source = {"kind": "sql", "url_env": "SHOP_URL", "table": "shop", "watermark": watermark, "batch_rows": 10}
    return make_use_case(Path("unused"), source=source | changes)


def test_rows_come_once_in_batches(settings: Settings, store: Store, sqlite: Database, make_use_case: Any,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", sqlite.url)
    sqlite.add(0, 25)
    told: list[str] = []
    first = ingest(settings, store, shop(make_use_case), progress=told.append)
    assert (first.rows_total, first.quarantined, len(told)) == (25, 0, 3)  # 10 + 10 + 5
    assert not ingest(settings, store, shop(make_use_case)).changed
    sqlite.add(25, 31)
    second = ingest(settings, store, shop(make_use_case))
    assert (second.rows_total, second.new_rows) == (31, 6)
    frame = load_snapshot(settings, store, second.snapshot_digest)
    assert frame["id"].to_list() == list(range(31))
    assert frame["pay"].to_list() == [number / 3 for number in range(31)]  # floats come through to the last bit
    assert frame["_event_time"].to_list() == [START + timedelta(hours=number) for number in range(31)]


def test_a_long_text_watermark_with_dots_is_a_position_too(settings: Settings, store: Store, sqlite: Database, make_use_case: Any,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", sqlite.url)
    with sqlite.engine.begin() as connection:
        connection.execute(insert(sqlite.table), [{"id": n, "at": START, "age": 30, "city": f"{n:03d}..{'x' * 150}", "pay": 1.0, "y": "no"}
                                                  for n in range(25)])
    assert ingest(settings, store, shop(make_use_case, watermark="city")).rows_total == 25
    assert not ingest(settings, store, shop(make_use_case, watermark="city")).changed


def test_poison_goes_to_quarantine_and_blocks_nobody(settings: Settings, store: Store, sqlite: Database, make_use_case: Any,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", sqlite.url)
    sqlite.add(0, 12, age=-1)
    sqlite.add(12, 15)
    result = ingest(settings, store, shop(make_use_case))
    assert (result.rows_total, result.reasons) == (3, {"min:age": 12})


def test_rows_with_one_watermark_stay_together(settings: Settings, store: Store, sqlite: Database, make_use_case: Any,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", sqlite.url)
    sqlite.add(0, 5, age=30)
    sqlite.add(5, 20, age=31)  # the tenth row ends inside these fifteen
    sqlite.add(20, 22, age=32)
    result = ingest(settings, store, shop(make_use_case, watermark="age"))
    assert (result.rows_total, result.quarantined) == (22, 0)
    assert not ingest(settings, store, shop(make_use_case, watermark="age")).changed


def test_as_of_bounds_a_watermark_that_is_the_clock(settings: Settings, store: Store, sqlite: Database, make_use_case: Any,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", sqlite.url)
    sqlite.add(0, 25)
    use_case = shop(make_use_case, watermark="at")
    assert ingest(settings, store, use_case, as_of=START + timedelta(hours=7)).rows_total == 7
    assert ingest(settings, store, use_case).rows_total == 25


def test_rows_without_a_watermark_are_told(settings: Settings, store: Store, sqlite: Database, make_use_case: Any,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", sqlite.url)
    sqlite.add(0, 5, at=None)
    with pytest.raises(SourceError, match="5 rows of shop have no 'at'"):
        ingest(settings, store, shop(make_use_case, watermark="at"))


@pytest.mark.parametrize(("changes", "text"), [({"table": "shopp"}, "no table or view shopp"), ({"watermark": "age2"}, "no column 'age2'")])
def test_wrong_names_are_told(settings: Settings, store: Store, sqlite: Database, make_use_case: Any, monkeypatch: pytest.MonkeyPatch,
                              changes: dict[str, str], text: str) -> None:
    monkeypatch.setenv("SHOP_URL", sqlite.url)
    use_case = shop(make_use_case)
    with pytest.raises(SourceError, match=text):
        ingest(settings, store, use_case.model_copy(update={"source": use_case.source.model_copy(update=changes)}))


def test_the_address_must_be_there_and_is_never_shown(settings: Settings, store: Store, make_use_case: Any,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    use_case = shop(make_use_case)
    with pytest.raises(SourceError, match="SHOP_URL is not set"):
        ingest(settings, store, use_case)
    monkeypatch.setenv("SHOP_URL", "nodatabase://user:hunter2@nowhere/x")
    with pytest.raises(SourceError) as raised:
        ingest(settings, store, use_case)
    assert "hunter2" not in str(raised.value)
    monkeypatch.setenv("SHOP_URL", "sqlite:////nowhere/hunter2/x.db")
    with pytest.raises(Unavailable) as silent:
        ingest(settings, store, use_case)
    assert "hunter2" not in str(silent.value)
    assert latest_snapshot(store, "tiny") is None
