"""Blocks for sources: files in a local folder, and a database. Files in S3 are `blocks.aws.S3FilesBlock`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from interlock.records.origins import FileOrigin, LocalFolder

if TYPE_CHECKING:
    from sqlalchemy import Engine


class LocalFilesBlock(Block):
    """Source files in a folder of this machine."""

    _block_type_name = "Interlock local files"
    _block_type_slug = "interlock-local-files"

    root: Path = Field(description="Folder that patterns start from.")

    def open(self) -> FileOrigin:
        """The adapter behind this block."""
        return LocalFolder(Path(self.root))


class SqlDatabaseBlock(Block):
    """A database that SQLAlchemy can reach: source of rows, or of labels."""

    _block_type_name = "Interlock SQL database"
    _block_type_slug = "interlock-sql-database"

    url: SecretStr = Field(description="SQLAlchemy URL; may carry a password.")

    def open(self) -> Engine:
        """An engine that tests a connection before it is used; the caller disposes of it."""
        from sqlalchemy import create_engine

        return create_engine(self.url.get_secret_value(), pool_pre_ping=True)
