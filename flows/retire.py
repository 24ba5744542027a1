"""`retire`: carry out what a retirement decided, and say whether all of it is done.

Reads the decision, the route and what the endpoint holds. Computes nothing. Judges whether the version has left the route: what answers
or is the way back is never touched. Records releases and MLflow's version as archived, moves the package out of reach, and writes one
ledger entry once everything is done.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.artifacts import links_of, publish
from interlock.control.opening import Installation, opened
from interlock.control.releases import archiving


@flow(name="retire", log_prints=True)
def retire(use_case: str, decision_id: str) -> str:
    """Archive what the retirement DECISION_ID of USE_CASE decided; the answer is what was found, in words."""
    with opened(use_case) as installation:
        found = archive(installation, decision_id)
        record(installation, found)
        return found.sentence


@task(cache_policy=NO_CACHE)
def archive(installation: Installation, decision_id: str) -> archiving.Archived:
    """The server forgets the version, its package and MLflow's version are archived."""
    return archiving.carry_out(installation.settings, installation.store, decision_id)


@task(cache_policy=NO_CACHE)
def record(installation: Installation, found: archiving.Archived) -> None:
    """Ledger entry once it is done, and an artifact."""
    archiving.record(installation.store, found)
    get_run_logger().info(found.sentence)
    name = installation.use_case.name
    publish("retire", name, f"Retirement in {name}", found.facts() | {"what": found.sentence}, links_of(installation.settings, "releases"))
