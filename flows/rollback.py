"""`rollback`: after the endpoint has swapped, verify that it really answers with the good model, record it, tell people.

Reads decision, route and endpoint. Computes nothing. Judges whether the endpoint does what was decided. Records what it found in the
ledger, and an alert. Gates are skipped: the way back must never wait for them.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.artifacts import links_of, publish
from interlock.control.endpoint import reached
from interlock.control.keeping.alerting import deliver
from interlock.control.opening import Installation, opened
from interlock.control.releases import aftermath


@flow(name="rollback", log_prints=True)
def rollback(use_case: str, decision_id: str) -> str:
    """Verify, record and tell the rollback DECISION_ID of USE_CASE; the answer is what was found, in words."""
    with opened(use_case) as installation:
        found = verify(installation, decision_id)
        record(installation, found)
        notify(installation)
        report(installation, found)
        return found.sentence


@task(cache_policy=NO_CACHE)
def verify(installation: Installation, decision_id: str) -> aftermath.Aftermath:
    """What the endpoint answers with, against the decision."""
    with reached(installation.settings) as endpoint:
        return aftermath.verify(installation.store, endpoint, decision_id)


@task(cache_policy=NO_CACHE)
def record(installation: Installation, found: aftermath.Aftermath) -> None:
    """Ledger entry and alert, once per decision."""
    aftermath.record(installation.store, found)


@task(cache_policy=NO_CACHE)
def notify(installation: Installation) -> None:
    """Tell people now, rather than with the keeper's next round."""
    deliver(installation.settings, installation.store, [installation.use_case])


@task(cache_policy=NO_CACHE)
def report(installation: Installation, found: aftermath.Aftermath) -> None:
    """Publish what was found."""
    get_run_logger().info(found.sentence)
    name = installation.use_case.name
    publish("rollback", name, f"Rollback of {name}", found.facts(), links_of(installation.settings, "releases"))
