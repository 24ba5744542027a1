"""`drill`: rehearse deploy, breach and rollback on a shadow server, so that the way back is known to work before it is needed.

Reads what is live and captured requests. Computes how long a breach goes unseen and how long a rollback takes. Judges these against
`[drill]`. Records the drill and a ledger entry, and an alert where it failed. Customers' server, route and capture are not touched.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.artifacts import links_of, publish
from interlock.control.keeping.alerting import deliver
from interlock.control.opening import Installation, opened
from interlock.errors import StaleState
from interlock.records.tables import DrillRow


@flow(name="drill", log_prints=True)
def drill(use_case: str, started_by: str | None = None) -> str:
    """Rehearse a release and its rollback for USE_CASE; the answer is the verdict, or why there was nothing to rehearse."""
    with opened(use_case) as installation:
        try:
            row = rehearse(installation, started_by)
        except StaleState as nothing:
            get_run_logger().info(nothing.what)
            return nothing.what
        tell(installation, row)
        return row.verdict


@task(cache_policy=NO_CACHE)
def rehearse(installation: Installation, started_by: str | None) -> DrillRow:
    """Rehearse, judge and record."""
    from interlock.control.access.people import actor_name
    from interlock.control.drills.drill import drill as carry_out

    return carry_out(installation.settings, installation.store, installation.use_case,
                     started_by=started_by or actor_name(installation.settings))


@task(cache_policy=NO_CACHE)
def tell(installation: Installation, row: DrillRow) -> None:
    """Publish what was measured, and tell people now where it failed."""
    get_run_logger().info(row.sentence)
    deliver(installation.settings, installation.store, [installation.use_case])
    name = installation.use_case.name
    facts = {"verdict": row.verdict, "what": row.sentence} | {one["name"]: one["sentence"] for one in row.body["measures"]}
    publish("drill", name, f"Fire drill of {name}", facts, links_of(installation.settings, "releases"))
