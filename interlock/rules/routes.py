"""Route: what an endpoint should answer with. The endpoint seam is `converge(route) -> observed`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.spec.serving import Serving


class Slot(BaseModel):
    """One package in a route."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, description="Number of the candidate within its use case, for people.")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Package digest: the trusted one, from the decision.")


class Route(BaseModel):
    """What an endpoint should answer with. A higher generation always wins; generations never repeat."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_case: str
    generation: int = Field(ge=0)
    champion: Slot | None = None
    previous: Slot | None = Field(default=None, description="The way back: stays loaded, pinned and warm.")
    candidate: Slot | None = None
    candidate_percent: float = Field(default=0, ge=0, le=100, description="Share of requests the candidate answers.")
    candidate_mode: Literal["share", "shadow"] = Field(
        default="share", description="share: it answers its share. shadow: it scores that share after the reply, never returned.")
    sticky_key: str | None = Field(default=None, max_length=200,
                                   description="Field whose value chooses the arm; empty: the request id. One entity, one arm.")
    sticky_salt: str | None = Field(default=None, max_length=100,
                                    description="Hashed with the key, one per release: a release's arms are not the next one's.")
    on_capture_failure: Literal["serve", "refuse"] = Field(default="serve", description="From the use case's `[rollout]`.")
    serving: Serving = Field(default_factory=Serving, description="From the use case's `[serving]`; absent in older routes.")

    def slots(self) -> list[Slot]:
        """Distinct packages that must be loaded, champion first."""
        found = [slot for slot in (self.champion, self.previous, self.candidate) if slot is not None]
        return list({slot.digest: slot for slot in found}.values())


class Observed(BaseModel):
    """What an endpoint says that it does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_case: str
    generation: int
    champion: Slot | None = None
    previous: Slot | None = None
    candidate: Slot | None = None
    candidate_percent: float = 0
    candidate_mode: Literal["share", "shadow"] = "share"
    workers_ready: int = 0
    workers_total: int = 0
    override: bool = Field(default=False, description="The server rolled back by itself (law 5); the store has not absorbed it yet.")
    override_id: str | None = None
    override_durable: bool = True
    override_actor: str | None = None
    override_reason: str | None = None
    override_at: datetime | None = None
    observed_at: datetime


def agrees(route: Route, observed: Observed) -> bool:
    """Whether the endpoint does what the route says, on every worker."""
    return (observed.generation == route.generation and observed.champion == route.champion and observed.candidate == route.candidate
            and observed.candidate_percent == route.candidate_percent and observed.candidate_mode == route.candidate_mode
            and observed.workers_ready == observed.workers_total > 0)
