"""`ingest`: take in new rows of a use case; bad rows go to quarantine; the result is a snapshot.

Reads the source. Computes typed rows, quarantine and the profile. Judges nothing but the rows themselves. Records a batch,
a snapshot and the event `snapshot.created`. Running it again without new rows changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from flows.artifacts import links_of, publish
from interlock.control.opening import Installation, moment, opened
from interlock.records.ingest import IngestResult


@flow(name="ingest", log_prints=True)
def ingest(use_case: str, as_of: str | None = None) -> str | None:
    """Take in new rows of USE_CASE (with event times before `as_of`, ISO 8601, where given) and record a snapshot."""
    with opened(use_case) as installation:
        result = take_in(installation, moment(as_of))
        announce(installation, result)
        return result.snapshot_digest


@task(cache_policy=NO_CACHE)
def take_in(installation: Installation, as_of: datetime | None) -> IngestResult:
    """Load, check, quarantine and record the new rows; their CPU seconds are counted."""
    from interlock.control.spending.usage import measured
    from interlock.control.windows.column_history import prepare_columns
    from interlock.records.ingest import ingest as take

    with measured(installation.store, installation.use_case.name, "ingest"):
        result = take(installation.settings, installation.store, installation.use_case, as_of=as_of, progress=print)
        prepare_columns(installation.settings, installation.store, installation.use_case.name)
        return result


@task(cache_policy=NO_CACHE)
def announce(installation: Installation, result: IngestResult) -> None:
    """Publish what came in, and emit `snapshot.created` where a new snapshot exists."""
    name = installation.use_case.name
    if result.changed:
        emit_event(
            event="snapshot.created",
            resource={"prefect.resource.id": f"interlock.snapshot.{result.snapshot_digest}", "interlock.use-case": name},
            payload={"use_case": name, "snapshot": result.snapshot_digest, "rows": result.rows_total, "new_rows": result.new_rows},
        )
    facts = {"use case": name, "snapshot": result.snapshot_digest, "rows": f"{result.rows_total:,}", "new rows": f"{result.new_rows:,}",
             "quarantined": f"{result.quarantined:,}", "reasons": result.reasons or "none"}
    publish("ingest", name, f"Rows of {name}", facts, links_of(installation.settings, "data"))
