"""The demo's own stage: its copies of the use-case files, and its waiting for what the product does by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from interlock.control.deployments import LIFECYCLE
from interlock.errors import InterlockError
from interlock.records import outbox
from interlock.records.ids import new_id
from interlock.records.store import Store
from interlock.records.tables import Candidate, EvidenceRow, Outbox, Release
from interlock.settings import Settings

USE_CASES = ("flight_delays", "loan_approvals")
POLL_S = 0.3
RUN_TIMEOUT_S = 180.0


@dataclass
class Stage:
    """The installation under the demo, seen through its store."""

    settings: Settings
    store: Store

    def start(self, deployment: str, **parameters: Any) -> str:
        """Ask for a flow run the way the product does: an intent in the outbox, started by the keeper. Returns its cause."""
        cause = f"demo:{deployment}:{new_id()}"
        with self.store.writing() as session:
            outbox.enqueue(session, cause, deployment, parameters)
        return cause

    def finished(self, cause: str) -> Outbox:
        """Wait for the run of a cause; raises with the run's own words where it failed."""
        row = self.until(lambda: self._ended(cause), f"the run of {cause}")
        if row.state != "done":
            raise InterlockError(f"the run of {cause} failed", value=row.last_error,
                                 next_step=f"{self.settings.prefect_url.removesuffix('/api')}/runs/flow-run/{row.flow_run_id}")
        return row

    def run(self, deployment: str, **parameters: Any) -> Outbox:
        return self.finished(self.start(deployment, **parameters))

    def until(self, look: Callable[[], Any], what: str, timeout_s: float = RUN_TIMEOUT_S) -> Any:
        """Poll until `look` gives something; bounded."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(POLL_S)
        raise InterlockError(f"{what} did not come within {timeout_s:.0f} s", next_step=f"see {self.settings.folder('log')}")

    def candidate(self, use_case: str) -> tuple[Candidate, EvidenceRow]:
        """The newest candidate with its newest evidence."""
        with self.store.reading() as session:
            candidate = session.scalars(select(Candidate).where(Candidate.use_case == use_case).order_by(Candidate.number.desc())).first()
            if candidate is None:
                raise InterlockError(f"'{use_case}' has no candidate", next_step="interlock status")
            query = select(EvidenceRow).where(EvidenceRow.candidate_id == candidate.id).order_by(EvidenceRow.created_at.desc())
            evidence = session.scalars(query).first()
            if evidence is None:
                raise InterlockError(f"candidate {candidate.number} of '{use_case}' has no evidence", next_step="interlock status")
            return candidate, evidence

    def release(self, decision_id: str) -> Release:
        with self.store.reading() as session:
            return session.scalars(select(Release).where(Release.decision_id == decision_id)).one()

    def retraining(self, use_case: str) -> Outbox | None:
        """The intent that monitoring wrote because of a breach."""
        with self.store.reading() as session:
            query = select(Outbox).where(Outbox.deployment == LIFECYCLE, Outbox.cause.startswith(f"breach:{use_case}:"))
            return session.scalars(query.order_by(Outbox.created_at.desc())).first()

    def _ended(self, cause: str) -> Outbox | None:
        with self.store.reading() as session:
            row = session.scalars(select(Outbox).where(Outbox.cause == cause)).first()
            return row if row is not None and row.state in {"done", "failed"} else None


def copy_use_cases(source: Path, target: Path) -> None:
    """The demo's copies: no schedules (the demo is the clock), bake times of seconds instead of minutes, half of the trials."""
    target.mkdir(parents=True, exist_ok=True)
    for name in USE_CASES:
        text = (source / f"{name}.toml").read_text(encoding="utf-8")
        text = re.sub(r"\n\[schedules\][^\[]*", "\n", text)
        text = re.sub(r"bake_s = \d+", "bake_s = 2", text)
        text = re.sub(r"(?m)^trials = \d+", "trials = 4", text)
        (target / f"{name}.toml").write_text(text, encoding="utf-8")


def edit_use_case(path: Path, old: str, new: str) -> str:
    """Change one passage of a use-case file and return the text from before."""
    before = path.read_text(encoding="utf-8")
    if before.count(old) != 1:
        raise InterlockError(f"{path} does not hold the passage to change once", value=old)
    path.write_text(before.replace(old, new), encoding="utf-8")
    return before


def gate_results(evidence: EvidenceRow) -> dict[str, str]:
    """Gate → verdict, as sealed."""
    return {gate["gate"]: gate["verdict"] for gate in evidence.body["gates"]}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "T00:00:00+00:00")
