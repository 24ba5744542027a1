"""`materialize`: write the online tables of the feature views that a use case reads or feeds.

Reads each view's newest snapshot. Computes what was known of every entity, and when it changes. Judges nothing: the server says of a
value that it is stale. Records one table per view, replaced whole; the server takes it up without a restart.
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from flows.artifacts import links_of, publish
from interlock.control.materializing import Materialized
from interlock.control.opening import Installation, moment, opened


@flow(name="materialize", log_prints=True)
def materialize(use_case: str, as_of: str | None = None) -> dict[str, str]:
    """Write the tables of the views of USE_CASE with what was known at `as_of` (ISO 8601; now where not given); digest by view."""
    with opened(use_case) as installation:
        done = write(installation, moment(as_of))
        announce(installation, done)
        return {one.view: one.digest for one in done}


@task(cache_policy=NO_CACHE)
def write(installation: Installation, as_of: datetime | None) -> list[Materialized]:
    """Load, compute and write every table."""
    from interlock.control.materializing import materialize_views

    return materialize_views(installation.settings, installation.store, installation.use_case, as_of=as_of, flow_run_id=flow_run.id,
                             progress=print)


@task(cache_policy=NO_CACHE)
def announce(installation: Installation, done: list[Materialized]) -> None:
    """Publish what the tables hold."""
    name = installation.use_case.name
    facts = {one.view: f"{one.entities:,} entities, {one.steps:,} steps, as of {one.as_of:%Y-%m-%d %H:%M} UTC, snapshot {one.snapshot}"
             for one in done}
    publish("materialize", name, f"Online tables of {name}", facts or {"views": "none"}, links_of(installation.settings, "data"))
