"""Features that a candidate could do without: tried on its own snapshot with its own parameters, kept with its record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.frames import modelling_frame
from interlock.errors import DataError
from interlock.modeling.held_out import since_of
from interlock.modeling.making import propose
from interlock.modeling.package import read_package
from interlock.records.candidates import candidate_of
from interlock.records.store import Store
from interlock.records.tables import Candidate
from interlock.settings import Settings
from interlock.spec.usecase import UseCase


def propose_drops_for(settings: Settings, store: Store, use_case: UseCase, *, tries: int,
                      progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Try the newest candidate without its `tries` least important features; figures as `selection.propose_drops` gives them.

    They replace what the training had found in the candidate's record. Nothing else changes: a person edits the use-case file.
    """
    with store.reading() as session:
        newest = session.scalars(select(Candidate).where(Candidate.use_case == use_case.name).order_by(Candidate.number.desc())).first()
    if newest is None:
        raise DataError(f"use case '{use_case.name}' has no candidate yet", next_step=f"interlock train {use_case.name}")
    manifest = read_package(settings.folder("packages"), newest.package_digest).manifest
    found = propose(use_case, modelling_frame(settings, store, use_case, newest.snapshot_digest), tries=tries, progress=progress,
                    as_of=datetime.fromisoformat(manifest.training["labels_until"]), since=since_of(manifest),
                    parameters=manifest.training["parameters"], rounds=int(manifest.training["rounds"]))
    with store.writing() as session:
        candidate = candidate_of(session, newest.id)
        candidate.metrics = {**candidate.metrics, "proposals": found}
    return found
