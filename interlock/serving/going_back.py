"""Whether the server may roll back by itself, and to what: any version that answered customers here before."""

from __future__ import annotations

from collections.abc import Mapping

from interlock.errors import StaleState
from interlock.rules.routes import Slot
from interlock.serving.tracks import Track


def overruled(track: Track, override_id: str, expected_generation: int | None) -> bool:
    """Whether this very rollback was carried out already. Raises `StaleState` when another one stands, or the route has changed."""
    if override_id in track.absorbed or track.override_id == override_id:
        return True
    if track.override is not None:
        raise StaleState("the server has been rolled back already", value=override_id,
                         allowed=f"override {track.override.id} by {track.override.actor} stands: {track.override.reason}")
    if expected_generation is not None and expected_generation != track.route.generation:
        raise StaleState("the route has changed since you looked", value=f"generation {expected_generation}",
                         allowed=f"{track.route.generation}", next_step="look again, then decide")
    return False


def going_back(track: Track, version: int, served: Mapping[str, str]) -> Slot:
    """The slot of a version that answered here as champion, by the server's own list; retired ones are not on it. Raises `StaleState`."""
    champion = track.route.champion
    if champion is not None and champion.version == version:
        raise StaleState(f"version {version} answers already", value=f"version {version}", allowed=_others(served, version))
    digest = served.get(str(version))
    if digest is None:
        raise StaleState(f"version {version} never answered customers on this server, or is retired", value=f"version {version}",
                         allowed=_others(served, champion.version if champion else 0), next_step="interlock history NAME")
    return Slot(version=version, digest=digest)


def _others(served: Mapping[str, str], but: int) -> str:
    return ", ".join(f"version {known}" for known in sorted(served, key=int, reverse=True) if known != str(but)) or "none"
