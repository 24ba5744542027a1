"""The rows that models are made and judged on: a snapshot with the features that are computed from it."""

from __future__ import annotations

import polars as pl

from interlock.modeling.derived import with_derived
from interlock.records.snapshots import load_snapshot
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.usecase import UseCase


def modelling_frame(settings: Settings, store: Store, use_case: UseCase, snapshot_digest: str) -> pl.DataFrame:
    """The snapshot's rows with one column per derived feature. Raises what `load_snapshot` and `with_derived` raise."""
    return with_derived(use_case, load_snapshot(settings, store, snapshot_digest))
