"""Fire drills on record: a row with everything measured, and an entry in the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.tables import DrillRow


def record(session: Session, *, use_case: str, verdict: str, sentence: str, started_by: str, body: dict[str, Any], started_at: datetime,
           finished_at: datetime) -> DrillRow:
    """Write a finished drill down."""
    row = DrillRow(id=new_id(), use_case=use_case, verdict=verdict, sentence=sentence, started_by=started_by, body=body,
                   started_at=started_at, finished_at=finished_at)
    session.add(row)
    session.flush()
    ledger.append(session, "drill.finished", {"drill_id": row.id, "actor": started_by, "verdict": verdict, "sentence": sentence,
                                              "started_at": started_at, "measured": body}, use_case, at=finished_at)
    return row


def newest(session: Session, use_case: str, limit: int = 20) -> list[DrillRow]:
    """The newest drills of a use case, newest first."""
    query = select(DrillRow).where(DrillRow.use_case == use_case).order_by(DrillRow.finished_at.desc(), DrillRow.id.desc())
    return list(session.scalars(query.limit(limit)))


def last_of_each(session: Session, use_cases: Iterable[str]) -> dict[str, DrillRow]:
    """The last drill of each of these use cases that has had one."""
    ends = (select(DrillRow.use_case, func.max(DrillRow.finished_at).label("ended")).where(DrillRow.use_case.in_(list(use_cases)))
            .group_by(DrillRow.use_case).subquery())
    rows = session.scalars(select(DrillRow).join(ends, (DrillRow.use_case == ends.c.use_case) & (DrillRow.finished_at == ends.c.ended)))
    return {row.use_case: row for row in rows}
