"""Alembic's entry point; `interlock/records/migrate.py` calls it with a connection."""

from alembic import context

from interlock.records.tables import Table

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Table.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
