"""Outbox → Prefect, over its HTTP API (law 3). A decision is accepted with Prefect down; here its run is started when Prefect is back.

The idempotency key is `cause:attempt`: a repeated start returns the same run. Only this code raises the attempt, by compare-and-swap:
when the run is seen to have ended badly, or is lost, or still says "running" after its lease. A run that has not even begun by then is
started again only where that is safe; for the others people are told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from interlock.control.deployments import DEPLOY, LEASE_S, RETIRE, ROLLBACK
from interlock.control.keeping.alerting import record_alert
from interlock.errors import Unavailable
from interlock.records import outbox
from interlock.records.store import Store, utc_now
from interlock.records.tables import Outbox
from interlock.settings import Settings

TIMEOUT_S = 5.0
ATTEMPTS_MAX = 4
WAIT_MAX_S = 30.0           # longest pause between two tries to reach Prefect
MISSING_WAIT_S = 15.0       # a deployment that Prefect does not know: `prefect deploy --all` was not run yet
REFUSED_MAX = 5
BAD_ENDS = frozenset({"FAILED", "CRASHED", "CANCELLED"})
NOT_BEGUN = frozenset({"SCHEDULED", "PENDING", "PAUSED"})
REPEATABLE = frozenset({DEPLOY, ROLLBACK, RETIRE})  # started twice they do their work once


@dataclass
class Dispatcher:
    """Carries intents to Prefect. Holds only what may be lost: the pause after a failure and the ids of deployments."""

    settings: Settings
    store: Store
    clock: Callable[[], datetime] = utc_now
    transport: httpx.BaseTransport | None = None
    lost_after_s: dict[str, int] = field(default_factory=lambda: dict(LEASE_S))
    _wait_s: float = 0.0
    _not_before: datetime | None = None
    _ids: dict[str, str] = field(default_factory=dict)
    _looked: dict[str, datetime] = field(default_factory=dict)

    def run_once(self) -> list[str]:
        """Start what is due and look after what was started; sentences about what changed. Raises `Unavailable` with Prefect down."""
        now = self.clock()
        if self._not_before is not None and now < self._not_before <= now + timedelta(seconds=WAIT_MAX_S):  # or the clock was put back
            return []
        with self.store.reading() as session:
            due, running = outbox.due(session, now), outbox.started(session)
        running = [row for row in running if self._look_due(row, now)]
        if not due and not running:
            return []
        try:
            with httpx.Client(base_url=self.settings.prefect_url, timeout=TIMEOUT_S, transport=self.transport, trust_env=False) as client:
                said = self._each(client, due, running)
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            self._wait_s = min(WAIT_MAX_S, max(1.0, self._wait_s * 2))
            self._not_before = now + timedelta(seconds=self._wait_s)
            raise Unavailable(f"Prefect does not answer at {self.settings.prefect_url}: {type(error).__name__}",
                              next_step=f"intents wait; next try in {self._wait_s:g} s") from error
        self._wait_s, self._not_before = 0.0, None
        return [sentence for sentence in said if sentence]

    def _each(self, client: httpx.Client, due: list[Outbox], running: list[Outbox]) -> list[str]:
        """Start the due ones, follow the others. An intent that Prefect answers with an error of its own waits, and holds up no other;
        where every answer is one (the first `REFUSED_MAX` are enough to tell) that error is raised."""
        said: list[str] = []
        refused: list[tuple[Outbox, httpx.HTTPStatusError]] = []
        for row in [*due, *running]:
            try:
                said.append((self._start if row.state == "pending" else self._follow)(client, row))
            except httpx.HTTPStatusError as error:
                refused.append((row, error))
                if len(refused) == REFUSED_MAX and not said:
                    raise
        if refused and not said:
            raise refused[0][1]
        for row, answered in refused:
            if row.state == "pending":
                now = self.clock()
                self._move(row, now, lease_until=now + timedelta(seconds=MISSING_WAIT_S),
                           last_error=f"Prefect answers {answered.response.status_code} to this intent, but not to others")
        return said

    def _look_due(self, row: Outbox, now: datetime) -> bool:
        """Look at a run every 2 seconds in its first minute, then every 15."""
        every = 2 if now - row.updated_at < timedelta(minutes=1) else 15
        if now - self._looked.get(row.id, row.updated_at) < timedelta(seconds=every):
            return False
        self._looked[row.id] = now
        return True

    def _start(self, client: httpx.Client, row: Outbox) -> str:
        now = self.clock()
        deployment_id = self._deployment(client, row.deployment)
        if deployment_id is None:
            self._move(row, now, lease_until=now + timedelta(seconds=MISSING_WAIT_S),
                       last_error=f"Prefect has no deployment '{row.deployment}': prefect deploy --all")
            return ""
        answer = client.post(f"/deployments/{deployment_id}/create_flow_run", json={
            "idempotency_key": outbox.idempotency_key(row), "parameters": row.parameters,
            "tags": ["interlock", row.deployment.partition("/")[0]], "state": {"type": "SCHEDULED", "message": f"because of {row.cause}"}})
        if answer.status_code in {404, 409, 422}:
            self._ids.pop(row.deployment, None)
            if answer.status_code == 404:
                return ""
            return self._give_up(row, f"Prefect refuses the parameters: {answer.text[:300]}", now)
        answer.raise_for_status()
        run_id = str(answer.json()["id"])
        lease = now + timedelta(seconds=self.lost_after_s.get(row.deployment, 3_600))
        self._move(row, now, state="dispatched", flow_run_id=run_id, lease_until=lease, last_error="")
        return f"{row.deployment} started for {row.cause} (attempt {row.attempt}, run {run_id})"

    def _deployment(self, client: httpx.Client, name: str) -> str | None:
        if name not in self._ids:
            flow, _, deployment = name.partition("/")
            answer = client.get(f"/deployments/name/{quote(flow, safe='')}/{quote(deployment, safe='')}")
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            self._ids[name] = str(answer.json()["id"])
        return self._ids[name]

    def _follow(self, client: httpx.Client, row: Outbox) -> str:
        """What became of a run. Its success only ends the intent: state and route say what is true."""
        now = self.clock()
        answer = client.get(f"/flow_runs/{row.flow_run_id}")
        expired = row.lease_until is not None and now > row.lease_until
        if answer.status_code == 404:
            return self._again(row, "Prefect has lost the run", now) if expired else ""
        answer.raise_for_status()
        run: dict[str, Any] = answer.json()
        kind = str(run.get("state_type") or "")
        if kind in {"COMPLETED", *BAD_ENDS}:
            self._looked.pop(row.id, None)
        if kind == "COMPLETED":
            self._move(row, now, state="done", last_error="")
            return f"{row.deployment} ended for {row.cause}"
        if kind in BAD_ENDS:
            message = str((run.get("state") or {}).get("message") or "")[:300]
            return self._again(row, f"the run ended as {kind}: {message}", now)
        if not expired:
            return ""
        if kind not in NOT_BEGUN:
            return self._again(row, f"the run still says {kind} after its lease", now)
        return self._never_begun(row, kind, now)

    def _never_begun(self, row: Outbox, kind: str, now: datetime) -> str:
        """Tell people once; what may run twice is started again. The last run is left waiting for a worker, which will find it."""
        with self.store.writing() as session:
            told = record_alert(
                session, identity=f"waits:{row.id}", severity="critical", at=now, use_case=row.parameters.get("use_case"),
                title=f"{row.deployment} has not begun",
                body=f"cause {row.cause}: run {row.flow_run_id} still says {kind} after its lease. Is a worker of the pool at work? "
                     "interlock status")
        if row.deployment in REPEATABLE and row.attempt < ATTEMPTS_MAX:
            return self._again(row, f"the run still says {kind} after its lease", now)
        return f"{row.deployment} for {row.cause} has not begun: {kind}" if told else ""

    def _again(self, row: Outbox, why: str, now: datetime) -> str:
        """Raise the attempt by compare-and-swap; after the last one tell people instead."""
        if row.attempt >= ATTEMPTS_MAX:
            return self._give_up(row, f"{why}, {row.attempt} times", now)
        self._move(row, now, state="pending", attempt=row.attempt + 1, flow_run_id=None, last_error=why,
                   lease_until=now + timedelta(seconds=2.0 ** row.attempt))
        return f"{row.deployment} for {row.cause} again: {why}"

    def _give_up(self, row: Outbox, why: str, now: datetime) -> str:
        with self.store.writing() as session:
            if outbox.move(session, row, now, state="failed", last_error=why):
                record_alert(session, identity=f"outbox:{row.id}:{row.attempt}", severity="critical", at=now,
                             use_case=row.parameters.get("use_case"), title=f"{row.deployment} could not be carried out",
                             body=f"cause {row.cause}: {why}. See its runs in Prefect.")
        return f"{row.deployment} for {row.cause} is given up: {why}"

    def _move(self, row: Outbox, now: datetime, **changes: Any) -> None:
        with self.store.writing() as session:
            outbox.move(session, row, now, **changes)


def dispatch(settings: Settings, store: Store, *, clock: Callable[[], datetime] = utc_now) -> list[str]:
    """One pass over the outbox."""
    return Dispatcher(settings, store, clock).run_once()
