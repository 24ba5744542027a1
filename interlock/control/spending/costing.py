"""`costs`: what each stage of a use case used per day, and what that costs by the price table.

CPU seconds come from finished work (`usage`), bytes from what is stored now, requests from what was captured. A row is written anew
each time, so running it twice gives the same rows. Storage is a daily reading: only today's is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.spending.prices import PriceTable, price_table
from interlock.control.spending.serving_usage import record_serving_usage
from interlock.records.compaction import requests_by_day
from interlock.records.lake import lake_from
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Cost, Usage
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

LAKE_KINDS = ("rows", "quarantine", "profiles", "windows", "predictions", "shadow", "labels")
SERVING = "serving"


@dataclass(frozen=True)
class CostLine:
    """Use and US dollars of one stage on one day."""

    stage: str
    day: str
    cpu_seconds: float = 0.0
    storage_bytes: int = 0
    requests: int = 0
    usd: float = 0.0


def add_up(settings: Settings, store: Store, use_case: UseCase, *, now: datetime | None = None) -> list[CostLine]:
    """Add up and record every stage and day of the use case; today's storage is read now."""
    moment = (now or utc_now()).astimezone(UTC)
    record_serving_usage(settings, store)
    prices = price_table(settings, use_case.costs)
    with store.reading() as session:
        used = _cpu(session, use_case.name)
        packages = _packages(settings, session, use_case.name)
    stored = {**_lake_bytes(settings, use_case.name), "storage.packages": packages,
              "storage.capture": _folder_bytes(settings.folder("capture") / use_case.name)}
    today = moment.date().isoformat()
    lines = _merged([
        *used, *(CostLine(SERVING, day, requests=rows) for day, rows in requests_by_day(settings, use_case.name).items()),
        *(CostLine(stage, today, storage_bytes=size) for stage, size in stored.items())])
    priced = [replace(line, usd=_usd(prices, line)) for line in lines]
    with store.writing() as session:
        for line in priced:
            session.merge(Cost(use_case=use_case.name, stage=line.stage, day=line.day, cpu_seconds=line.cpu_seconds,
                               storage_bytes=line.storage_bytes, requests=line.requests, usd=line.usd, updated_at=moment))
    return priced


def totals(lines: Iterable[CostLine]) -> dict[str, str]:
    """Per stage: dollars, and what they are for; storage is the newest day's, because bytes do not add up over days."""
    found: dict[str, list[CostLine]] = {}
    for line in lines:
        found.setdefault(line.stage, []).append(line)
    return {stage: _sentence(sorted(own, key=lambda line: line.day)) for stage, own in sorted(found.items())}


def _cpu(session: Session, use_case: str) -> list[CostLine]:
    rows = session.execute(select(Usage.stage, Usage.finished_at, Usage.cpu_seconds).where(Usage.use_case == use_case).order_by(Usage.id))
    return [CostLine(stage, finished.date().isoformat(), cpu_seconds=seconds) for stage, finished, seconds in rows]


def _packages(settings: Settings, session: Session, use_case: str) -> int:
    digests = set(session.scalars(select(Candidate.package_digest).where(Candidate.use_case == use_case)))
    return sum(_folder_bytes(settings.folder("packages") / digest.removeprefix("sha256:")) for digest in digests)


def _lake_bytes(settings: Settings, use_case: str) -> dict[str, int]:
    lake = lake_from(settings)
    return {f"storage.{kind}": lake.size_bytes(use_case, kind) for kind in LAKE_KINDS}


def _folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; a file that vanishes meanwhile (compaction, retention) counts nothing."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _merged(lines: Iterable[CostLine]) -> list[CostLine]:
    """One line per stage and day, by day, then stage."""
    found: dict[tuple[str, str], CostLine] = {}
    for line in lines:
        known = found.get((line.day, line.stage), CostLine(line.stage, line.day))
        found[line.day, line.stage] = replace(
            known, cpu_seconds=known.cpu_seconds + line.cpu_seconds, storage_bytes=known.storage_bytes + line.storage_bytes,
            requests=known.requests + line.requests)
    return [found[key] for key in sorted(found)]


def _usd(prices: PriceTable, line: CostLine) -> float:
    return prices.day_usd(cpu_seconds=line.cpu_seconds, storage_bytes=line.storage_bytes, requests=line.requests)


def _sentence(lines: list[CostLine]) -> str:
    parts = [f"{sum(line.cpu_seconds for line in lines):,.1f} CPU seconds", f"{sum(line.requests for line in lines):,} requests",
             f"{lines[-1].storage_bytes:,} bytes"]
    said = [part for part in parts if not part.startswith(("0 ", "0.0 "))]
    return f"{sum(line.usd for line in lines):.6f} USD ({', '.join(said) or 'nothing used'})"
