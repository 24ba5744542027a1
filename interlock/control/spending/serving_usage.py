"""CPU seconds of the prediction server, from its `/metrics`, shared out among the use cases by the predictions they got.

The server counts from its own start. What is new is its count less what is recorded for that start already, so that nothing is
counted twice, however often this runs. What it used after the last reading before it stopped stays uncounted.
"""

from __future__ import annotations

import re

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.errors import Unavailable
from interlock.records.ids import new_id
from interlock.records.store import Store, utc_now
from interlock.records.tables import Usage
from interlock.settings import Settings

STAGE = "serving"
CPU = re.compile(r"^interlock_cpu_seconds_total ([0-9.e+-]+)$", re.MULTILINE)
STARTED = re.compile(r"^interlock_start_time_seconds ([0-9]+)$", re.MULTILINE)
PREDICTIONS = re.compile(r'^interlock_predictions_total\{[^}]*use_case="([^"]+)"[^}]*\} ([0-9]+)', re.MULTILINE)


def record_serving_usage(settings: Settings, store: Store) -> bool:
    """Record what the server used since the last reading; False where it does not answer or has answered nobody yet."""
    from interlock.serving.client import ServingClient

    try:
        with ServingClient(settings) as client:
            text = client.metrics()
    except Unavailable:
        return False
    with store.writing() as session:
        return record_reading(session, text)


def record_reading(session: Session, metrics: str) -> bool:
    """Share out the CPU seconds in a Prometheus text that are not recorded yet."""
    cpu, started, counts = CPU.search(metrics), STARTED.search(metrics), requests_by_use_case(metrics)
    total = sum(counts.values())
    if cpu is None or started is None or total == 0:
        return False
    source = f"server:{started.group(1)}"
    known = session.scalar(select(func.coalesce(func.sum(Usage.cpu_seconds), 0.0)).where(Usage.stage == STAGE, Usage.flow_run_id == source))
    new = float(cpu.group(1)) - float(known or 0.0)
    if new <= 0:
        return False
    for use_case, requests in sorted(counts.items()):
        session.add(Usage(id=new_id(), use_case=use_case, stage=STAGE, cpu_seconds=new * requests / total, wall_seconds=0.0,
                          flow_run_id=source, finished_at=utc_now()))
    return True


def requests_by_use_case(metrics: str) -> dict[str, int]:
    """Predictions per use case since the server's start; use cases without any are left out."""
    found: dict[str, int] = {}
    for use_case, number in PREDICTIONS.findall(metrics):
        found[use_case] = found.get(use_case, 0) + int(number)
    return {use_case: number for use_case, number in found.items() if number}
