"""Everything that the reports about one candidate may look at, loaded once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.control.evidence.earlier import earlier_snapshot
from interlock.control.frames import modelling_rows, with_champions
from interlock.errors import InterlockError
from interlock.modeling.held_out import HeldOut, hold_out
from interlock.modeling.package import Package, Scores, read_package
from interlock.modeling.probe import probe_package
from interlock.modeling.split import target
from interlock.records.routes import read_route
from interlock.records.store import Store
from interlock.records.tables import Candidate, Snapshot
from interlock.rules.findings import Finding
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

Floats = NDArray[np.float64]
Report = tuple[list[Finding], dict[str, Any]]


@dataclass(frozen=True)
class Champion:
    """What answers now, asked for the same held-out rows. `error` says why it could not be."""

    digest: str
    package: Package | None = field(default=None, repr=False)
    scores: Scores | None = field(default=None, repr=False)
    error: InterlockError | None = None

    def checked(self) -> Champion:
        """Itself, or its error raised: a champion that cannot be asked is never "no champion yet"."""
        if self.error is not None:
            raise self.error
        return self


@dataclass(frozen=True)
class Case:
    """One candidate before its judges."""

    settings: Settings
    use_case: UseCase
    policy_path: Path
    snapshot: Snapshot = field(repr=False)
    frame: pl.DataFrame = field(repr=False)
    held_out: HeldOut = field(repr=False)
    champion: Champion | None
    as_of: datetime | None
    store: Store = field(repr=False)
    earlier: str | None = None  # digest of the snapshot before this one
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # what one report made and a later one draws

    @property
    def package(self) -> Package:
        return self.held_out.package

    @property
    def seed(self) -> int:
        return self.use_case.training.seed

    @property
    def scores(self) -> Floats:
        """Held-out scores as float64; class probabilities add up to 1."""
        return as_probabilities(self.held_out.scores)

    @property
    def champion_scores(self) -> Floats | None:
        """The champion's scores for the same rows, None where there is no champion."""
        found = self.champion.checked() if self.champion else None
        return as_probabilities(found.scores) if found is not None and found.scores is not None else None


def open_case(settings: Settings, store: Store, policy_path: Path, use_case: UseCase, candidate: Candidate, champion_digest: str | None,
              as_of: datetime | None) -> Case:
    """Load snapshot and package (in a child process first), rebuild the split, answer the held-out rows.

    Raises `DataError` or `PackageError` where the snapshot or the package is not what the candidate was made of.
    """
    packages = settings.folder("packages")
    package = probe_package(packages, candidate.package_digest)
    frame = modelling_rows(settings, store, use_case, candidate.snapshot_digest, package.manifest).frame
    trouble: InterlockError | None = None
    if champion_digest:
        try:
            theirs = read_package(packages, champion_digest).manifest
            frame = with_champions(settings, store, use_case, candidate.snapshot_digest, frame, theirs, package.manifest)
        except InterlockError as error:
            trouble = error
    with store.reading() as session:
        snapshot = session.get_one(Snapshot, candidate.snapshot_digest)
    held_out = hold_out(use_case, package, frame)
    champion = _champion(packages, champion_digest, held_out.rows, use_case.training.threads, trouble) if champion_digest else None
    return Case(settings, use_case, policy_path, snapshot, frame, held_out, champion, as_of, store, earlier_snapshot(store, snapshot))


def champion_of(store: Store, use_case: str) -> str | None:
    """Package digest of what answers now according to the route; None: no champion yet."""
    with store.reading() as session:
        slot = read_route(session, use_case).champion
    return slot.digest if slot else None


def labels_of(case: Case, rows: pl.DataFrame) -> Floats:
    """Labels of other rows of the snapshot as numbers."""
    return target(case.use_case.prediction, rows)


def as_probabilities(scores: Scores) -> Floats:
    """Float64 scores; rows of class probabilities are made to add up to 1 (float32 sums are off by 1e-7)."""
    wide = scores.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True) if wide.ndim == 2 else wide


def _champion(packages: Path, digest: str, rows: pl.DataFrame, threads: int, trouble: InterlockError | None) -> Champion:
    if trouble is not None:
        return Champion(digest, error=trouble)
    try:
        package = probe_package(packages, digest)
        return Champion(digest, package, package.open_model(threads).score(package.manifest.features.encode_frame(rows)))
    except (InterlockError, pl.exceptions.PolarsError) as error:
        known = error if isinstance(error, InterlockError) else InterlockError(f"the champion cannot read these rows: {error}")
        return Champion(digest, error=known)
