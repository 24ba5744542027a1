"""Which model answers a batch or a stream: what the endpoint answers with, or a version that a person approved."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from interlock.errors import DecisionRefused, InterlockError, StoreError
from interlock.modeling.package import Manifest, read_package
from interlock.records.candidates import numbered
from interlock.records.pointer import effective, read_overrides, read_routes
from interlock.records.routes import read_route
from interlock.records.store import Store
from interlock.records.tables import Decision, Release
from interlock.rules.routes import Route, Slot
from interlock.serving.proving import Prover
from interlock.settings import Settings

PROBE_S = 60.0


def champion_route(settings: Settings, store: Store, use_case: str) -> Route:
    """The route with its champion alone. A rollback that the server carried out and the store has not absorbed counts (law 5).

    With the store down the last route that the server was given answers. Raises `StoreError` where nothing was ever released.
    """
    run = settings.folder("run")
    try:
        with store.reading() as session:
            route = read_route(session, use_case)
    except InterlockError:
        kept = read_routes(run).get(use_case)
        if kept is None:
            raise
        route = kept
    override = read_overrides(run).get(use_case)
    if override is not None and override.generation >= route.generation:
        route = effective(route, override)
    if route.champion is None:
        raise StoreError(f"nothing answers for '{use_case}' yet: no version was released", value=use_case,
                         next_step=f"interlock train {use_case}, validate, approve")
    return _alone(route, route.champion)


def approved_route(settings: Settings, store: Store, use_case: str, version: int) -> Route:
    """The route with one named version in the champion's place; `DecisionRefused` unless a person approved it and it is not retired."""
    with store.reading() as session:
        route, candidate = read_route(session, use_case), numbered(session, use_case, version)
        if candidate is None:
            raise StoreError(f"'{use_case}' has no version {version}", value=version, next_step="interlock history")
        approved = select(Decision).where(Decision.kind == "approve", Decision.candidate_id == candidate.id)
        states = set(session.scalars(select(Release.state).where(Release.candidate_id == candidate.id)))
        if session.scalars(approved).first() is None or "retired" in states:
            raise DecisionRefused(f"version {version} of '{use_case}' may not answer: "
                                  + ("it was retired" if "retired" in states else "nobody approved it"), value=version,
                                  allowed="a version that was approved and not retired")
    return _alone(route, Slot(version=candidate.number, digest=candidate.package_digest))


def prove(settings: Settings, digest: str) -> Manifest:
    """The manifest of a package that was proven in a child process, now or before (law 7); the same proofs as the prediction server's.

    Raises `PackageError` where it is damaged or does not answer its golden rows.
    """
    packages = settings.folder("packages")
    asyncio.run(Prover(packages, settings.folder("run"), PROBE_S).prove_package(digest))
    return read_package(packages, digest).manifest


def _alone(route: Route, slot: Slot) -> Route:
    return route.model_copy(update={"champion": slot, "previous": None, "candidate": None, "candidate_percent": 0})
