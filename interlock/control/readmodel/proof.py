"""Evidence as people read it: gate results, findings by metric, candidate beside champion, figures behind the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.readmodel.signals import Signal, from_gate
from interlock.records.store import Store
from interlock.records.tables import Candidate, EvidenceRow
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding
from interlock.rules.gates import GateResult


@dataclass(frozen=True)
class Proof:
    """One sealed evidence with the candidate it is about. `sealed` is False where the content no longer matches its seal."""

    digest: str
    use_case: str
    candidate_id: str
    version: int
    package_digest: str
    author: str
    started_by: str
    trained_at: datetime
    created_at: datetime
    evidence: Evidence
    sealed: bool
    mlflow_run_id: str | None = None

    @property
    def verdict(self) -> str:
        return self.evidence.verdict.value

    @property
    def gates(self) -> list[GateResult]:
        """Gates, those that stop a release first."""
        order = {"fail": 0, "unknown": 1, "pass": 2}
        return sorted(self.evidence.gates, key=lambda gate: (gate.mode != "block", order[gate.verdict.value], gate.title))

    @property
    def signals(self) -> list[Signal]:
        """Each gate as the signal every view draws."""
        return [from_gate(gate, self.created_at) for gate in self.gates]

    @property
    def findings(self) -> list[Finding]:
        """Findings of the replayable and the observed section."""
        return [*self.evidence.findings, *self.evidence.observed]

    def by_metric(self, prefix: str) -> list[Finding]:
        """Findings whose metric starts with `prefix`, in the order of the report."""
        return [finding for finding in self.findings if finding.metric.startswith(prefix)]

    def figure(self, *names: str) -> Any:
        """The first of these figures that the evidence has, None where it has none."""
        figures = self.evidence.figures
        return next((figures[name] for name in names if figures.get(name)), None)


def proof(store: Store, digest: str) -> Proof | None:
    """The evidence with this digest, None where the store has none."""
    with store.reading() as session:
        row = session.execute(select(EvidenceRow, Candidate).join(Candidate, EvidenceRow.candidate_id == Candidate.id)
                              .where(EvidenceRow.digest == digest)).first()
    return _proof(row[0], row[1]) if row else None


def proof_of_package(store: Store, use_case: str, package_digest: str) -> Proof | None:
    """The newest evidence about the package, None where it was never validated."""
    with store.reading() as session:
        row = session.execute(select(EvidenceRow, Candidate).join(Candidate, EvidenceRow.candidate_id == Candidate.id)
                              .where(Candidate.use_case == use_case, Candidate.package_digest == package_digest)
                              .order_by(EvidenceRow.created_at.desc()).limit(1)).first()
    return _proof(row[0], row[1]) if row else None


def proofs(store: Store, use_case: str, limit: int = 50) -> list[tuple[str, int, datetime, str]]:
    """(digest, version, created at, verdict) of the newest evidence, newest first; bodies are not read."""
    with store.reading() as session:
        rows = session.execute(select(EvidenceRow.digest, Candidate.number, EvidenceRow.created_at, EvidenceRow.verdict)
                               .join(Candidate, EvidenceRow.candidate_id == Candidate.id).where(EvidenceRow.use_case == use_case)
                               .order_by(EvidenceRow.created_at.desc()).limit(limit)).all()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _proof(row: EvidenceRow, candidate: Candidate) -> Proof:
    evidence = Evidence.model_validate(row.body)
    return Proof(digest=row.digest, use_case=row.use_case, candidate_id=candidate.id, version=candidate.number,
                 package_digest=candidate.package_digest, author=candidate.author, started_by=candidate.started_by,
                 trained_at=candidate.created_at, created_at=row.created_at, evidence=evidence, sealed=evidence.seal() == row.digest,
                 mlflow_run_id=candidate.mlflow_run_id)
