"""`train`: make a candidate from the newest snapshot of a use case.

Reads the snapshot. Computes split, tuning, final fit and package. Judges nothing: that is `validate`'s. Records the candidate, its
ledger entry and CPU seconds, and mirrors it to MLflow. The same rows and seed give the same package, and then no new candidate.
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from flows.artifacts import links_of, publish
from interlock.control.access.people import actor_name
from interlock.control.opening import Installation, moment, opened
from interlock.records.tables import Candidate


@flow(name="train", log_prints=True)
def train(use_case: str, as_of: str | None = None, started_by: str | None = None) -> str:
    """Train a candidate of USE_CASE with the outcomes known at `as_of` (ISO 8601; now where not given); the answer is its id.

    `started_by` may not approve it; where nobody is named, it is the person this installation runs as.
    """
    with opened(use_case) as installation:
        candidate = make(installation, moment(as_of), started_by or actor_name(installation.settings))
        announce(installation, candidate)
        return candidate.id


@task(cache_policy=NO_CACHE)
def make(installation: Installation, as_of: datetime | None, started_by: str) -> Candidate:
    """Load, split, tune, fit, package and record."""
    from interlock.control.training import train_candidate

    return train_candidate(installation.settings, installation.store, installation.use_case, as_of=as_of, started_by=started_by,
                           flow_run_id=flow_run.id, progress=print)


@task(cache_policy=NO_CACHE)
def announce(installation: Installation, candidate: Candidate) -> None:
    """Publish what was made, with the way to its run."""
    links = links_of(installation.settings, "runs")
    if candidate.mlflow_run_id:
        links = {"MLflow run": f"{installation.settings.mlflow_url}/#/experiments/0/runs/{candidate.mlflow_run_id}", **links}
    facts = {"use case": candidate.use_case, "version": candidate.number, "candidate": candidate.id, "package": candidate.package_digest,
             "snapshot": candidate.snapshot_digest, "author": candidate.author, "started by": candidate.started_by,
             **{name: value["note"] if name == "proposals" else value for name, value in candidate.metrics.items()}}
    publish("train", candidate.use_case, f"Version {candidate.number} of {candidate.use_case}", facts, links)
