"""A store of an older version keeps every row when it is migrated, also where the migration was killed half-way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from interlock.records.migrate import alembic_config, migrate_store
from interlock.records.store import REVISION, Store

ROWS = ("insert into candidates values('c','u',1,'d','s','s','a','b',null,null,'{}','2024-01-01')",
        "insert into decisions values('i','name','approve','u','c',null,null,null,null,'a','r','2024-01-01',null,'{}')",
        "insert into releases values('r','u','c','i','live',0,0,'','[]','2024-01-01','2024-01-01')")


def old_store(folder: Path) -> tuple[Store, Path]:
    path = folder / "store.db"
    store = Store(f"sqlite:///{path}")
    with store.engine.connect() as connection:
        command.upgrade(alembic_config(connection), "0001")
        connection.commit()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for row in ROWS:
            raw.execute(row)
    return store, path


@pytest.mark.parametrize("killed", [False, True])
def test_rows_that_refer_to_decisions_survive(tmp_path: Path, killed: bool) -> None:
    store, path = old_store(tmp_path)
    if killed:  # the transaction of the rebuilt table never committed, its revision was never written
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute("PRAGMA foreign_keys=OFF")
            raw.execute("BEGIN IMMEDIATE")
            raw.execute("CREATE TABLE _alembic_tmp_decisions (id VARCHAR(36))")
    migrate_store(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        assert raw.execute("select id, kind from decisions").fetchall() == [("i", "approve")]
        assert raw.execute("select decision_id from releases").fetchall() == [("i",)]
        assert raw.execute("pragma foreign_key_check").fetchall() == []
        raw.execute("update decisions set kind = 'grant'")
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute("update decisions set kind = 'whim'")
        with pytest.raises(sqlite3.IntegrityError):  # one effect has one decision (law 2), also after the rebuild
            raw.execute("insert into decisions select 'j', identity, kind, use_case, candidate_id, null, null, null, null, actor, reason, "
                        "created_at, null, detail from decisions")
    assert store.revision() == REVISION
    store.close()


def test_the_newest_revision_is_the_one_that_the_code_expects(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    with store.engine.connect() as connection:
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == REVISION
    store.close()
