"""The embedded prediction server behind the endpoint seam."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from interlock.control.endpoint import EndpointStats
from interlock.errors import StaleState
from interlock.records.store import utc_now
from interlock.rules.arms import ArmStats
from interlock.rules.routes import Observed, Route
from interlock.serving.client import ServingClient
from interlock.settings import Settings


class EmbeddedEndpoint:
    """Calls the server's control port; one connection pool for as long as it lives."""

    def __init__(self, settings: Settings, client: ServingClient | None = None) -> None:
        self._client = client or ServingClient(settings)

    def observed(self, use_case: str) -> Observed:
        """What the server does now; generation 0 and nothing for a use case that it never served."""
        found = self._client.observed(use_case)
        return found if found is not None else Observed(use_case=use_case, generation=0, observed_at=utc_now())

    def converge(self, route: Route) -> Observed:
        """Do what the route says."""
        return self._client.converge(route)

    def rollback(self, use_case: str, *, actor: str, reason: str, override_id: str, expected_generation: int,
                 to: Literal["previous", "champion"] = "previous", to_version: int | None = None) -> Observed:
        """Swap at once, on the server alone."""
        return self._client.rollback(use_case, actor, reason, override_id, to=to, expected_generation=expected_generation,
                                     to_version=to_version)

    def absorbed(self, use_case: str, override_id: str, route: Route) -> Observed:
        """The store has taken over the override."""
        return self._client.absorbed(use_case, override_id, route)

    def withdraw(self, use_case: str, version: int) -> None:
        """A retired version is forgotten by the server; one that never had the use case has nothing to forget."""
        with suppress(StaleState):
            self._client.withdraw(use_case, version)

    def stats(self, use_case: str) -> EndpointStats:
        """Both arms since the present generation began; empty for a use case that the server does not know yet."""
        try:
            found = self._client.stats(use_case)
        except StaleState:
            return EndpointStats(generation=0)
        generation = int(found["generation"])
        arms: dict[str, Any] = {}
        for item in found["generations"]:
            if item["generation"] == generation and item["override_id"] is None:
                arms = item["arms"]
        return EndpointStats(generation, *(_arm(arms.get(name)) for name in ("champion", "candidate", "shadow", "mirrored")))

    def capture_failing(self) -> dict[str, str]:
        """Use cases whose answers a worker cannot record now, with the disk's error."""
        found: dict[str, str] = self._client.health().get("capture_failing", {})
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _arm(counts: dict[str, Any] | None) -> ArmStats:
    """The server counts refused records among the requests; the analysis keeps answers (also failed ones) and refusals apart."""
    if counts is None:
        return ArmStats()
    return ArmStats(requests=counts["requests"] - counts["refusals"], errors=counts["errors"], refusals=counts["refusals"],
                    latency_p99_ms=counts["latency_ms"]["p99"], histogram=tuple(counts["scores"]["counts"]),
                    latency=tuple(counts["latency_ms"]["counts"]), predictions=tuple(sorted(counts["predictions"].items())),
                    abstentions=sum(counts.get("abstentions", {}).values()), compared=counts.get("compared", 0),
                    flips=counts.get("flips", 0), dropped=counts.get("dropped", 0))
