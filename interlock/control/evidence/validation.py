"""Validate a candidate: load → measure → judge → seal → record."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from interlock.control.evidence.assessment import Assessment, assess, nothing_measured
from interlock.control.evidence.case import champion_of, open_case
from interlock.control.spending.usage import measured
from interlock.errors import EvidenceError, InterlockError
from interlock.records import ledger, policies
from interlock.records.candidates import add_evidence, candidate_of, newest_unvalidated, numbered
from interlock.records.registry import mirror_evidence
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate
from interlock.rules.canonical import digest_bytes
from interlock.rules.catalogue import gates_for
from interlock.rules.evidence import Evidence
from interlock.rules.findings import failed
from interlock.rules.gates import judge
from interlock.settings import Settings
from interlock.spec.load import find_use_case, policy_digest
from interlock.spec.usecase import UseCase

Progress = Callable[[str], None]


def validate_candidate(settings: Settings, store: Store, candidate_id: str, *, as_of: datetime | None = None, with_evidently: bool = True,
                       flow_run_id: str | None = None, progress: Progress = lambda text: None) -> Evidence:
    """Sealed evidence about a candidate, on record with its files and ledger entry.

    A snapshot or package that cannot be read, and any report that fails, make the gates concerned say UNKNOWN; nothing is passed by
    default. `as_of` bounds captured traffic and dates the age of the data. Raises only where there is no such candidate or use case.
    """
    with store.reading() as session:
        candidate = candidate_of(session, candidate_id)
    path = find_use_case(settings, candidate.use_case)[0]
    policy = policies.keep(settings, path)  # what is sealed is what judges: the file may change while reports are made
    use_case = policies.kept(settings, policy)
    with measured(store, use_case.name, "validate", flow_run_id):
        champion, gates = champion_of(store, use_case.name), gates_for(use_case)
        try:
            case = open_case(settings, store, path, use_case, candidate, champion, as_of)
            assessment = assess(case, gates, with_evidently=with_evidently, progress=progress)
        except InterlockError as error:
            progress(f"nothing could be measured: {error}")
            assessment = nothing_measured(gates, error)
        results = [judge(gate, [*assessment.findings, *assessment.observed]) for gate in gates]
        evidence = Evidence(
            use_case=use_case.name, candidate_id=candidate.id, package_digest=candidate.package_digest,
            policy_digest=policy, champion_digest=champion,
            snapshots=[candidate.snapshot_digest, *assessment.rests_on], created_at=utc_now(),
            findings=assessment.findings, observed=assessment.observed, gates=results, figures=assessment.figures,
            observed_figures=assessment.observed_figures)
        evidence = _with_attachments(settings, evidence, use_case, candidate, assessment)
        _record(settings, store, candidate, evidence, assessment.files)
        progress(f"{evidence.verdict.value.upper()}: evidence {evidence.seal()}")
        return evidence


def next_candidate(settings: Settings, store: Store, use_case: str, *, candidate_id: str | None = None,
                   version: int | None = None) -> str | None:
    """Id of the candidate to validate: the one named by id or version, else the newest without evidence that counts now.

    None where every one has some. `EvidenceError` where there is no candidate, or the named one is another use case's.
    """
    with store.reading() as session:
        if candidate_id is not None:
            found = candidate_of(session, candidate_id)
            if found.use_case != use_case or (version is not None and found.number != version):
                raise EvidenceError(f"this candidate is version {found.number} of '{found.use_case}'", value=candidate_id,
                                    next_step=f"interlock validate {found.use_case} --candidate {candidate_id}")
            return found.id
        last = session.scalar(select(func.max(Candidate.number)).where(Candidate.use_case == use_case))
        if last is None:
            raise EvidenceError(f"'{use_case}' has no candidate yet", next_step=f"interlock train {use_case}")
        if version is None:
            newest = newest_unvalidated(session, use_case, policy_digest(settings, use_case))
            return newest.id if newest else None
        chosen = numbered(session, use_case, version)
    if chosen is None:
        raise EvidenceError(f"'{use_case}' has no such version", value=version, allowed=f"1 to {last}", next_step="interlock history")
    return chosen.id


def evidence_folder(settings: Settings, seal: str) -> Path:
    """Where the files attached to evidence lie."""
    return settings.home.resolve() / "evidence" / seal.removeprefix("sha256:")


def _with_attachments(settings: Settings, evidence: Evidence, use_case: UseCase, candidate: Candidate, assessment: Assessment) -> Evidence:
    """The evidence with its own page and the model card as further files, and the digest of every file in it.

    A page that cannot be made is recorded as a finding of state ERROR: pages show the evidence, they are not the evidence.
    """
    def page() -> dict[str, bytes]:
        from reports.html import evidence_html

        told = f"made when this page was; its replayable section is {evidence.replayable_digest()}"  # a page cannot hold its own seal
        return {"evidence.html": evidence_html(evidence, use_case, seal=told).encode()}

    def cards() -> dict[str, bytes]:
        from interlock.control.evidence.model_card import sealed_cards

        return sealed_cards(settings, evidence, use_case, candidate)

    broken = []
    for name, make in (("report.html", page), ("report.model_card", cards)):
        try:
            assessment.files |= make()
        except Exception as error:  # noqa: BLE001 - recorded as a finding of state ERROR
            broken.append(failed(name, error))
    attachments = {name: digest_bytes(data) for name, data in sorted(assessment.files.items())}
    return evidence.model_copy(update={"observed": [*evidence.observed, *broken], "attachments": attachments})


def _record(settings: Settings, store: Store, candidate: Candidate, evidence: Evidence, files: Mapping[str, bytes]) -> None:
    """Files first, so that evidence on record always has them; then row and ledger entry in one transaction; then the mirror."""
    seal = evidence.seal()
    body = json.dumps(evidence.model_dump(mode="json"), ensure_ascii=False, sort_keys=True).encode()
    _write_folder(evidence_folder(settings, seal), {**files, "evidence.json": body})
    with store.writing() as session:
        add_evidence(session, evidence)
        ledger.append(session, "evidence.sealed", {
            "evidence": seal, "replayable": evidence.replayable_digest(), "verdict": evidence.verdict, "candidate_id": candidate.id,
            "package": evidence.package_digest, "policy": evidence.policy_digest, "champion": evidence.champion_digest,
            "snapshots": evidence.snapshots, "attachments": evidence.attachments,
            "gates": {result.gate: result.verdict for result in evidence.gates}}, evidence.use_case)
    mirror_evidence(settings, candidate.mlflow_run_id, verdict=evidence.verdict.value, seal=seal, files={**files, "evidence.json": body})


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """The folder with all its files, or none."""
    if folder.is_dir():
        return
    temporary = folder.with_name(f".new-{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    for name, data in files.items():
        with (temporary / name).open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    temporary.rename(folder)
