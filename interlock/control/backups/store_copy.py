"""A consistent copy of the store as one SQLite file, whatever database the store is in, taken while others write to it.

SQLite: its online backup API, in one step; writers go on (WAL) and the copy is the state of one moment. Any other database: every
table read in one serializable transaction and written row by row into a new SQLite file of the same schema. `load_copy` goes the
other way, so a backup can move from one kind of database to the other.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select

from interlock.errors import StoreError
from interlock.records.migrate import migrate_store
from interlock.records.store import REVISION, Store
from interlock.records.tables import Table

ROWS_AT_A_TIME = 1_000


def copy_store(store: Store, target: Path) -> None:
    """Write the store's state of one moment to `target`, a new file."""
    if store.engine.dialect.name != "sqlite":
        return _copy_rows(store, target)
    path = store.engine.url.database
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file holds everything, no log beside it
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be copied: {error}", value=path, next_step="restore an older backup") from error
    return None


def open_copy(path: Path) -> Store:
    """The copy as a store, for reading; `StoreError` where SQLite finds it damaged."""
    try:
        with closing(sqlite3.connect(path)) as copy:
            sound = copy.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError as error:
        raise StoreError("the copy of the store is no SQLite file", value=path, next_step="restore an older backup") from error
    if not sound:
        raise StoreError("the copy of the store is damaged", value=path, next_step="restore an older backup")
    return Store(f"sqlite:///{path}")


def load_copy(copy: Path, target: Store) -> None:
    """Fill an empty database with the rows of a copy. `StoreError` where it holds a schema already or the copy has another revision."""
    with closing(open_copy(copy)) as source:
        if (revision := source.revision()) != REVISION:
            raise StoreError("the backup's schema is not the one this version needs", value=revision or "no schema", allowed=REVISION,
                             next_step="restore it with the version that made it, or into SQLite and then `interlock migrate`")
        with target.reading() as session:
            if inspect(session.connection()).has_table("alembic_version"):
                raise StoreError("the database to restore into is not empty", value=target.engine.url.render_as_string(hide_password=True),
                                 allowed="an empty database", next_step="set INTERLOCK_STORE_URL to one")
        migrate_store(target)
        with source.engine.connect() as reading, target.engine.begin() as writing:
            _rows(reading, writing)


def _copy_rows(store: Store, path: Path) -> None:
    with closing(Store(f"sqlite:///{path}")) as target:
        migrate_store(target)
        with store.engine.connect() as reading, target.engine.begin() as writing:
            _rows(reading, writing)
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")


def _rows(reading: Connection, writing: Connection) -> None:
    """Every row of every table, parents before children."""
    for table in Table.metadata.sorted_tables:
        for part in reading.execution_options(yield_per=ROWS_AT_A_TIME).execute(select(table)).partitions():
            writing.execute(insert(table), [row._asdict() for row in part])
