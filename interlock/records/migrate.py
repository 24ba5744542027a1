"""Bring the store to the newest schema. Only `interlock migrate` (and `make up` / `make demo`, which call it) does this."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from interlock.records.store import REVISION, Store, open_store
from interlock.settings import Settings


def migrate(settings: Settings) -> str:
    """Migrate the installation's store to `REVISION`; running it again changes nothing."""
    store = open_store(settings, check=False)
    try:
        store.revision()  # a store that cannot be read is said clearly before anything is changed
        with store.engine.connect() as connection:
            command.upgrade(alembic_config(connection), "head")
            connection.commit()
        store.check_revision()
    finally:
        store.close()
    return REVISION


def migrate_store(store: Store) -> None:
    """Migrate a store that is already open (tests, restores)."""
    with store.engine.connect() as connection:
        command.upgrade(alembic_config(connection), "head")
        connection.commit()


def alembic_config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
