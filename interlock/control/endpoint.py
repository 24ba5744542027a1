"""The endpoint seam: one idempotent `converge(route) -> observed`, and the way back that works on the endpoint alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from interlock.rules.arms import ArmStats
from interlock.rules.routes import Observed, Route
from interlock.settings import Settings


@dataclass(frozen=True)
class EndpointStats:
    """What the arms answered since the endpoint took on `generation`."""

    generation: int
    champion: ArmStats = field(default_factory=ArmStats)
    candidate: ArmStats = field(default_factory=ArmStats)
    shadow: ArmStats = field(default_factory=ArmStats)    # what the candidate would have answered to mirrored requests
    mirrored: ArmStats = field(default_factory=ArmStats)  # the champion on the same requests, timed beside it


class Endpoint(Protocol):
    """What answers customers. Every method has a bounded timeout and raises `Unavailable` where nothing answers."""

    def observed(self, use_case: str) -> Observed:
        """What it does now; generation 0 and nothing for a use case that it never served."""

    def converge(self, route: Route) -> Observed:
        """Do what the route says; a lower generation is refused with `StaleState`, a damaged package with `PackageError`."""

    def rollback(self, use_case: str, *, actor: str, reason: str, override_id: str, expected_generation: int,
                 to: Literal["previous", "champion"] = "previous", to_version: int | None = None) -> Observed:
        """Answer with the previous model at once, whatever the store does ("champion": only the candidate leaves).

        `to_version`: with any version that answered there before; it is verified, proven and loaded first (`PackageError`: it is not
        sound; `StaleState`: it never answered there, or is retired; nothing is changed).
        The same `override_id` again changes nothing; another one while an override stands is refused with `StaleState`.
        """

    def absorbed(self, use_case: str, override_id: str, route: Route) -> Observed:
        """The store has taken over the override: its newer route takes effect. Asking again changes nothing."""

    def withdraw(self, use_case: str, version: int) -> None:
        """A retired version may not be asked for there any more. Asking again changes nothing."""

    def stats(self, use_case: str) -> EndpointStats:
        """Both arms since the present generation began."""

    def capture_failing(self) -> dict[str, str]:
        """Use cases whose answers cannot be recorded now, with the reason."""

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
