"""Routes: the one truth of what each endpoint should answer with, changed only by compare-and-swap on the generation (law 1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from interlock.errors import StaleState
from interlock.records import ledger
from interlock.records.store import utc_now
from interlock.records.tables import RouteRow
from interlock.rules.routes import Route


def read_route(session: Session, use_case: str) -> Route:
    """The route of an endpoint; generation 0 and empty where nothing was ever released."""
    row = session.get(RouteRow, use_case, populate_existing=True)
    return Route(use_case=use_case, generation=0) if row is None else Route.model_validate(row.body)


def all_routes(session: Session) -> list[Route]:
    """Every route, by name of the use case."""
    return [Route.model_validate(body) for body in session.scalars(select(RouteRow.body).order_by(RouteRow.use_case))]


def champions(session: Session) -> dict[str, str | None]:
    """Digest of what each route says should answer, None where nothing should; for lists, which need no more of a route."""
    found = session.execute(select(RouteRow.use_case, RouteRow.body)).all()
    return {name: (body.get("champion") or {}).get("digest") for name, body in found}


def change_route(session: Session, old: Route, *, actor: str, reason: str, decision_id: str | None, at: datetime | None = None,
                 **changes: Any) -> Route:
    """Put `old` with `changes` in its place, one generation higher, and write it to the ledger in the same transaction.

    Raises `StaleState`, with nothing changed, when the stored generation is no longer `old.generation`.
    """
    moment = at or utc_now()
    new = Route.model_validate({**old.model_dump(), **changes, "generation": old.generation + 1})
    if not compare_and_swap(session, old.generation, new, moment):
        raise StaleState(f"the route of '{old.use_case}' was changed by somebody else first; nothing was changed now",
                         value=f"generation {old.generation}", next_step="look again: interlock status")
    ledger.append(session, "route.changed", {"actor": actor, "reason": reason, "decision_id": decision_id,
                                             "before": old.model_dump(), "after": new.model_dump()}, old.use_case, at=moment)
    return new


def compare_and_swap(session: Session, expected: int, new: Route, now: datetime) -> bool:
    """The one statement that changes a route; False where the generation is not the expected one."""
    values = {"generation": new.generation, "body": new.model_dump(mode="json"), "updated_at": now}
    if expected == 0:
        try:
            with session.begin_nested():
                session.execute(insert(RouteRow).values(use_case=new.use_case, **values))
        except IntegrityError:
            return False
        return True
    result = session.execute(update(RouteRow).where(RouteRow.use_case == new.use_case, RouteRow.generation == expected).values(**values),
                             execution_options={"synchronize_session": False})
    return isinstance(result, CursorResult) and result.rowcount == 1
