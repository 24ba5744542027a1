"""Ask for rows to be taken in again, by a person: after a source or the use case's columns and checks were corrected.

Ingestion judges the whole source anew where the data contract changed, and only new rows where it did not; so this can never double a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from interlock.control.access.people import Person, name_of, require
from interlock.control.deployments import INGEST
from interlock.records import ledger, outbox
from interlock.records.ingest import data_contract
from interlock.records.snapshots import batches_of
from interlock.records.store import Store, utc_now
from interlock.records.tables import Batch, Outbox
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase

KIND = "ingest.asked"


@dataclass(frozen=True)
class Asked:
    """`outbox_id`: the intent that the keeper carries out. `ledger_seq`: None where the same click had been taken already."""

    outbox_id: str
    ledger_seq: int | None


def judged_by_present_file(store: Store, use_case: UseCase) -> bool:
    """Whether rows were already taken in under the columns, checks and source that the file has now: then refused rows stay refused."""
    with store.reading() as session:
        if session.scalar(select(Batch.id).where(Batch.use_case == use_case.name).limit(1)) is None:
            return False
        return bool(batches_of(session, use_case.name, data_contract(use_case)))


def take_in_again(settings: Settings, store: Store, *, actor: str | Person, use_case: str, reason: str, nonce: str,
                  clock: Callable[[], datetime] = utc_now) -> Asked:
    """Write the wish and its ledger entry; the same nonce again changes nothing. Raises `DecisionRefused`, `UseCaseError`."""
    right = require(settings, actor, "re-ingest", reason)
    find_use_case(settings, use_case)
    cause = f"ingest:{use_case}:{nonce}"[:200]
    with store.writing() as session:
        known = session.scalars(select(Outbox.id).where(Outbox.cause == cause)).first()
        if known is not None:
            return Asked(known, None)
        row = outbox.enqueue(session, cause, INGEST, {"use_case": use_case}, at=clock())
        entry = ledger.append(session, KIND, {"actor": name_of(actor), "reason": reason, "standing": right, "outbox_id": row.id}, use_case,
                              at=clock())
        return Asked(row.id, entry.seq)
