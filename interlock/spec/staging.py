"""What happens before the first customer, and between releases: `[staging]` and `[drill]`."""

from __future__ import annotations

from pydantic import Field

from interlock.spec.data import Section


class Staging(Section):
    """The candidate on a server of its own, before any customer sees it: smoke requests, then an open-loop load test."""

    real_rows: int = Field(default=100, ge=0, le=5_000, description="Smoke: real rows asked for beside the golden ones, the newest captured requests or, without any, held-out rows. 0: golden rows alone.")
    load_rate_per_s: float = Field(default=50, gt=0, le=2_000, description="Load: requests per second that the model must bear, on one worker.")
    load_seconds: float = Field(default=3, ge=0, le=30, description="Load: how long. 0: no load test, and the release says so. Fewer than 100 requests give no verdict.")
    load_rows: int = Field(default=1, ge=1, le=1_000, description="Load: records in one request.")
    load_connections: int = Field(default=16, ge=1, le=256, description="Load: most connections open at once.")
    load_p99_ms_max: float = Field(default=500, gt=0, description="Load: 99th percentile, counted from the moment a request was due, that stops the release. Generous, because staging shares its machine with everything else.")
    load_error_rate_max: float = Field(default=0.01, ge=0, lt=1, description="Load: share of requests that failed, were refused or timed out that stops the release.")


class Drill(Section):
    """The fire drill: deploy, breach and rollback rehearsed on a shadow server; `[schedules] drill` says when."""

    rate_per_s: float = Field(default=50, gt=0, le=500, description="Replayed requests per second.")
    rows: int = Field(default=500, ge=1, le=10_000, description="Captured requests replayed, the newest; they are repeated when they do not suffice.")
    fault_share: float = Field(default=0.5, gt=0, le=1, description="Share of the candidate's requests that are spoiled so that it refuses them.")
    detect_s_max: float = Field(default=30, gt=0, le=300, description="From the first spoiled request to the verdict of the release analysis.")
    rollback_ms_max: float = Field(default=1_000, gt=0, le=60_000, description="From the order to roll back to the last answer of the version that was taken off.")
    failed_max: int = Field(default=0, ge=0, description="Requests, other than the spoiled ones, that may fail during the drill.")
