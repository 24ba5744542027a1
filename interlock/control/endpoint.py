"""The endpoint seam: one idempotent `converge(route) -> observed`, and the way back that works on the endpoint alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from interlock.rules.canary import ArmStats
from interlock.rules.routes import Observed, Route
from interlock.settings import Settings


@dataclass(frozen=True)
class EndpointStats:
    """What both arms answered since the endpoint took on `generation`."""

    generation: int
    champion: ArmStats = field(default_factory=ArmStats)
    candidate: ArmStats = field(default_factory=ArmStats)


class Endpoint(Protocol):
    """What answers customers. Every method has a bounded timeout and raises `Unavailable` where nothing answers."""

    def observed(self, use_case: str) -> Observed:
        """What it does now; generation 0 and nothing for a use case that it never served."""

    def converge(self, route: Route) -> Observed:
        """Do what the route says; a lower generation is refused with `StaleState`, a damaged package with `PackageError`."""

    def rollback(self, use_case: str, *, actor: str, reason: str, override_id: str, expected_generation: int,
                 to: Literal["previous", "champion"] = "previous") -> Observed:
        """Answer with the previous model at once, whatever the store does ("champion": only the candidate leaves).

        The same `override_id` again changes nothing; another one while an override stands is refused with `StaleState`.
        """

    def absorbed(self, use_case: str, override_id: str, route: Route) -> Observed:
        """The store has taken over the override: its newer route takes effect. Asking again changes nothing."""

    def stats(self, use_case: str) -> EndpointStats:
        """Both arms since the present generation began."""

    def close(self) -> None:
        """Give back what it holds (connections)."""


def endpoint_from(settings: Settings) -> Endpoint:
    """The installation's endpoint: the embedded prediction server."""
    from interlock.control.embedded import EmbeddedEndpoint

    return EmbeddedEndpoint(settings)


@contextmanager
def reached(settings: Settings, endpoint: Endpoint | None = None) -> Iterator[Endpoint]:
    """The given endpoint, which stays the caller's, or the installation's own, closed at the end."""
    if endpoint is not None:
        yield endpoint
        return
    own = endpoint_from(settings)
    try:
        yield own
    finally:
        own.close()
