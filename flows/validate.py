"""`validate`: measure a candidate, judge it by its gates, seal the evidence.

Reads snapshot, package, champion and captured traffic. Computes every report. Judges the gates. Records the sealed evidence, its
files and ledger entry, and puts them on the MLflow run. A person decides on it; nothing is deployed here.
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from flows.artifacts import links_of, publish, publish_links
from interlock.control.opening import Installation, moment, opened
from interlock.rules.evidence import Evidence


@flow(name="validate", log_prints=True)
def validate(use_case: str, candidate_id: str | None = None, as_of: str | None = None) -> str | None:
    """Validate a candidate of USE_CASE (the newest without evidence where none is named); the answer is the evidence's digest."""
    with opened(use_case) as installation:
        evidence = measure(installation, candidate_id, moment(as_of))
        if evidence is None:
            return None
        announce(installation, evidence)
        return evidence.seal()


@task(cache_policy=NO_CACHE)
def measure(installation: Installation, candidate_id: str | None, as_of: datetime | None) -> Evidence | None:
    """Load, run every report, judge and record; None where every candidate has evidence that counts."""
    from interlock.control.evidence.validation import next_candidate, validate_candidate

    chosen = next_candidate(installation.settings, installation.store, installation.use_case.name, candidate_id=candidate_id)
    if chosen is None:
        print("every candidate has evidence that counts")  # noqa: T201 - Prefect's log
        return None
    return validate_candidate(installation.settings, installation.store, chosen, as_of=as_of, flow_run_id=flow_run.id, progress=print)


@task(cache_policy=NO_CACHE)
def announce(installation: Installation, evidence: Evidence) -> None:
    """Publish the verdict, gate by gate, with the way to the Approvals page, and links to the evidence as HTML and JSON."""
    from interlock.records.candidates import candidate_of
    from interlock.records.registry import evidence_addresses

    facts = {"verdict": evidence.verdict.value.upper(), "evidence": evidence.seal(), "package": evidence.package_digest,
             "champion": evidence.champion_digest or "none yet", **{gate.title: gate.sentence for gate in evidence.gates}}
    publish("validate", evidence.use_case, f"Evidence about {evidence.use_case}", facts, links_of(installation.settings, "approvals"))
    with installation.store.reading() as session:
        run = candidate_of(session, evidence.candidate_id).mlflow_run_id
    publish_links("validate", evidence.use_case, evidence_addresses(installation.settings, run, evidence.seal()))
