"""SQL sources: rows beyond a watermark, in batches, from any database that SQLAlchemy reaches. Built from Core, never from text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Select, Table, create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from interlock.errors import SourceError, Unavailable
from interlock.records.sources import RawRows, as_text, check_names, no_malformed
from interlock.rules.canonical import digest
from interlock.spec.data import SqlSource

TIES_MAX = 10  # a batch may grow to this many times its size to keep rows with one watermark together


@dataclass(frozen=True)
class SqlBatch:
    """Rows with watermark in (after, upto]; `after` is None for the first batch."""

    rows: RawRows
    after: str | None
    upto: str


class SqlReader:
    """Reads a table in the order of its watermark. Every call opens and closes its own connection."""

    def __init__(self, source: SqlSource, columns: list[str]) -> None:
        self.source = source
        self.columns = columns
        self.engine = _engine(source)
        self.name = f"{source.table} ({source.watermark})"

    def identity(self) -> str:
        """Digest that names this source: database, table, watermark; never the password."""
        url = self.engine.url
        return digest({"kind": "sql", "database": [url.get_backend_name(), url.host, url.port, url.database],
                       "table": self.source.table, "watermark": self.source.watermark})

    def batches(self, after: str | None, before: datetime | None = None) -> Iterator[SqlBatch]:
        """Batches beyond `after` (a watermark as text) whose watermark is below `before`, until there are no more rows."""
        try:
            table = self._table()
            mark = table.c[self.source.watermark]
            self._refuse_unmarked(mark)
            position = _parsed(after, mark)
            while True:
                with self.engine.connect() as connection:
                    limit = self._upto(connection, mark, position, before)
                    if limit is None:
                        return
                    rows = self._rows(connection, table, mark, position, limit)
                yield SqlBatch(rows, None if position is None else _shown(position), _shown(limit))
                position = limit
        except SQLAlchemyError as error:
            # The driver's own text can hold the address with its password; only its kind is told.
            raise Unavailable(f"the database of {self.source.url_env} does not answer as expected: {type(error).__name__}",
                              value=self.source.table, next_step=f"check {self.source.url_env} and the network") from error

    def close(self) -> None:
        self.engine.dispose()

    def _table(self) -> Table:
        schema, _, name = self.source.table.rpartition(".")
        try:
            table = Table(name, MetaData(), schema=schema or None, autoload_with=self.engine)
        except NoSuchTableError as error:
            raise SourceError(f"the database of {self.source.url_env} has no table or view {self.source.table}",
                              next_step="correct `table` in [source]") from error
        names = [column.name for column in table.columns]
        if self.source.watermark not in names:
            raise SourceError(f"{self.source.table} has no column '{self.source.watermark}'", allowed=", ".join(names),
                              next_step="correct `watermark` in [source]")
        check_names(self.source.table, [name for name in names if name in self.columns or name != self.source.watermark], self.columns)
        return table

    def _refuse_unmarked(self, mark: Any) -> None:
        with self.engine.connect() as connection:
            unmarked = connection.execute(select(func.count()).where(mark.is_(None))).scalar_one()
        if unmarked:
            raise SourceError(f"{unmarked:,} rows of {self.source.table} have no '{mark.name}': they would never be read",
                              next_step="fill the watermark, or read from a view that does")

    def _upto(self, connection: Connection, mark: Any, after: Any, before: datetime | None) -> Any:
        """Watermark that closes the next batch: of its last row, so that rows with an equal watermark stay together."""
        query = self._beyond(select(mark), mark, after)
        if before is not None:
            query = query.where(mark < _comparable(before, mark))
        ordered = query.order_by(mark)
        last = connection.execute(ordered.offset(self.source.batch_rows - 1).limit(1)).scalar_one_or_none()
        return last if last is not None else connection.execute(query.order_by(mark.desc()).limit(1)).scalar_one_or_none()

    def _rows(self, connection: Connection, table: Table, mark: Any, after: Any, upto: Any) -> RawRows:
        import polars as pl

        most = TIES_MAX * self.source.batch_rows
        query = self._beyond(select(*(table.c[name] for name in self.columns)), mark, after).where(mark <= upto).order_by(mark)
        found = connection.execute(query.limit(most + 1)).fetchall()
        if len(found) > most:
            raise SourceError(f"more than {most:,} rows of {self.source.table} share one '{mark.name}'", value=upto,
                              next_step="choose a finer watermark or a larger batch_rows")
        cells = list(zip(*found, strict=True))
        frame = pl.DataFrame({name: pl.Series(name, [_plain(value) for value in cells[index]], strict=False)
                              for index, name in enumerate(self.columns)})
        return RawRows(as_text(frame, self.source.table).with_row_index("_row_number", offset=1), no_malformed(), frame.height)

    def _beyond(self, query: Select[Any], mark: Any, after: Any) -> Select[Any]:
        return query if after is None else query.where(mark > after)


def _engine(source: SqlSource) -> Engine:
    address = os.environ.get(source.url_env)
    if not address:
        raise SourceError(f"the environment variable {source.url_env} is not set", allowed="a SQLAlchemy URL",
                          next_step=f"export {source.url_env}=postgresql+psycopg://user:password@host/database")
    try:
        return create_engine(make_url(address))
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise SourceError(f"{source.url_env} does not hold a SQLAlchemy URL whose driver is installed: {type(error).__name__}",
                          next_step="see docs/how-to-add-a-use-case.md") from error


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _shown(value: Any) -> str:
    """A watermark as text that `_parsed` reads back."""
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def _parsed(text: str | None, mark: Any) -> Any:
    if text is None:
        return None
    kind = mark.type.python_type
    if kind in {datetime, date}:
        return kind.fromisoformat(text)
    return kind(text)


def _comparable(moment: datetime, mark: Any) -> Any:
    """A time in the watermark's own terms: databases that keep no zone keep UTC."""
    if mark.type.python_type is date:
        return moment.date()
    return moment if getattr(mark.type, "timezone", False) else moment.replace(tzinfo=None)
