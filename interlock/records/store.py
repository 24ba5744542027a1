"""The store: one database with everything that must not be lost or doubled.

SQLite (WAL, synchronous=FULL) on one machine, Postgres when outgrown: same tables, same code, same migrations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from interlock.errors import SettingsError, StoreError, Unavailable
from interlock.settings import Settings

REVISION = "0005"  # head of interlock/records/migrations; a test compares
BUSY_TIMEOUT_MS, HASTY_TIMEOUT_MS = 10_000, 300


class Store:
    """Opens sessions; each `writing()` block is one transaction that took the write lock first."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._hasty: Engine | None = None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits at the end of the block or changes nothing."""
        with self._session(immediate=True) as session:
            yield session

    @contextmanager
    def reading(self, *, hasty: bool = False) -> Iterator[Session]:
        """A consistent view; nothing is written. `hasty`: for those who can do without it, a locked store is given up after 0.3 s."""
        with self._session(immediate=False, hasty=hasty) as session:
            yield session

    @contextmanager
    def _session(self, *, immediate: bool, hasty: bool = False) -> Iterator[Session]:
        try:
            with Session(self._impatient() if hasty else self.engine, expire_on_commit=False) as session:
                if self.engine.dialect.name == "sqlite":
                    session.execute(text("BEGIN IMMEDIATE" if immediate else "BEGIN"))
                try:
                    yield session
                    if immediate:
                        session.commit()
                    else:
                        session.expunge_all()  # rows that were read stay readable; the rollback below would expire them
                finally:
                    session.rollback()
        except OperationalError as error:
            full = "is its disk full? then " if "disk" in str(error.orig) else ""
            raise Unavailable(f"the store does not answer: {error.orig}", next_step=f"{full}interlock status") from error
        except IntegrityError:
            raise  # a UNIQUE constraint decided: callers know what that means
        except DatabaseError as error:
            raise StoreError(f"the store cannot be used: {error.orig}", value=self.engine.url.render_as_string(hide_password=True),
                             next_step="restore it from a backup; `interlock rollback` works without it") from error

    def check_revision(self) -> None:
        """Raise `StoreError` unless the schema is the one this version expects."""
        found = self.revision()
        if found != REVISION:
            raise StoreError("the store's schema is not the one this version needs", value=found or "no schema",
                             allowed=REVISION, next_step="interlock migrate")

    def revision(self) -> str | None:
        """Alembic revision of the schema, None where there is none."""
        with self.reading() as session:
            if not inspect(session.connection()).has_table("alembic_version"):
                return None
            return session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

    def close(self) -> None:
        self.engine.dispose()
        if self._hasty is not None:
            self._hasty.dispose()

    def _impatient(self) -> Engine:
        """The same store over connections that wait less for a lock; opening one waits too."""
        if self.engine.dialect.name != "sqlite":
            return self.engine
        self._hasty = self._hasty or _engine(self.engine.url.render_as_string(hide_password=False), HASTY_TIMEOUT_MS)
        return self._hasty


def open_store(settings: Settings, *, check: bool = True) -> Store:
    """The installation's store; refuses a schema of another revision and names the command that mends it."""
    try:
        settings.home.resolve().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the home folder cannot be made: {error.strerror}", value=settings.home.resolve(),
                         next_step="set INTERLOCK_HOME to a folder that may be written") from error
    store = Store(settings.store_address)
    if check:
        store.check_revision()
    return store


def utc_now() -> datetime:
    """The real clock, UTC."""
    return datetime.now(UTC)


def _engine(url: str, busy_ms: int | None = None) -> Engine:
    wait_ms = BUSY_TIMEOUT_MS if busy_ms is None else busy_ms
    try:
        if make_url(url).get_backend_name() != "sqlite":
            return create_engine(url, pool_pre_ping=True, isolation_level="SERIALIZABLE")
    except (ArgumentError, NoSuchModuleError, ImportError):
        raise SettingsError("the store's address cannot be used", allowed="an SQLAlchemy URL: sqlite:///…, postgresql+psycopg://…",
                            next_step="correct INTERLOCK_STORE_URL, or install the database's driver") from None  # it may hold a password
    engine = create_engine(url, connect_args={"timeout": wait_ms / 1000, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={wait_ms}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
