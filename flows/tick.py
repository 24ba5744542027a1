"""`tick`: start what is due.

Reads every use case's `[schedules]`. Computes the newest due time of each. Judges whether it was started before. Records the wish to
start it in the outbox (the keeper starts it) and publishes what it asked for.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.artifacts import links_of, publish
from interlock.control.opening import moment, opened_store


@flow(name="tick", log_prints=True)
def tick(now: str | None = None) -> list[str]:
    """Ask for every scheduled flow that is due `now` (ISO 8601; the real time where not given)."""
    return start_what_is_due(now)


@task(cache_policy=NO_CACHE)
def start_what_is_due(now: str | None) -> list[str]:
    """Write what is due to the outbox, tell about schedules that cannot be read, publish the list."""
    from interlock.control.backups.schedule import tend_backups
    from interlock.control.keeping.alerting import deliver
    from interlock.control.keeping.scheduling import start_due

    with opened_store() as (settings, store):
        started = [f"{run.use_case}: {run.flow}, due {run.due:%Y-%m-%d %H:%M} UTC" for run in start_due(settings, store, now=moment(now))]
        started += tend_backups(settings, store, moment(now))
        deliver(settings, store)
        publish("tick", "all", "Started by schedule", {"runs asked for": len(started), "which": "; ".join(started) or "none"},
                links_of(settings, "runs"))
    return started
