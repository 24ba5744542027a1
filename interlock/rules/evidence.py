"""Evidence: findings, gate results and attachments about one candidate, sealed by one digest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from interlock.errors import EvidenceError
from interlock.rules.canonical import digest
from interlock.rules.findings import Finding
from interlock.rules.gates import GateResult, Verdict, blocking

EVIDENCE_FORMAT = 1


class Evidence(BaseModel):
    """What is known about a candidate.

    The replayable section (`findings`, `gates` on them) must come out bit for bit from the same snapshots; the observed
    section (latency, drift against live traffic …) cannot. HTML and other files are attached by digest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = EVIDENCE_FORMAT
    use_case: str
    candidate_id: str
    package_digest: str
    policy_digest: str = Field(description="Digest of the use-case file the gates come from; approval is void when it changes.")
    champion_digest: str | None = Field(description="Package that was live when this was measured; None: no champion yet.")
    snapshots: list[str] = Field(description="Snapshot digests the findings rest on.")
    created_at: datetime
    findings: list[Finding] = Field(description="Replayable.")
    observed: list[Finding] = Field(default_factory=list, description="Not replayable: depends on machine and traffic.")
    gates: list[GateResult]
    attachments: dict[str, str] = Field(default_factory=dict, description="File name → digest of its bytes.")
    figures: dict[str, Any] = Field(default_factory=dict, description="Replayable plain data behind the pictures.")
    observed_figures: dict[str, Any] = Field(default_factory=dict, description="Plain data of the observed section; not replayable.")

    @property
    def verdict(self) -> Verdict:
        """PASS only if every blocking gate passed; FAIL before UNKNOWN."""
        stopping = blocking(self.gates)
        if not self.gates or any(result.verdict is Verdict.UNKNOWN for result in stopping):
            return Verdict.FAIL if any(result.verdict is Verdict.FAIL for result in stopping) else Verdict.UNKNOWN
        return Verdict.FAIL if stopping else Verdict.PASS

    def replayable_digest(self) -> str:
        """Digest of what must reproduce bit for bit."""
        return digest({"findings": [f.model_dump() for f in self.findings], "figures": self.figures, "snapshots": self.snapshots,
                       "package": self.package_digest, "policy": self.policy_digest, "champion": self.champion_digest})

    def seal(self) -> str:
        """The digest that a decision binds to: over everything. Without observed figures it is what it was before there were any."""
        return digest(self.model_dump(exclude=None if self.observed_figures else {"observed_figures"}))


def check_seal(evidence: Evidence, expected: str) -> None:
    """Raise `EvidenceError` unless the evidence is exactly what was sealed."""
    actual = evidence.seal()
    if actual != expected:
        raise EvidenceError("the evidence was changed after it was sealed", value=actual, allowed=expected,
                            next_step="run validate again; nothing may be approved on this evidence")
