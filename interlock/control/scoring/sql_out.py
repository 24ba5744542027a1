"""Answers in a table of any database that SQLAlchemy reaches. The chunk's row and its answers are one transaction:

    <table>           one row per answer
    <table>_refused   one row per refused row, with the reasons
    <table>_chunks    (job, chunk) is the key: whoever inserts it first has written the chunk, a second one changes nothing
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, MetaData, String, Table, Text, create_engine, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from interlock.control.scoring.results import Done, Head
from interlock.errors import SettingsError, Unavailable

if TYPE_CHECKING:
    import polars as pl

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,50}")
LISTS = ("scores", "flags", "reasons")  # kept as JSON text
WHOLE = -1  # the chunk number under which the finished job's summary lies


class SqlTable:
    """A table of results, in the database whose URL an environment variable holds (never the URL itself)."""

    def __init__(self, table: str, url_env: str, task: str) -> None:
        if not NAME.fullmatch(table):
            raise SettingsError("this is no name for a table", value=table, allowed=NAME.pattern)
        address = os.environ.get(url_env)
        if not address:
            raise SettingsError(f"the environment variable {url_env} is not set", allowed="an SQLAlchemy URL")
        try:
            self._engine = create_engine(make_url(address))
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise SettingsError(f"{url_env} does not hold a SQLAlchemy URL whose driver is installed: {type(error).__name__}") from None
        self.name = f"{self._engine.url.get_backend_name()}:{self._engine.url.host or ''}/{self._engine.url.database}:{table}"
        self._env = url_env
        self._answers, self._refused, self._chunks = _tables(table, task)

    def open(self, head: Head) -> dict[int, Done]:
        try:
            self._answers.metadata.create_all(self._engine)
            self._same_columns()
            with self._engine.connect() as connection:
                rows = connection.execute(select(self._chunks.c.body).where(self._chunks.c.job == head.job, self._chunks.c.chunk != WHOLE))
                return {done.index: done for done in (Done(**json.loads(body)) for (body,) in rows)}
        except SQLAlchemyError as error:
            raise self._down(error) from error

    def write(self, head: Head, done: Done, answers: pl.DataFrame, refused: pl.DataFrame) -> Done:
        whole = Done(done.index, done.answered, done.refused, done.reasons, {self._answers.name: head.job})
        key = {"job": head.job, "chunk": done.index}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(self._chunks).values(**key, body=json.dumps(whole.to_json())))
                for table, frame in ((self._answers, answers), (self._refused, refused)):
                    if frame.height:
                        connection.execute(insert(table), [_row(row) | key for row in frame.iter_rows(named=True)])
        except IntegrityError as error:
            if done.index not in self.open(head):
                raise self._down(error) from error
        except SQLAlchemyError as error:
            raise self._down(error) from error
        return whole

    def finish(self, head: Head, summary: dict[str, Any]) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(self._chunks).values(job=head.job, chunk=WHOLE, body=json.dumps(
                    {**summary, "job": head.to_json()}, sort_keys=True)))
        except IntegrityError:
            return  # told before
        except SQLAlchemyError as error:
            raise self._down(error) from error

    def close(self) -> None:
        self._engine.dispose()

    def _same_columns(self) -> None:
        inspector = inspect(self._engine)
        for table in (self._answers, self._refused, self._chunks):
            have, need = {str(column["name"]) for column in inspector.get_columns(table.name)}, set(table.columns.keys())
            if not need <= have:
                raise SettingsError(f"the table {table.name} is there and lacks columns", value=", ".join(sorted(need - have)),
                                    next_step="choose another table")

    def _down(self, error: SQLAlchemyError) -> Unavailable:
        """The driver's own text can hold the address with its password; only its kind is told."""
        return Unavailable(f"the database of {self._env} does not answer as expected: {type(error).__name__}", value=self._answers.name,
                           next_step=f"check {self._env}, then repeat the batch: it goes on where it was")


def _tables(name: str, task: str) -> tuple[Table, Table, Table]:
    metadata = MetaData()
    kinds: dict[str, Any] = {"binary": Integer, "multiclass": String(200), "regression": Float}

    def place() -> list[Column[Any]]:
        return [Column("job", String(71), primary_key=True), Column("chunk", Integer, primary_key=True)]

    answers = Table(name, metadata, Column("job", String(71), primary_key=True), Column("row_number", BigInteger, primary_key=True),
                    Column("chunk", Integer), Column("id", String(200), index=True), Column("event_time", DateTime(timezone=True)),
                    Column("score", Float), Column("prediction", kinds[task]), Column("scores", Text), Column("interval_low", Float),
                    Column("interval_high", Float), Column("flags", Text), Column("detail", Text), Column("version", Integer),
                    Column("digest", String(71)))
    refused = Table(f"{name}_refused", metadata, Column("job", String(71), primary_key=True),
                    Column("row_number", BigInteger, primary_key=True), Column("chunk", Integer), Column("reason", Text),
                    Column("reasons", Text), Column("raw", Text))
    return answers, refused, Table(f"{name}_chunks", metadata, *place(), Column("body", Text))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if name in LISTS and value is not None else value for name, value in row.items()}
